//! The table of scales, and its curves.

use anyhow::Result;
use from_noise::evaluate::{Generator, ImageSampler, Quality, Sampling, Score};
use from_noise::guide::Guidance;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use serde::Serialize;

/// A line of the table as it is printed.
#[derive(Debug, Serialize)]
struct Row {
    scale: f64,
    /// Evaluations of the network per image.
    nfe: usize,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    /// The share of samples that the independent classifier puts into the class asked for.
    accuracy: Option<f64>,
    /// Of the classes found, in nats.
    entropy: f64,
    inception_score: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    fid_real: f64,
}

/// `guidance.csv` and `guidance.png`: the scores by the scale of guidance.
pub fn show(
    scores: &[(Score, Option<Quality>)],
    guidances: &[Guidance],
    trained: &Pretrained,
    sampling: Sampling,
    chapter: &mut Chapter,
) -> Result<()> {
    let mut rows = Vec::new();
    for &guidance in guidances {
        let recipe = ImageSampler::new(trained, sampling)?.guided(guidance, None)?.recipe();
        let mine = scores.iter().find(|(score, _)| score.condition == recipe.condition);
        rows.extend(mine.map(|(score, quality)| Row {
            scale: guidance.scale,
            nfe: score.nfe,
            n: score.n,
            fid_lenet: score.distance,
            error: score.error,
            accuracy: score.class_accuracy,
            entropy: score.class_entropy,
            inception_score: quality.and_then(|quality| quality.inception_score),
            precision: quality.map(|quality| quality.precision),
            recall: quality.map(|quality| quality.recall),
            fid_real: score.fid_real,
        }));
    }
    let (n, real) = (scores[0].0.n, scores[0].0.fid_real);
    chapter.results.samples(n);
    chapter.results.table("guidance.csv", &rows)?;

    let points = |of: &dyn Fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|row| Some((row.scale, of(row)?))).collect()
    };
    let spread = |row: &Row| {
        let two = 2.0 * row.error.unwrap_or(0.0);
        (row.scale, row.fid_lenet - two, row.fid_lenet + two)
    };
    let band: Vec<(f64, f64, f64)> = rows.iter().map(spread).collect();
    let caption = trained.config.data.caption();
    let fid = points(&|row| Some(row.fid_lenet));
    let fid = Curves::new(format!("FID-LeNet, {caption}, n = {n}"), "scale γ", "FID-LeNet")
        .band("guided", &band)
        .line("guided", &fid)
        .points("guided", &fid)
        .hline(real, "test images")
        .without_legend();
    let accuracy = points(&|row| row.accuracy);
    let accuracy = Curves::new("The class asked for", "scale γ", "share of samples")
        .line("right", &accuracy)
        .points("right", &accuracy)
        .without_legend();
    let (precision, recall) = (points(&|row| row.precision), points(&|row| row.recall));
    let shares = Curves::new("Quality and variety", "scale γ", "share")
        .line("precision", &precision)
        .points("precision", &precision)
        .line("recall", &recall)
        .points("recall", &recall);
    let panels = [fid, accuracy, shares];
    let panels = panels.map(|panel| panel.size(330.0, 290.0).draw());
    Ok(chapter.results.figure("guidance.png", &Figure::row(&panels))?)
}
