//! The non-Markovian family that shares DDPM's training.

use crate::denoiser::{Denoised, Denoiser};
use crate::forward::posterior;
use crate::noise::Noise;
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: ddim_step
/// One step of DDIM (eq. 12): keep the prediction, forget the old level, arrive at the new one.
///
/// The fresh noise has variance `eta^2 beta_tilde` (eq. 16: `sigma = eta sqrt(beta_tilde)`); the
/// rest of the new level's noise is the noise predicted to be there already. `z` is called only
/// when its noise is used: never at `eta = 0` or on arrival at the clean level.
pub fn ddim_step(
    prediction: &Denoised,
    t: Level,
    s: Level,
    eta: f64,
    z: impl FnOnce() -> Tensor,
) -> Tensor {
    // eta = 0 never asks for the posterior: it is undefined at a clean t, where inversion starts.
    let fresh = if eta == 0.0 { 0.0 } else { eta.powi(2) * posterior(t, s).var_small };
    let kept = (s.sigma.powi(2) - fresh).max(0.0).sqrt();
    let x_s = s.alpha * prediction.x0() + kept * prediction.eps();
    if fresh == 0.0 { x_s } else { x_s + fresh.sqrt() * z() }
}
// ANCHOR_END: ddim_step

/// DDIM's step without fresh noise: an Euler step of the sampling equation. Exact if the noise
/// predicted does not change between the levels.
pub(super) fn ode_step(prediction: &Denoised, t: Level, s: Level) -> Tensor {
    ddim_step(prediction, t, s, 0.0, || unreachable!("eta = 0 draws no noise"))
}

// ANCHOR: ddim
/// DDIM along `path`: `eta = 0` is deterministic, `eta = 1` is DDPM with the small variance.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`.
#[allow(non_snake_case)]
pub fn ddim(model: &dyn Denoiser, path: &[Level], x_T: Tensor, eta: f64, noise: Noise) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let prediction = model.denoise(&x_t, step[0]);
        ddim_step(&prediction, step[0], step[1], eta, || noise(&x_t))
    })
}
// ANCHOR_END: ddim

// ANCHOR: invert
/// The way back up: from clean samples to the latents from which [`ddim`] with `eta = 0` draws
/// them (DDIM, section 4.3 and 5.4). `path` is the one that `ddim` goes down.
///
/// Each step takes the noise at its lower level for the noise on the whole step, `ddim` that at
/// its upper level: so they undo each other only in the limit of many steps. Clipping or guiding
/// the model breaks this symmetry further.
///
/// # Shapes
/// `x0` and the result: `[B, ...]`.
pub fn ddim_invert(model: &dyn Denoiser, path: &[Level], x0: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    let upwards: Vec<Level> = path.iter().rev().copied().collect();
    upwards
        .windows(2)
        .fold(x0, |x_s, step| ode_step(&model.denoise(&x_s, step[0]), step[0], step[1]))
}
// ANCHOR_END: invert
