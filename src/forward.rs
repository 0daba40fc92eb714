//! The forward process and its exact reversal: noise in closed form, one step at a time, and the
//! posterior `q(x_s | x_t, x0)` that every sampler imitates.
//!
//! `t` is the noisier level, `s < t` the destination; both are any two levels, neighbours or not.

use crate::schedule::{Coefficient, Level};
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Tensor;

// ANCHOR: q_sample
/// `q(x_t | x0)`: straight to level `t` in one draw (DDPM eq. 4).
///
/// # Shapes
/// `x0` and `eps` alike, `[B, ...]`; `eps` is standard normal. The level is one for the batch, or
/// one per sample.
pub fn q_sample<C: Coefficient>(x0: &Tensor, eps: &Tensor, at: Level<C>) -> Tensor {
    at.alpha.tensor() * x0 + at.sigma.tensor() * eps
}
// ANCHOR_END: q_sample

// ANCHOR: q_step
/// `q(x_t | x_{t-1})`: one step of the chain (DDPM eq. 2).
pub fn q_step(x_prev: &Tensor, eps: &Tensor, beta: f64) -> Tensor {
    (1.0 - beta).sqrt() * x_prev + beta.sqrt() * eps
}
// ANCHOR_END: q_step

// ANCHOR: transition
/// `q(x_t | x_s) = N(scale * x_s, var)`: the chain from `s` up to any `t > s`, in one piece.
///
/// Neighbours give `scale = sqrt(1 - beta_t)` and `var = beta_t`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    pub scale: f64,
    pub var: f64,
}

pub fn transition(t: Level, s: Level) -> Transition {
    let scale = t.alpha / s.alpha;
    let var = (t.sigma.powi(2) - (scale * s.sigma).powi(2)).max(0.0);
    Transition { scale, var }
}
// ANCHOR_END: transition

/// Noise added again: a draw from `q(x_t | x_s)`.
pub fn renoise(x_s: &Tensor, eps: &Tensor, t: Level, s: Level) -> Tensor {
    let q = transition(t, s);
    q.scale * x_s + q.var.sqrt() * eps
}

// ANCHOR: posterior
/// `q(x_s | x_t, x0) = N(on_x0 * x0 + on_xt * x_t, var_small)` (DDPM eq. 6 and 7), of one step for
/// a whole batch, or (as a `Posterior<Tensor>`) of a step per sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior<C = f64> {
    pub on_x0: C,
    pub on_xt: C,
    /// `beta_tilde`, the variance when `x0` is known; 0 when `s` is clean.
    pub var_small: C,
    /// `beta`, the variance of the forward step; the right one when the data are N(0, I).
    pub var_large: C,
}

/// The posterior of the step from `t` down to `s`.
pub fn posterior(t: Level, s: Level) -> Posterior {
    let Transition { scale, var: beta } = transition(t, s);
    let kept = (s.sigma / t.sigma).powi(2);
    Posterior {
        on_x0: s.alpha * beta / t.sigma.powi(2),
        on_xt: scale * kept,
        var_small: beta * kept,
        var_large: beta,
    }
}
// ANCHOR_END: posterior

/// Which variance the reverse step takes, between the two that are optimal for a single point
/// and for N(0, I) data (DDPM, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// `beta_tilde`: DDIM's `eta = 1`.
    Small,
    /// `beta`: DDPM's CIFAR-10 samples, the `sigma-hat` row of DDIM's Table 1.
    Large,
    /// Between the two in the log, by the network's fraction `nu` (Improved DDPM eq. 15).
    Learned,
}

impl fmt::Display for Variance {
    /// As flags and files spell it: `small`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(f)
    }
}

impl<C: Coefficient> Posterior<C> {
    /// The mean `on_x0 * x0 + on_xt * x_t`.
    pub fn mean(&self, x0: &Tensor, x_t: &Tensor) -> Tensor {
        self.on_x0.tensor() * x0 + self.on_xt.tensor() * x_t
    }

    /// The reverse step's standard deviation, shaped to multiply noise: like a coefficient for the
    /// fixed variances, like `nu` for the learned one. A `nu` outside of `[0, 1]` is taken as it is:
    /// a bound would leave it no gradient to come back by.
    ///
    /// # Panics
    /// When `variance` is [`Variance::Learned`] and there is no `nu`.
    pub fn std(&self, variance: Variance, nu: Option<&Tensor>) -> Tensor {
        let (small, large) = (self.var_small.tensor(), self.var_large.tensor());
        match variance {
            Variance::Small => small.sqrt(),
            Variance::Large => large.sqrt(),
            Variance::Learned => {
                let nu = nu.expect("Variance::Learned needs a network with Head::MeanAndNu");
                let (small, large) = (small.log(), large.log());
                let log_var: Tensor = nu * (large - &small) + small;
                (log_var * 0.5).exp()
            }
        }
    }
}
