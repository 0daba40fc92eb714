//! Scoring a generator of images: draw, round to pixels, measure, forget; the memory does not grow
//! with the number of samples.

mod filling;
mod generator;
mod image_sampler;
mod sampling;
mod score;
mod sweep;

pub use filling::{Filling, Line, Shard, SweepError};
pub use generator::{Generator, Recipe};
pub use image_sampler::{Classes, ImageSampler};
pub use sampling::{Sampler, Sampling, SamplingError};
pub use score::{CHUNK, Score, ShapeError, Tally, check_shape, score};
pub use sweep::{Combine, Sweep};
