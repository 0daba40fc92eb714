//! Heun's second-order step, and EDM's sampler around it.

use super::ddim::ode_step;
use crate::denoiser::Denoiser;
use crate::forward::transition;
use crate::noise::Noise;
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Tensor;

// ANCHOR: heun
/// Heun's method (Karras et al. 2022, Algorithm 1): DDIM's step, and then once more with the mean
/// of the noise predicted at both ends. The last step, to the clean level, where no noise is
/// predicted, is DDIM's.
///
/// Two evaluations per step, one for the last: `2 n - 1` for `n` steps. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn heun(model: &dyn Denoiser, path: &[Level], x_T: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| heun_step(model, &x_t, step[0], step[1]))
}

fn heun_step(model: &dyn Denoiser, x_t: &Tensor, t: Level, s: Level) -> Tensor {
    let here = model.denoise(x_t, t);
    let euler = ode_step(&here, t, s);
    if s.is_clean() {
        return euler;
    }
    let there = model.denoise(&euler, s);
    ode_step(&here.map_eps(x_t, t, |eps| (eps + there.eps()) / 2.0), t, s)
}
// ANCHOR_END: heun

/// How much noise [`edm`] adds before each step (Karras et al. 2022, section 4), in units of
/// `sigma / alpha`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// `S_churn`: the steps together raise the noise by about this factor's logarithm; 0 is Heun.
    #[serde(alias = "amount")]
    pub s_churn: f64,
    /// `S_min`: below this noise none is added.
    #[serde(alias = "above")]
    pub s_min: f64,
    /// `S_max`: above this noise none is added.
    #[serde(alias = "below")]
    pub s_max: f64,
    /// `S_noise`: the standard deviation of what is added, a little over 1 against the loss of
    /// detail.
    #[serde(alias = "scale")]
    pub s_noise: f64,
}

impl Churn {
    /// Noise enough to be seen, at the middle levels.
    pub const DEFAULT: Self = Self { s_churn: 5.0, s_min: 0.05, s_max: 10.0, s_noise: 1.0 };

    /// Whether all is a number from 0 up; `s_max` may be infinite.
    pub fn is_sound(&self) -> bool {
        let finite = [self.s_churn, self.s_min, self.s_noise];
        finite.iter().all(|x| x.is_finite() && *x >= 0.0) && self.s_max >= self.s_min
    }
}

impl fmt::Display for Churn {
    /// `S_churn`, and what else is not as by default: different churns have different names.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { s_churn, s_min, s_max, s_noise } = self;
        write!(f, "churn {s_churn}")?;
        if *self == (Self { s_churn: *s_churn, ..Self::DEFAULT }) {
            return Ok(());
        }
        write!(f, " from {s_min} to {s_max} by {s_noise}")
    }
}

// ANCHOR: edm
/// EDM's stochastic sampler (Karras et al. 2022, Algorithm 2): each step first climbs a little,
/// by adding noise, and then descends from there by Heun's. The new noise covers errors made
/// before, which DDIM's deterministic way would carry to the end. No step climbs above the level
/// that the path starts from, the noisiest that the model is known to know.
///
/// Evaluations as [`heun`]; noise only where it is added.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn edm(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    churn: Churn,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    let steps = path.len() as f64 - 1.0;
    let highest = path[0].log_snr();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let churned = (churn.s_min..=churn.s_max).contains(&(t.sigma / t.alpha));
        let gamma = if churned { (churn.s_churn / steps).min(2f64.sqrt() - 1.0) } else { 0.0 };
        if gamma == 0.0 {
            return heun_step(model, &x_t, t, s);
        }
        // sigma / alpha grows by 1 + gamma
        let up = t.with_log_snr((t.log_snr() - 2.0 * gamma.ln_1p()).max(highest));
        let climb = transition(up, t);
        let x_up = climb.scale * &x_t + churn.s_noise * climb.var.sqrt() * noise(&x_t);
        heun_step(model, &x_up, up, s)
    })
}
// ANCHOR_END: edm
