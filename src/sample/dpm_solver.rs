//! DPM-Solver: DDIM's step, taken with a better guess of the belief along the way.
//!
//! DDIM's step solves the sampling equation exactly if the belief does not change between its two
//! levels. These solvers estimate how it changes in `lambda = ln(alpha / sigma)`, half the log SNR:
//! from evaluations before (multistep) or on the way (singlestep).

use super::ddim::{ddim_step, ode_step};
use crate::denoiser::{Denoised, Denoiser};
use crate::noise::Noise;
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

    fn map(
        self,
        belief: Denoised,
        x_t: &Tensor,
        at: Level,
        f: impl Fn(&Tensor) -> Tensor,
    ) -> Denoised {
        match self {
            Slow::Noise => belief.map_eps(x_t, at, f),
            Slow::Clean => belief.map_x0(x_t, at, f),
        }
    }
}

/// The second-order multistep DPM-Solver (Lu et al. 2022); on [`Slow::Clean`] it is known as
/// DPM-Solver++(2M).
///
/// One evaluation a step. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T`.
#[allow(non_snake_case)]
pub fn dpm_solver(model: &dyn Denoiser, path: &[Level], x_T: Tensor, slow: Slow) -> Tensor {
    multistep(model, path, x_T, slow, 0.0, &mut |_| unreachable!("eta = 0 draws no noise"))
}

/// DPM-Solver++(2M) with fresh noise in every step, as much as DDPM's: the SDE variant.
///
/// Its first-order form is DDPM with the small variance; this one looks ahead like
/// [`dpm_solver`].
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T`.
#[allow(non_snake_case)]
pub fn dpm_solver_sde(model: &dyn Denoiser, path: &[Level], x_T: Tensor, noise: Noise) -> Tensor {
    multistep(model, path, x_T, Slow::Clean, 1.0, noise)
}

// ANCHOR: multistep
/// DDIM with the belief of half a step ahead, extrapolated from this evaluation and the one before.
///
/// The first step has nothing to look back on, and the step to the clean level, where lambda is
/// infinite, nothing to look forward to: both are DDIM's.
#[allow(non_snake_case)]
fn multistep(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    slow: Slow,
    eta: f64,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    let mut before: Option<(f64, Tensor)> = None;
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let mut belief = model.denoise(&x_t, t);
        let (width, now) = (s.log_snr() - t.log_snr(), slow.view(&belief));
        if let Some((last, then)) = before.take().filter(|_| !s.is_clean()) {
            let half_a_step = width / last / 2.0; // in steps of the last one's width
            belief = slow.map(belief, &x_t, t, |now| now + half_a_step * (now - &then));
        }
        before = Some((width, now));
        ddim_step(&belief, t, s, eta, || noise(&x_t))
    })
}
// ANCHOR_END: multistep

// ANCHOR: singlestep
/// DPM-Solver-2 (Lu et al. 2022, Algorithm 1): half a step of DDIM, and then the whole step with
/// the noise that is seen there.
///
/// Two evaluations a step, one for the last: `2 n - 1` for `n` steps. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn dpm_solver_2(model: &dyn Denoiser, path: &[Level], x_T: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let here = model.denoise(&x_t, t);
        if s.is_clean() {
            return ode_step(&here, t, s);
        }
        let u = t.towards(s, 0.5);
        let there = model.denoise(&ode_step(&here, t, u), u);
        ode_step(&here.map_eps(&x_t, t, |_| there.eps().shallow_clone()), t, s)
    })
}
// ANCHOR_END: singlestep

/// DPM-Solver-3 (Lu et al. 2022, Algorithm 2): looks at a third and at two thirds of the way.
///
/// Three evaluations a step, one for the last: `3 n - 2` for `n` steps. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn dpm_solver_3(model: &dyn Denoiser, path: &[Level], x_T: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let here = model.denoise(&x_t, t);
        if s.is_clean() {
            return ode_step(&here, t, s);
        }
        let width = (s.log_snr() - t.log_snr()) / 2.0; // in lambda
        let [a, b] = [1.0, 2.0].map(|third| t.towards(s, third / 3.0));
        // The noise runs along the line through two evaluations; its mean over a piece is its
        // value at the piece's centre of mass.
        let eps = here.eps().shallow_clone();
        let along = |seen: &Denoised, place: f64| &eps + place * (seen.eps() - &eps);
        let step_with = |eps: Tensor, to: Level| ode_step(&Denoised::from_eps(&x_t, t, eps), t, to);
        let first = model.denoise(&ode_step(&here, t, a), a);
        let centre = 2.0 * centre_of_mass(2.0 / 3.0 * width); // of [0, 2/3], in thirds
        let second = model.denoise(&step_with(along(&first, centre), b), b);
        step_with(along(&second, 1.5 * centre_of_mass(width)), s)
    })
}

/// Where in a step of `width` the mean of a linear noise is taken, as a fraction of the step: the
/// sampling equation weighs it by `exp(-lambda)`, so a little before the middle.
pub(super) fn centre_of_mass(width: f64) -> f64 {
    if width < 1e-4 { 0.5 } else { 1.0 / width - 1.0 / width.exp_m1() } // 0 / 0 at 0
}
