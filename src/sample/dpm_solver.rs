//! DPM-Solver (Lu et al. 2022) and DPM-Solver++ (Lu et al. 2022): DDIM's step with an extrapolated
//! prediction.
//!
//! DDIM's step solves the sampling equation exactly if the prediction does not change between its
//! two levels. These solvers estimate how it changes in `lambda = ln(alpha / sigma)`, half the log
//! SNR: from evaluations before (multistep) or on the way (singlestep). As in the papers, `h` is
//! the width of a step in lambda, and `r` a fraction of it.

use super::ddim::{ddim_step, ode_step};
use crate::denoiser::{Denoised, Denoiser};
use crate::noise::Noise;
use crate::schedule::Level;
use tch::Tensor;

/// What a multistep solver extrapolates: the predicted noise or the predicted data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise: DPM-Solver (Lu et al. 2022).
    Noise,
    /// The clean sample: DPM-Solver++ (Lu et al. 2022), which stands clipping and large steps.
    Data,
}

impl Prediction {
    fn of(self, denoised: &Denoised) -> Tensor {
        match self {
            Prediction::Noise => denoised.eps().shallow_clone(),
            Prediction::Data => denoised.x0().shallow_clone(),
        }
    }

    fn map(
        self,
        denoised: Denoised,
        x_t: &Tensor,
        at: Level,
        f: impl Fn(&Tensor) -> Tensor,
    ) -> Denoised {
        match self {
            Prediction::Noise => denoised.map_eps(x_t, at, f),
            Prediction::Data => denoised.map_x0(x_t, at, f),
        }
    }
}

/// The second-order multistep DPM-Solver (Lu et al. 2022); on [`Prediction::Data`] it is known as
/// DPM-Solver++(2M).
///
/// One evaluation per step. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T`.
#[allow(non_snake_case)]
pub fn dpm_solver(model: &dyn Denoiser, path: &[Level], x_T: Tensor, what: Prediction) -> Tensor {
    multistep(model, path, x_T, what, 0.0, &mut |_| unreachable!("eta = 0 draws no noise"))
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
    multistep(model, path, x_T, Prediction::Data, 1.0, noise)
}

// ANCHOR: multistep
/// DDIM's step with the prediction extrapolated to the middle of the step:
/// `D = (1 + 1/(2 r)) now - 1/(2 r) before`, where `r` is the width of the last step over that of
/// this one (DPM-Solver++, Algorithm 2).
///
/// The first step has nothing to look back on, and the step to the clean level, where lambda is
/// infinite, nothing to look forward to: both are DDIM's.
#[allow(non_snake_case)]
fn multistep(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    what: Prediction,
    eta: f64,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    let mut last: Option<(f64, Tensor)> = None;
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let mut denoised = model.denoise(&x_t, t);
        let (h, now) = ((s.log_snr() - t.log_snr()) / 2.0, what.of(&denoised));
        if let Some((h_last, before)) = last.take().filter(|_| !s.is_clean()) {
            let half_over_r = h / h_last / 2.0;
            denoised = what.map(denoised, &x_t, t, |now| now + half_over_r * (now - &before));
        }
        last = Some((h, now));
        ddim_step(&denoised, t, s, eta, || noise(&x_t))
    })
}
// ANCHOR_END: multistep

// ANCHOR: singlestep
/// DPM-Solver-2 (Lu et al. 2022, Algorithm 1): half a step of DDIM, and then the whole step with
/// the noise that is seen there.
///
/// Two evaluations per step, one for the last: `2 n - 1` for `n` steps. Draws no noise.
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
        let s_1 = t.towards(s, 0.5); // r_1 = 1/2
        let there = model.denoise(&ode_step(&here, t, s_1), s_1);
        ode_step(&here.map_eps(&x_t, t, |_| there.eps().shallow_clone()), t, s)
    })
}
// ANCHOR_END: singlestep

/// DPM-Solver-3 (Lu et al. 2022, Algorithm 2): looks at a third and at two thirds of the way.
///
/// Three evaluations per step, one for the last: `3 n - 2` for `n` steps. Draws no noise.
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
        let h = (s.log_snr() - t.log_snr()) / 2.0;
        let (r_1, r_2) = (1.0 / 3.0, 2.0 / 3.0);
        let (s_1, s_2) = (t.towards(s, r_1), t.towards(s, r_2));
        let eps = here.eps();
        let step_with = |eps: Tensor, to: Level| ode_step(&Denoised::from_eps(&x_t, t, eps), t, to);
        let d_1 = model.denoise(&ode_step(&here, t, s_1), s_1).eps() - eps;
        let at_s_2 = step_with(eps + r_2 / r_1 * phi_ratio(r_2 * h) * d_1, s_2);
        let d_2 = model.denoise(&at_s_2, s_2).eps() - eps;
        step_with(eps + 1.0 / r_2 * phi_ratio(h) * d_2, s)
    })
}

/// `phi_2(h) / phi_1(h) = 1/h - 1/(e^h - 1)`, with the papers' `phi_1(h) = (e^h - 1) / h` and
/// `phi_2(h) = (e^h - 1 - h) / h^2`.
///
/// It is where in a step the mean of a linear prediction is taken, as a fraction of the step: the
/// sampling equation weighs it by `exp(-lambda)`, so a little before the middle.
pub(super) fn phi_ratio(h: f64) -> f64 {
    if h < 1e-4 { 0.5 } else { 1.0 / h - 1.0 / h.exp_m1() } // 0 / 0 at 0
}
