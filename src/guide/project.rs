//! Inpainting with any network: the known part of the clean sample is put into every prediction.

use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: project
/// Replaces the predicted clean sample by what is known of it, and derives `eps` again there, as in
/// GLIDE's notebook for inpainting. Elsewhere nothing changes.
///
/// The samples end with the known part, to the last bit. But the rest is drawn by a network that
/// never learned to look at it: what fits the known part best is found only roughly.
///
/// # Shapes
/// `known` and `mask` (bool, true where `known` is known) broadcast to the samples, `[B, ...]`.
#[derive(Debug)]
pub struct Project<D> {
    inner: D,
    known: Tensor,
    mask: Tensor,
}

impl<D: Denoiser> Denoiser for Project<D> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.inner.denoise(x_t, at).with_x0_where(x_t, at, &self.mask, &self.known)
    }
}
// ANCHOR_END: project

impl<D> Project<D> {
    pub fn new(inner: D, known: Tensor, mask: Tensor) -> Self {
        Self { inner, known, mask }
    }
}
