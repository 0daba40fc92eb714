//! The loss that trains: predict the noise (or what is equivalent) at a random level.

use crate::denoiser::{Model, Preconditioning, Target};
use crate::network::Network;
use crate::schedule::{Level, Schedule};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

// ANCHOR: l_simple
/// `L_simple`, the squared error of the prediction, averaged over batch and pixels (DDPM eq. 14;
/// the body of Algorithm 1).
///
/// `t` and `eps` are arguments: the caller draws them, a test pins them.
///
/// # Shapes
/// `x0`, `eps`: `[B, ...]`; `t`: `[B]`, int64, in `1..=T`. The result is a scalar with gradient.
pub fn l_simple<N: Network>(
    model: &Model<N>,
    schedule: &Schedule,
    weighting: Weighting,
    x0: &Tensor,
    cond: &N::Cond,
    t: &Tensor,
    eps: &Tensor,
) -> Tensor {
    let meaning = model.meaning;
    let alpha = schedule.per_sample(t, x0, |at| at.alpha);
    let sigma = schedule.per_sample(t, x0, |at| at.sigma);
    let x_t = &alpha * x0 + &sigma * eps;
    let told = schedule.per_sample(t, &t.to_kind(Kind::Float), |at| meaning.clock.read(at));
    let input = &x_t * schedule.per_sample(t, x0, |at| meaning.target.input(at));
    let output = model.net.forward(&input, &told.to_device(x0.device()), cond, true);
    let (output, _nu) = meaning.head.split(output);
    let error = (output - meaning.target.truth(x0, eps, &alpha, &sigma)).square();
    match weighting {
        Weighting::Flat => error.mean(Kind::Float),
        _ => {
            let weight = schedule.per_sample(t, x0, |at| weighting.at(at, meaning.target));
            (weight * error).mean(Kind::Float)
        }
    }
}
// ANCHOR_END: l_simple

/// How much each level counts in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// All levels alike: `L_simple`.
    Flat,
    /// `min(SNR, gamma)` in units of the clean sample's error (Hang et al. 2023), `gamma = 5`.
    MinSnr(f64),
}

impl Weighting {
    // ANCHOR: min_snr
    /// The weight on the squared error of `target` at a level. The three targets' errors differ
    /// by known factors: `|v - v'|^2 = (SNR + 1) |x0 - x0'|^2 = (1 + 1/SNR) |eps - eps'|^2`.
    pub fn at(self, at: Level, target: Target) -> f64 {
        let snr = at.snr();
        match (self, target) {
            (Weighting::Flat, _) => 1.0,
            (Weighting::MinSnr(gamma), Target::Eps) => snr.min(gamma) / snr,
            (Weighting::MinSnr(gamma), Target::X0) => snr.min(gamma),
            (Weighting::MinSnr(gamma), Target::V) => snr.min(gamma) / (snr + 1.0),
            (Weighting::MinSnr(gamma), Target::Edm { sigma_data }) => {
                snr.min(gamma) * Preconditioning::at(at, sigma_data).out.powi(2)
            }
        }
    }
    // ANCHOR_END: min_snr
}
