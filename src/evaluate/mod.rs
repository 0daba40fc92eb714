//! Scoring a trained model: draw, round to pixels, measure, forget; the memory does not grow with
//! the number of samples.

mod sampling;
mod score;
mod sweep;

pub use sampling::{Sampler, Sampling, SamplingError};
pub use score::{CHUNK, RulerError, Score, Tally, check_ruler, score};
pub use sweep::{Combine, Filling, Line, Shard, Sweep, SweepError};
