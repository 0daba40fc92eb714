//! Second-order steps that are exact where the belief does not change, and extrapolate it where
//! it does.

use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Which of the two views of the belief a [`dpm_solver`] takes to change slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Slow {
    /// The noise: DPM-Solver (Lu et al. 2022).
    Noise,
    /// The clean sample: DPM-Solver++ (Lu et al. 2022), which stands clipping and large steps.
    Clean,
}

impl Slow {
    fn view(self, belief: &Denoised) -> Tensor {
        match self {
            Slow::Noise => belief.eps().shallow_clone(),
            Slow::Clean => belief.x0().shallow_clone(),
        }
    }

    /// `x_s = keep x_t + weight D` solves the sampling equation from `t` to `s` exactly if the
    /// view `D` does not change on the way. DDIM's step, seen from either side.
    fn step(self, t: Level, s: Level) -> (f64, f64) {
        match self {
            Slow::Noise => (s.alpha / t.alpha, s.sigma - s.alpha / t.alpha * t.sigma),
            Slow::Clean => (s.sigma / t.sigma, s.alpha - s.sigma / t.sigma * t.alpha),
        }
    }
}

/// The second-order multistep DPM-Solver (Lu et al. 2022); on [`Slow::Clean`] it is known as
/// DPM-Solver++(2M).
///
/// One evaluation a step: the belief half a step ahead, in `lambda = ln(alpha / sigma)`, is
/// extrapolated from this evaluation and the one before. The first step has nothing to look back
/// on, and the step to the clean level, where lambda is infinite, nothing to look forward to: both
/// are DDIM's. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T`.
#[allow(non_snake_case)]
pub fn dpm_solver(model: &dyn Denoiser, path: &[Level], x_T: Tensor, slow: Slow) -> Tensor {
    let _guard = tch::no_grad_guard();
    let mut before: Option<(f64, Tensor)> = None;
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let ahead_by = s.log_snr() - t.log_snr();
        let now = slow.view(&model.denoise(&x_t, t));
        let ahead = match before.take().filter(|_| !s.is_clean()) {
            Some((last, then)) => {
                let ratio = ahead_by / last; // of this step to the last
                &now + ratio / 2.0 * (&now - then)
            }
            None => now.shallow_clone(),
        };
        before = Some((ahead_by, now));
        let (keep, weight) = slow.step(t, s);
        keep * x_t + weight * ahead
    })
}
