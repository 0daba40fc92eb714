//! Denoisers around denoisers: each changes or watches the belief, and no sampler knows.
//!
//! They chain like iterator adaptors: `model.given(y).clip(1.0).recorded()`. The order is the
//! order of application, innermost first.

mod clip;
mod record;
mod watch;

pub use clip::Clip;
pub use record::{Record, Seen};
pub use watch::Watch;

use crate::denoiser::Denoiser;

/// The chaining methods, for every denoiser.
pub trait Adapt: Denoiser + Sized {
    /// Bounds the believed clean sample to `[-bound, bound]`.
    fn clip(self, bound: f64) -> Clip<Self> {
        Clip::new(self, bound)
    }

    /// Remembers every evaluation.
    fn recorded(self) -> Record<Self> {
        Record::new(self)
    }

    /// Shows every evaluation to `look`.
    fn watched<F: FnMut(&Seen)>(self, look: F) -> Watch<Self, F> {
        Watch::new(self, look)
    }
}

impl<D: Denoiser> Adapt for D {}
