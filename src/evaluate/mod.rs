//! Scoring a generator of images: draw, round to pixels, measure, forget; the memory does not grow
//! with the number of samples.

mod generator;
mod guided;
mod guides;
mod image_sampler;
mod image_source;
mod inpainter;
mod prompts;
mod quality;
mod sampling;
mod score;
mod score_table;
mod sweep;
pub mod table1;

pub use generator::{Generator, Recipe};
pub use image_sampler::{Classes, ImageSampler, check_guidance};
pub use image_source::Shown;
pub use inpainter::{Inpainter, Inpainting, Known};
pub use prompts::Prompts;
pub use quality::Quality;
pub use sampling::{Sampler, Sampling, SamplingError};
pub use score::{CHUNK, FeatureStats, Score, ShapeError, check_shape, in_short, score};
pub use score_table::{ScoreTable, Shard, SweepError, TableEntry};
pub use sweep::{Sweep, SweepGrid};
