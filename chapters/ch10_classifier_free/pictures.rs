//! The pictures of chapter 10: the same noise, guided in several ways.

use anyhow::Result;
use from_noise::evaluate::{Classes, Generator, ImageSampler, Sampling};
use from_noise::guide::Guidance;
use from_noise::plot::Grid;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use tch::Tensor;

/// The columns of the picture that everybody remembers.
const SHOWN: [f64; 6] = [0.0, 1.0, 1.5, 2.0, 3.0, 5.0];

/// The class whose variety is shown.
const CLASS: i64 = 7;

fn name(scale: f64) -> String {
    format!("γ = {scale}")
}

/// `scales.png`: a class per row, a scale per column. All images of a row start from the same noise.
pub fn scales(trained: &Pretrained, sampling: Sampling, chapter: &mut Chapter) -> Result<()> {
    let Some(classes) = trained.config.classes else { return Ok(()) };
    let rows = classes.min(10);
    let mut columns = Vec::new();
    for scale in SHOWN {
        let images = ImageSampler::new(trained, sampling)?.guided(Guidance::scale(scale), None)?;
        columns.push(images.draw(0, rows as u64, &mut |_| {}));
    }
    let images = Tensor::stack(&columns, 1).flatten(0, 1); // [rows x columns, C, H, W]
    let names = (0..rows).map(|class| class.to_string()).collect::<Vec<_>>();
    let grid = Grid::new(&images, SHOWN.len()).scale(3);
    let grid = grid.row_labels(&names).column_labels(&SHOWN.map(name));
    chapter.results.samples((rows as usize * SHOWN.len()) as u64);
    Ok(chapter.results.figure("scales.png", &grid.draw())?)
}

/// `one-class.png`: a scale per row, twelve samples of one class.
pub fn one_class(trained: &Pretrained, sampling: Sampling, chapter: &mut Chapter) -> Result<()> {
    let class = trained.config.classes.map_or(0, |classes| CLASS.min(classes - 1));
    let row = |scale: f64| {
        let images = ImageSampler::new(trained, sampling)?.of(Classes::Only(class))?;
        Ok((name(scale), images.guided(Guidance::scale(scale), None)?))
    };
    let rows = SHOWN[1..].iter().map(|&scale| row(scale)).collect::<Result<Vec<_>>>()?;
    same_noise("one-class.png", &rows, 12, chapter)
}

/// `variants.png`: much guidance, and what is done against too much of it; and a negative class.
pub fn variants(trained: &Pretrained, sampling: Sampling, chapter: &mut Chapter) -> Result<()> {
    let much = Guidance::scale(5.0);
    let last = trained.config.classes.map_or(0, |classes| classes - 1);
    let rows = [
        ("γ = 5".to_owned(), much, None),
        ("φ = 0.7".into(), Guidance { rescale: 0.7, ..much }, None),
        ("σ/α in 0.5 to 5".into(), Guidance { interval: Some([0.5, 5.0]), ..much }, None),
        (format!("γ = 2, away from {last}"), Guidance::scale(2.0), Some(last)),
    ];
    let row = |(name, guidance, negative)| {
        Ok((name, ImageSampler::new(trained, sampling)?.guided(guidance, negative)?))
    };
    let rows = rows.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    same_noise("variants.png", &rows, 10, chapter)
}

/// A row per sampler, the first `n` images of each.
fn same_noise(
    file: &str,
    rows: &[(String, ImageSampler)],
    n: u64,
    chapter: &mut Chapter,
) -> Result<()> {
    let images: Vec<Tensor> =
        rows.iter().map(|(_, images)| images.draw(0, n, &mut |_| {})).collect();
    let names: Vec<&String> = rows.iter().map(|(name, _)| name).collect();
    let grid = Grid::new(&Tensor::cat(&images, 0), n as usize).scale(3).row_labels(&names);
    chapter.results.samples(n * rows.len() as u64);
    Ok(chapter.results.figure(file, &grid.draw())?)
}
