//! Classifier guidance: a step along the gradient of `log p(y | x_t)`.

use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use std::fmt;
use tch::{Kind, Tensor};

// ANCHOR: log_prob_gradient
/// The gradient of `log_prob` at `x_t`, of every sample its own.
///
/// `log_prob` gives a number per sample, `[B]`, that depends on that sample alone: then the gradient
/// of the sum holds the gradient of each. Batch norm would break this. Only the graph from `x_t` to
/// those numbers is built, and it is gone on return.
///
/// # Shapes
/// `x_t: [B, ...]` -> the same.
///
/// # Panics
/// When `log_prob` gives another shape, or numbers that do not depend on `x_t`.
pub fn log_prob_gradient(
    log_prob: impl Fn(&Tensor, Level) -> Tensor,
    x_t: &Tensor,
    at: Level,
) -> Tensor {
    tch::with_grad(|| {
        let x = x_t.detach().set_requires_grad(true);
        let log_p = log_prob(&x, at);
        assert_eq!(log_p.size(), x.size()[..1], "log_prob gives one number per sample, [B]");
        let sum = log_p.sum(None::<Kind>);
        Tensor::run_backward(&[sum], &[&x], false, false).remove(0)
    })
}
// ANCHOR_END: log_prob_gradient

// ANCHOR: classifier_guided
/// Classifier guidance in terms of the score (Dhariwal & Nichol 2021, Algorithm 2):
/// `eps - sigma scale grad log p(y | x_t)`, for every sampler, with fresh noise or without.
///
/// `log_prob` is the noised classifier's `log p(y | x_t)`, or any other function that samples should
/// make large, such as minus a loss: a number per sample for `x_t` at its level. Scale 0 leaves the
/// prediction as it is, scale 1 is Bayes' rule; on a denoiser that is conditioned on `y` already,
/// scale `s` is a [`Guidance::scale`](super::Guidance::scale) of `1 + s`. A learned variance stays
/// as it is.
pub struct ClassifierGuided<D, F> {
    inner: D,
    log_prob: F,
    scale: f64,
}

impl<D: Denoiser, F: Fn(&Tensor, Level) -> Tensor> Denoiser for ClassifierGuided<D, F> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let prediction = self.inner.denoise(x_t, at);
        // Without noise the factor sigma is 0; without signal x_t tells nothing about y.
        if self.scale == 0.0 || at.is_clean() || at.alpha == 0.0 {
            return prediction;
        }
        let gradient = log_prob_gradient(&self.log_prob, x_t, at);
        prediction.map_eps(x_t, at, |eps| eps - at.sigma * self.scale * gradient)
    }
}
// ANCHOR_END: classifier_guided

impl<D, F> ClassifierGuided<D, F> {
    /// # Panics
    /// When the scale is no finite number.
    pub fn new(inner: D, log_prob: F, scale: f64) -> Self {
        assert!(scale.is_finite(), "the scale of guidance is {scale}: it is a finite number");
        Self { inner, log_prob, scale }
    }
}

impl<D: fmt::Debug, F> fmt::Debug for ClassifierGuided<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut shown = f.debug_struct("ClassifierGuided");
        shown.field("inner", &self.inner).field("scale", &self.scale).finish_non_exhaustive()
    }
}
