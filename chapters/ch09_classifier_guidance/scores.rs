//! The table: two networks, unguided and guided, by several measures; and the sweep of scales.

use super::cells::{Cell, Guide, Nets, draw, looks};
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::evaluate::{FeatureStats, ImageSampler, Quality, Sampling};
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::nn::ClassLabels;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::PretrainedClassifier;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    network: &'static str,
    guide: &'static str,
    gamma: f64,
    /// Evaluations of the network that draws, per image.
    nfe: usize,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    inception_score: Option<f64>,
    precision: f64,
    recall: f64,
    /// The share in which the guiding classifier finds the class asked for (the noised one where
    /// none guides), and its mean surprise, `-ln p(y | x0)`.
    right_by_guide: f64,
    surprise_of_guide: f64,
    /// The same of the independent classifier.
    right_by_lenet: f64,
    surprise_of_lenet: f64,
    fid_real: f64,
}

/// What measures: the independent classifier, and real images.
pub struct Judge<'a> {
    pub net: &'a FeatureNet,
    pub test: &'a Dataset,
}

/// The share of the labels that are found, and `-ln p` of the labels in the mean.
fn judged(logits: &Tensor, labels: &Tensor) -> [f64; 2] {
    let logits = on_cpu(logits);
    let right = on_cpu(&logits.argmax(1, false).eq_tensor(labels));
    let surprise = logits.cross_entropy_for_logits(labels);
    [right.mean(None::<Kind>).double_value(&[]), surprise.double_value(&[])]
}

impl Judge<'_> {
    fn row(
        &self,
        cell: Cell,
        images: &ImageSampler,
        pixels: &Tensor,
        guide: &PretrainedClassifier,
        device: Device,
    ) -> Row {
        let (n, features) = (pixels.size()[0] as u64, self.net.features(pixels));
        let mut stats = FeatureStats::new(self.net.dim());
        let _found = stats.add(self.net, &features);
        let score = stats.score(images, self.net, self.net.distance_of_real(self.test, n, 0));
        // each class was to be drawn in turn, even where nobody asked for it
        let labels = ClassLabels::in_turn(guide.classes(), 0, n);
        let labels = labels.labels();
        let logits = self.net.logits(&features).expect("a LeNet classifies");
        let [right_by_lenet, surprise_of_lenet] = judged(&logits, labels);
        let x0 = from_u8(&pixels.to_device(device));
        let logits = tch::no_grad(|| guide.classifier.logits(&x0, &[Level::CLEAN], false));
        let [right_by_guide, surprise_of_guide] = judged(&logits, labels);
        let Quality { inception_score, precision, recall } =
            Quality::of(self.net, &features, self.test);
        Row {
            network: cell.network(),
            guide: cell.guided(),
            gamma: cell.gamma(),
            nfe: score.nfe,
            n,
            fid_lenet: score.fid_lenet,
            error: score.error,
            inception_score,
            precision,
            recall,
            right_by_guide,
            surprise_of_guide,
            right_by_lenet,
            surprise_of_lenet,
            fid_real: score.fid_real,
        }
    }
}

/// `table.csv` and `scales.png`.
pub fn show(
    cells: &[Cell],
    nets: &Nets,
    sampling: Sampling,
    n: u64,
    judge: &Judge,
    chapter: &mut Chapter,
) -> Result<()> {
    let images = cells.iter().map(|cell| cell.images(nets, sampling));
    let images = images.collect::<Result<Vec<_>>>()?;
    let total = images.iter().map(|images| looks(images, n)).sum();
    let mut progress = Progress::new("drawing", total);
    let mut rows = Vec::new();
    chapter.results.samples(n);
    for (cell, images) in cells.iter().zip(&images) {
        let pixels = draw(images, n, chapter.results.dir(), &mut progress)?;
        let guide = match cell.guide {
            Guide::Clean(_) => &nets.clean,
            _ => &nets.noised,
        };
        rows.push(judge.row(*cell, images, &pixels, guide, chapter.device));
    }
    progress.finish("");
    chapter.results.table("table.csv", &rows)?;
    Ok(chapter.results.figure("scales.png", &sweep(&rows))?)
}

/// The unconditional network by the scale of its guidance.
fn sweep(rows: &[Row]) -> Figure {
    let line = |guide: &str, of: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        let mine = rows.iter().filter(|row| {
            row.network == "unconditional" && (row.guide == guide || row.guide == "nothing")
        });
        let mut points: Vec<_> = mine.map(|row| (row.gamma, of(row))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let panel = |title: &str, y: &str, of: fn(&Row) -> f64| {
        let names = ["noised classifier", "clean classifier"];
        let curves = Curves::new(title, "scale γ", y);
        names.iter().fold(curves, |curves, name| {
            let points = line(name, of);
            curves.line(*name, &points).points(*name, &points)
        })
    };
    let size = |curves: Curves, wide: f64| curves.size(wide, 280.0);
    let fid = panel("Distance from the data", "FID-LeNet", |row| row.fid_lenet);
    let fid = fid.hline(rows[0].fid_real, "test images");
    let right = panel("The class asked for", "share (LeNet)", |row| row.right_by_lenet);
    let (precision, recall) = (
        line("noised classifier", |row| row.precision),
        line("noised classifier", |row| row.recall),
    );
    let manifold = Curves::new("Quality and variety", "scale γ", "share")
        .line("precision", &precision)
        .points("precision", &precision)
        .line("recall", &recall)
        .points("recall", &recall);
    Figure::row(&[
        size(fid.without_legend(), 280.0).draw(),
        size(right, 400.0).draw(),
        size(manifold, 360.0).draw(),
    ])
}
