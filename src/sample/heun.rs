//! Heun's second-order step on the sampling equation.

use crate::denoiser::Denoiser;
use crate::schedule::Level;
use tch::Tensor;

/// Heun's method (Karras et al. 2022, Algorithm 1) on `d xbar / d sbar = eps`, where
/// `xbar = x / alpha` and `sbar = sigma / alpha`: an Euler step, then once more with the mean of
/// the slopes at both ends. The last step, to the clean level, where no slope is known, is Euler's.
///
/// Two evaluations a step, one for the last: `2 n - 1` for `n` steps. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn heun(model: &dyn Denoiser, path: &[Level], x_T: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let forward = s.sigma / s.alpha - t.sigma / t.alpha;
        let slope = model.denoise(&x_t, t).eps().shallow_clone();
        let euler = s.alpha * (&x_t / t.alpha + forward * &slope);
        if s.is_clean() {
            return euler;
        }
        let mean = (slope + model.denoise(&euler, s).eps()) / 2.0;
        s.alpha * (x_t / t.alpha + forward * mean)
    })
}
