//! Denoisers around denoisers: each changes or watches the prediction, and no sampler knows.
//!
//! They chain like iterator adaptors: `model.given(y).clip(1.0).recorded()`. The order is the
//! order of application, innermost first.

mod callback;
mod classifier;
mod classifier_free;
mod clip;
mod project;
mod record;

pub use callback::WithCallback;
pub use classifier::{ClassifierGuided, log_prob_gradient};
pub use classifier_free::{ClassifierFree, Guidance, OnePass, Pair};
pub use clip::Clip;
pub use project::Project;
pub use record::{Record, Snapshot};

use crate::denoiser::Denoiser;
use crate::schedule::Level;
use tch::Tensor;

/// The chaining methods, for every denoiser.
pub trait DenoiserExt: Denoiser + Sized {
    /// Bounds the predicted clean sample to `[-bound, bound]`.
    fn clip(self, bound: f64) -> Clip<Self> {
        Clip::new(self, bound)
    }

    /// Pushes the prediction away from that of `uncond`, the same without the condition or with a
    /// negative one: two evaluations. [`OnePass`] makes them one.
    fn classifier_free<U: Denoiser>(
        self,
        uncond: U,
        guidance: Guidance,
    ) -> ClassifierFree<(Self, U)> {
        ClassifierFree::new((self, uncond), guidance)
    }

    /// Puts what is known of the clean sample into every prediction, where `mask` is true.
    fn project(self, known: Tensor, mask: Tensor) -> Project<Self> {
        Project::new(self, known, mask)
    }

    /// Pushes the prediction along the gradient of `log_prob`, such as a classifier's
    /// `log p(y | x_t)`: `[B]` of `x_t: [B, ...]` at its level.
    fn classifier_guided<F: Fn(&Tensor, Level) -> Tensor>(
        self,
        log_prob: F,
        scale: f64,
    ) -> ClassifierGuided<Self, F> {
        ClassifierGuided::new(self, log_prob, scale)
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
