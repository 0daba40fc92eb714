//! Denoisers around denoisers: each changes or watches the prediction, and no sampler knows.
//!
//! They chain like iterator adaptors: `model.given(y).clip(1.0).recorded()`. The order is the
//! order of application, innermost first.

mod callback;
mod clip;
mod record;

pub use callback::WithCallback;
pub use clip::Clip;
pub use record::{Record, Snapshot};

use crate::denoiser::Denoiser;

/// The chaining methods, for every denoiser.
pub trait DenoiserExt: Denoiser + Sized {
    /// Bounds the predicted clean sample to `[-bound, bound]`.
    fn clip(self, bound: f64) -> Clip<Self> {
        Clip::new(self, bound)
    }

    /// Remembers every evaluation.
    fn recorded(self) -> Record<Self> {
        Record::new(self)
    }

    /// Shows every evaluation to `look`.
    fn with_callback<F: FnMut(&Snapshot)>(self, look: F) -> WithCallback<Self, F> {
        WithCallback::new(self, look)
    }
}

impl<D: Denoiser> DenoiserExt for D {}
