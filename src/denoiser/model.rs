//! A network plus what its numbers mean: that is a model, and given a condition it is a denoiser.

use super::{Denoised, Denoiser};
use crate::network::Network;
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use tch::Tensor;

// ANCHOR: target
/// What the network was trained to output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The noise in `x_t` (DDPM eq. 14).
    Eps,
    /// The clean sample.
    X0,
    /// `v = alpha * eps - sigma * x0` (Salimans & Ho 2022).
    V,
    /// What is left of the clean sample once the best linear guess is taken away, at unit
    /// variance: EDM's `F` (Karras et al. 2022, eq. 7), for data of standard deviation
    /// `sigma_data`. The network's input is scaled, too. With `sigma_data = 1` it is `-v`.
    Edm { sigma_data: f64 },
}

/// EDM's three scalings (Karras et al. 2022, Table 1) for `x_t = alpha x0 + sigma eps`:
/// `x0 = skip x_t + out F(input x_t)`.
#[derive(Debug, Clone, Copy)]
pub struct Preconditioning {
    pub input: f64,
    pub skip: f64,
    pub out: f64,
}

impl Preconditioning {
    /// The scalings at a level: input and output of `F` have unit variance, and its errors reach
    /// `x0` as little magnified as can be.
    pub fn at(at: Level, sigma_data: f64) -> Self {
        let total = (at.sigma.powi(2) + (at.alpha * sigma_data).powi(2)).sqrt(); // std of x_t
        Self {
            input: 1.0 / total,
            skip: at.alpha * (sigma_data / total).powi(2),
            out: at.sigma * sigma_data / total,
        }
    }
}

impl Target {
    /// The network's input is `x_t` times this.
    pub fn input(self, at: Level) -> f64 {
        match self {
            Target::Edm { sigma_data } => Preconditioning::at(at, sigma_data).input,
            _ => 1.0,
        }
    }

    /// The right answer, from the truth behind `x_t = alpha * x0 + sigma * eps`; `alpha` and
    /// `sigma` are shaped to multiply `x0`.
    pub fn truth(self, x0: &Tensor, eps: &Tensor, alpha: &Tensor, sigma: &Tensor) -> Tensor {
        match self {
            Target::Eps => eps.shallow_clone(),
            Target::X0 => x0.shallow_clone(),
            Target::V => alpha * eps - sigma * x0,
            Target::Edm { sigma_data } => {
                let total = (sigma.square() + (alpha * sigma_data).square()).sqrt();
                (sigma * x0 / sigma_data - alpha * sigma_data * eps) / total
            }
        }
    }

    /// The belief behind an output.
    pub fn read(self, x_t: &Tensor, at: Level, output: Tensor) -> Denoised {
        match self {
            Target::Eps => Denoised::from_eps(x_t, at, output),
            Target::X0 => Denoised::from_x0(x_t, at, output),
            Target::V => Denoised::from_v(x_t, at, output),
            Target::Edm { sigma_data } => {
                let Preconditioning { input, skip, out } = Preconditioning::at(at, sigma_data);
                // Both views are the same belief; the better conditioned one defines the pair.
                if at.sigma > at.alpha {
                    Denoised::from_x0(x_t, at, skip * x_t + out * output)
                } else {
                    let (on_x, on_f) = (at.sigma * input.powi(2), at.alpha * sigma_data * input);
                    Denoised::from_eps(x_t, at, on_x * x_t - on_f * output)
                }
            }
        }
    }
}
// ANCHOR_END: target

/// Whether the network also speaks about the variance (Improved DDPM, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    Mean,
    /// Twice the channels; the second half, in `[-1, 1]`, is the variance fraction `2 nu - 1`.
    MeanAndNu,
}

impl Head {
    /// Splits `[B, C, ...]` or `[B, 2C, ...]` into the output and `nu`.
    pub fn split(self, output: Tensor) -> (Tensor, Option<Tensor>) {
        match self {
            Head::Mean => (output, None),
            Head::MeanAndNu => {
                let halves = output.chunk(2, 1); // [B, 2C, ...] -> 2 x [B, C, ...]
                (halves[0].shallow_clone(), Some((&halves[1] + 1.0) / 2.0))
            }
        }
    }
}

/// What the network is told of the level. It is part of the weights' meaning, so it is saved with
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The papers' `t` in `1..=T`.
    OneBased,
    /// `t - 1` in `0..T`: published weights.
    ZeroBased,
    /// `t` times a number, for continuous time.
    Times(f64),
    /// `ln(sigma / alpha) / 4`: EDM's `c_noise` (Karras et al. 2022, Table 1).
    QuarterLogSigma,
}

impl Clock {
    /// The number for a level. The ladder begins at 1: a level below it is told as 1.
    pub fn read(self, at: Level) -> f64 {
        match self {
            Clock::OneBased => at.t.max(1.0),
            Clock::ZeroBased => at.t.max(1.0) - 1.0,
            Clock::Times(factor) => at.t * factor,
            Clock::QuarterLogSigma => (at.sigma / at.alpha).ln() / 4.0,
        }
    }
}

/// All that turns a network's numbers into a belief; saved in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    pub target: Target,
    pub head: Head,
    pub clock: Clock,
}

impl Default for Meaning {
    /// DDPM's: the noise, no variance, the paper's `t`.
    fn default() -> Self {
        Self { target: Target::Eps, head: Head::Mean, clock: Clock::OneBased }
    }
}

// ANCHOR: model
/// A network and the meaning of its output. Cloning shares the network.
#[derive(Debug)]
pub struct Model<N> {
    pub net: Rc<N>,
    pub meaning: Meaning,
}

impl<N: Network> Model<N> {
    pub fn new(net: N, meaning: Meaning) -> Self {
        Self { net: Rc::new(net), meaning }
    }

    /// Fixes the condition: from here on nobody knows there was one.
    pub fn given(&self, cond: N::Cond) -> Given<N> {
        Given { model: self.clone(), cond }
    }
}

/// A model with its condition bound.
#[derive(Debug)]
pub struct Given<N: Network> {
    model: Model<N>,
    cond: N::Cond,
}

impl<N: Network> Denoiser for Given<N> {
    /// The network may compute in half precision; the belief is of `x_t`'s kind.
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let Model { net, meaning: Meaning { target, head, clock } } = &self.model;
        let t = Tensor::from_slice(&[clock.read(at) as f32]).to_device(x_t.device()); // [1]
        let output = net.forward(&(target.input(at) * x_t), &t, &self.cond, false);
        let (output, nu) = head.split(output.to_kind(x_t.kind()));
        target.read(x_t, at, output).with_nu(nu)
    }
}
// ANCHOR_END: model

impl<N> Clone for Model<N> {
    fn clone(&self) -> Self {
        Self { net: Rc::clone(&self.net), meaning: self.meaning }
    }
}
