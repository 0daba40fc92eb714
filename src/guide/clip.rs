//! Static thresholding.

use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: clip
/// Bounds the predicted clean sample to the range of the data, and derives `eps` again so that the
/// two views still agree.
///
/// For images in `[-1, 1]`, where the truth is known to lie; never for latents.
#[derive(Debug)]
pub struct Clip<D> {
    inner: D,
    bound: f64,
}

impl<D: Denoiser> Denoiser for Clip<D> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let prediction = self.inner.denoise(x_t, at);
        prediction.map_x0(x_t, at, |x0| x0.clamp(-self.bound, self.bound))
    }
}
// ANCHOR_END: clip

impl<D> Clip<D> {
    pub fn new(inner: D, bound: f64) -> Self {
        Self { inner, bound }
    }
}
