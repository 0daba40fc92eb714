//! A noise level: how much signal and how much noise there is.

use super::log_alpha_bar;
use tch::Tensor;

// ANCHOR: level
/// A noise level: `x_t = alpha * x0 + sigma * eps` (DDPM eq. 4).
///
/// Only these two numbers say what `x_t` is; which `t` a schedule calls the level is
/// [`Schedule::t_of`](super::Schedule::t_of). A `Level` (of `f64`) serves a whole batch, as when
/// sampling; a `Level<Tensor>` holds one number per sample, as when training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level<C = f64> {
    /// How much of the clean sample is left: `sqrt(alpha_bar)`.
    pub alpha: C,
    /// The standard deviation of the noise: `sqrt(1 - alpha_bar)`.
    pub sigma: C,
}
// ANCHOR_END: level

impl Level {
    /// The clean level: all signal, no noise.
    pub const CLEAN: Self = Self { alpha: 1.0, sigma: 0.0 };

    /// The level with `ln(alpha_bar) = log_alpha_bar` and `alpha^2 + sigma^2 = 1`; `expm1` keeps
    /// `sigma` exact where there is hardly any noise.
    pub fn variance_preserving(log_alpha_bar: f64) -> Self {
        Self { alpha: (0.5 * log_alpha_bar).exp(), sigma: log_alpha_bar.exp_m1().abs().sqrt() }
    }

    /// The level of `x = x0 + sigma eps`, the signal left as it is (Karras et al. 2022, Table 1).
    pub fn variance_exploding(sigma: f64) -> Self {
        Self { alpha: 1.0, sigma }
    }

    /// Signal-to-noise ratio `alpha^2 / sigma^2` (Kingma et al. 2021, eq. 2); infinite when clean.
    pub fn snr(&self) -> f64 {
        (self.alpha / self.sigma).powi(2)
    }

    /// The logarithm of the SNR, which is twice DPM-Solver's lambda.
    pub fn log_snr(&self) -> f64 {
        2.0 * (self.alpha / self.sigma).ln()
    }

    /// The standard deviation of `x_t` for data of unit variance: 1 if variance preserving.
    pub fn std(&self) -> f64 {
        self.alpha.hypot(self.sigma)
    }

    /// The level of `x_t / std`: the variance preserving one with this SNR.
    pub fn of_unit_variance(&self) -> Self {
        Self { alpha: self.alpha / self.std(), sigma: self.sigma / self.std() }
    }

    /// Whether there is no noise to remove.
    pub fn is_clean(&self) -> bool {
        self.sigma == 0.0
    }

    /// The level a share of the way to `end`, in log-SNR.
    pub fn towards(&self, end: Level, share: f64) -> Self {
        let (from, to) = (self.log_snr(), end.log_snr());
        self.with_log_snr(from + share * (to - from))
    }

    /// The level of another log-SNR on the same kind of schedule: variance exploding if this one
    /// is (`alpha = 1`), else variance preserving. So solvers look between the levels of their
    /// path without knowing the schedule.
    pub fn with_log_snr(&self, log_snr: f64) -> Self {
        match self.alpha == 1.0 {
            true => Self::variance_exploding((-0.5 * log_snr).exp()),
            false => Self::variance_preserving(log_alpha_bar(log_snr)),
        }
    }
}

/// A coefficient of a formula over batches: one number for all samples, or one per sample, so that
/// each formula is written once.
pub trait Coefficient {
    /// As a tensor that multiplies batches: a number takes the kind of what it multiplies.
    fn tensor(&self) -> Tensor;

    /// The number, if there is only one.
    fn number(&self) -> Option<f64>;
}

impl Coefficient for f64 {
    fn tensor(&self) -> Tensor {
        Tensor::from(*self)
    }

    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Coefficient for Tensor {
    fn tensor(&self) -> Tensor {
        self.shallow_clone()
    }

    fn number(&self) -> Option<f64> {
        (self.dim() == 0).then(|| self.double_value(&[]))
    }
}
