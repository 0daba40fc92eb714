//! The pictures of chapter 15: the same captions and the same noise, guided in several ways.

use super::lines::{Guide, Line, Nets};
use anyhow::Result;
use from_noise::evaluate::{Generator, Sampling};
use from_noise::plot::Grid;
use from_noise::util::cli::Chapter;
use tch::Tensor;

const CAPTIONS: [&str; 6] = [
    "a large red star on a white background",
    "a small blue cross on a black background",
    "a green square and a purple circle",
    "a red square on top of a blue square",
    "a blue circle above a large red square",
    "a large red square left of a green star",
];

const WAYS: [Guide; 6] = [
    Guide::Nothing,
    Guide::Free(1.0),
    Guide::Free(3.0),
    Guide::Noised(2.0),
    Guide::Noised(8.0),
    Guide::Clean(4.0),
];

/// `samples.png`: a caption per row, a way to guide per column.
pub fn samples(nets: &Nets, sampling: Sampling, chapter: &mut Chapter) -> Result<()> {
    let captions = CAPTIONS.map(String::from);
    let mut columns = Vec::new();
    for guide in WAYS {
        let images = Line { guide, sampling }.images(nets, &captions)?;
        columns.push(images.draw(0, captions.len() as u64, &mut |_| {}));
    }
    let images = Tensor::stack(&columns, 1).flatten(0, 1); // [rows x columns, C, H, W]
    let names = WAYS.map(|guide| match guide {
        Guide::Nothing => "nothing".to_owned(),
        Guide::Free(scale) => format!("γ = {scale}"),
        Guide::Noised(scale) => format!("noised {scale}"),
        Guide::Clean(scale) => format!("clean {scale}"),
    });
    let grid = Grid::new(&images, WAYS.len()).scale(3).row_labels(&captions).column_labels(&names);
    chapter.results.samples((captions.len() * WAYS.len()) as u64);
    Ok(chapter.results.figure("samples.png", &grid.draw())?)
}
