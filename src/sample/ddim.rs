//! The non-Markovian family that shares DDPM's training.

use crate::denoiser::{Denoised, Denoiser};
use crate::forward::posterior;
use crate::noise::Noise;
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: ddim_step
/// One step of DDIM (eq. 12): keep the belief, forget the old level, arrive at the new one.
///
/// The fresh noise has variance `eta^2 beta_tilde` (eq. 16: `sigma = eta sqrt(beta_tilde)`); the
/// rest of the new level's noise is the noise believed to be there already. `z` is called only
/// when its noise is used: never at `eta = 0` or on arrival at the clean level.
pub fn ddim_step(
    belief: &Denoised,
    t: Level,
    s: Level,
    eta: f64,
    z: impl FnOnce() -> Tensor,
) -> Tensor {
    // eta = 0 never asks for the posterior: it is undefined at a clean t, where inversion starts.
    let fresh = if eta == 0.0 { 0.0 } else { eta.powi(2) * posterior(t, s).var_small };
    let kept = (s.sigma.powi(2) - fresh).max(0.0).sqrt();
    let x_s = s.alpha * belief.x0() + kept * belief.eps();
    if fresh == 0.0 { x_s } else { x_s + fresh.sqrt() * z() }
}
// ANCHOR_END: ddim_step

// ANCHOR: ddim
/// DDIM along `path`: `eta = 0` is deterministic, `eta = 1` is DDPM with the small variance.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`.
#[allow(non_snake_case)]
pub fn ddim(model: &dyn Denoiser, path: &[Level], x_T: Tensor, eta: f64, noise: Noise) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let belief = model.denoise(&x_t, step[0]);
        ddim_step(&belief, step[0], step[1], eta, || noise(&x_t))
    })
}
// ANCHOR_END: ddim
