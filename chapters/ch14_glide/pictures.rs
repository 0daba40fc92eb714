//! The pictures of chapter 14: captions by growing scales, from the same noise.

use super::Config;
use anyhow::Result;
use from_noise::evaluate::{Generator, ImageSampler, Prompts};
use from_noise::guide::Guidance;
use from_noise::plot::Grid;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use tch::Tensor;

/// One object, two, a relation and its opposite, and compositions that training never saw.
const CAPTIONS: [&str; 8] = [
    "a large red star on a white background",
    "a small blue cross on a black background",
    "a green square and a purple circle",
    "a red square on top of a blue square",
    "a blue circle above a large red square",
    "a large red square above a blue circle",
    "a yellow circle on a gray background",
    "a purple triangle left of a green cross",
];

/// `prompts.png`: a caption per row, a scale per column, two images of each.
pub fn prompts(config: &Config, base: &Pretrained, chapter: &mut Chapter) -> Result<()> {
    const EACH: u64 = 2;
    let mut columns = Vec::new();
    for &scale in &config.scales {
        let captions: Vec<&str> =
            CAPTIONS.iter().flat_map(|caption| [*caption; EACH as usize]).collect();
        let prompts = Prompts::new(&captions)?;
        let images = ImageSampler::new(base, config.sampling)?.prompted(prompts)?;
        let images = images.guided(Guidance::scale(scale), None)?;
        let [c, h, w] = images.shape();
        let drawn = images.draw(0, EACH * CAPTIONS.len() as u64, &mut |_| {});
        columns.push(drawn.view([CAPTIONS.len() as i64, EACH as i64, c, h, w]));
    }
    let images = Tensor::stack(&columns, 1).flatten(0, 2); // [rows x columns x EACH, C, H, W]
    let across = config.scales.len() * EACH as usize;
    let names: Vec<String> =
        config.scales.iter().flat_map(|scale| [format!("γ = {scale}"), String::new()]).collect();
    let grid = Grid::new(&images, across).scale(2);
    let grid = grid.row_labels(&CAPTIONS.map(String::from)).column_labels(&names);
    chapter.results.samples((CAPTIONS.len() * across) as u64);
    Ok(chapter.results.figure("prompts.png", &grid.draw())?)
}
