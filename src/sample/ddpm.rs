//! Ancestral sampling.

use crate::denoiser::Denoiser;
use crate::forward::{Variance, posterior};
use crate::noise::Noise;
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: ddpm
/// Ancestral sampling (DDPM, Algorithm 2), on any path.
///
/// One evaluation and one draw of noise per step, none of noise on the last: `z = 0 if t = 1`.
/// With [`Variance::Large`] on a strided path this is the `sigma-hat` row of DDIM's Table 1.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn ddpm(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    variance: Variance,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let prediction = model.denoise(&x_t, t);
        let q = posterior(t, s);
        let mean = q.mean(prediction.x0(), &x_t);
        if s.is_clean() { mean } else { mean + q.std(variance, prediction.nu()) * noise(&x_t) }
    })
}
// ANCHOR_END: ddpm
