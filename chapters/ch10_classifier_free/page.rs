//! What the sliders of the book's page of chapter 10 show.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use from_noise::data::to_u8;
use from_noise::evaluate::{Classes, Generator, ImageSampler, Sampling};
use from_noise::guide::Guidance;
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::plot::sheet;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::Kind;

const SCALES: [f64; 7] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0];
const ROWS: i64 = 2;
const COLUMNS: i64 = 6;

/// A picture of twelve samples for each class and scale, all from the same noise.
#[derive(Debug, Serialize)]
struct Page {
    scales: [f64; 7],
    samples: i64,
    /// By class and scale: a PNG in Base64.
    pictures: Vec<Vec<String>>,
    /// By class and scale: how many of the samples the classifier puts into the class.
    right: Vec<Vec<i64>>,
}

/// `page.json` holds samples of each class at growing scales.
pub fn for_the_page(
    smoke: bool,
    trained: &Pretrained,
    net: &FeatureNet,
    sampling: Sampling,
    chapter: &mut Chapter,
) -> Result<()> {
    let Some(classes) = trained.config.classes else { return Ok(()) };
    let samples = ROWS * COLUMNS;
    let mut page = Page { scales: SCALES, samples, pictures: Vec::new(), right: Vec::new() };
    for class in 0..classes.min(if smoke { 2 } else { 10 }) {
        let (mut pictures, mut right) = (Vec::new(), Vec::new());
        for scale in SCALES {
            let images = ImageSampler::new(trained, sampling)?.of(Classes::Only(class))?;
            let images = images.guided(Guidance::scale(scale), None)?;
            let images = images.draw(0, samples as u64, &mut |_| {});
            pictures.push(BASE64_STANDARD.encode(sheet(&images, COLUMNS)));
            let found = net.classify(&net.features(&to_u8(&images)));
            let found = found.map(|found| found.eq(class).sum(Kind::Int64).int64_value(&[]));
            right.extend(found);
        }
        page.pictures.push(pictures);
        page.right.push(right);
    }
    chapter.results.samples(page.pictures.iter().flatten().count() as u64 * samples as u64);
    Ok(chapter.results.json("page.json", &page)?)
}
