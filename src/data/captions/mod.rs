//! A world that captions can describe: scenes of coloured shapes, drawn by rule, endless, and so
//! simple that a rule can say whether a picture shows what its caption states.

pub mod caption;
pub mod facts;
pub mod reader;
pub mod render;
pub mod scene;
pub mod tokenizer;
mod words;

pub use facts::{Facts, ObjectFacts};
pub use reader::{Reader, Reading, Unreadable};
pub use scene::{Background, Color, Composition, Object, Part, Relation, Scene, Shape, Size};
pub use tokenizer::Tokenizer;

use super::{Dataset, Split};
use tch::Tensor;
use words::{Named, joined};

/// How many scenes the data set `captions` trains on, and tests with.
const TRAIN: u64 = 50_000;
const TEST: u64 = 10_000;
/// The seed of its scenes.
const SEED: u64 = 0;

/// The first scenes of the world, drawn with `side` pixels a side, with their captions as tokens. An
/// image's class is the colour and the shape of its first object.
pub fn load(split: Split, side: i64) -> Dataset {
    match split {
        Split::Train => scenes(Part::Train, SEED, 0..TRAIN, side),
        Split::Test => scenes(Part::Test, SEED, 0..TEST, side),
    }
}

/// The captions of the first scenes that are tested with, or trained on, as many as [`load`] draws.
pub fn of_part(part: Part) -> Vec<String> {
    let n = if part == Part::Train { TRAIN } else { TEST };
    (0..n).map(|index| Scene::draw(SEED, index, part).caption(SEED, index)).collect()
}

/// The scenes with these numbers, as [`load`] draws them.
pub fn scenes(part: Part, seed: u64, indices: std::ops::Range<u64>, side: i64) -> Dataset {
    let n = (indices.end - indices.start) as i64;
    let (mut pixels, mut labels, mut captions) = (Vec::new(), Vec::new(), Vec::new());
    for index in indices {
        let scene = Scene::draw(seed, index, part);
        pixels.extend(scene.pixels(side as usize));
        labels.push(scene.first.class());
        captions.push(scene.caption(seed, index));
    }
    let images = Tensor::from_slice(&pixels).view([n, 3, side, side]);
    let tokens = Tokenizer::new().encode(&captions).expect("captions have known words");
    Dataset::new("captions", images, Tensor::from_slice(&labels), classes()).with_captions(tokens)
}

/// Every colour and shape: "red circle" is the first.
fn classes() -> Vec<String> {
    let of = |color: Color| Shape::ALL.map(|shape| joined(&[color.name(), shape.name()]));
    Color::ALL.into_iter().flat_map(of).collect()
}

impl Object {
    /// Its colour and shape as a number below 30: the place in `Color::ALL x Shape::ALL`.
    pub fn class(&self) -> i64 {
        self.color as i64 * Shape::ALL.len() as i64 + self.shape as i64
    }
}

#[cfg(test)]
mod tests;
