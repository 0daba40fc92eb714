//! A network plus what its numbers mean: that is a model, and given a condition it is a denoiser.

use super::{Denoised, Denoiser};
use crate::conditioning::{Condition, Conditioning};
use crate::network::Network;
use crate::schedule::{Level, Levels, Schedule};
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use tch::{Kind, Tensor};

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
    /// The network's input is `x_t` times this (k-diffusion's `c_in`): 1 on variance-preserving
    /// levels, and such that variance-exploding samples look the same to the network.
    pub fn input(self, at: Level) -> f64 {
        match self {
            Target::Edm { sigma_data } => Preconditioning::at(at, sigma_data).input,
            _ => 1.0 / (at.alpha.powi(2) + at.sigma.powi(2)).sqrt(),
        }
    }

    /// The prediction behind an output for `x_t`; one level for the batch, or one per sample.
    pub fn denoised(self, x_t: &Tensor, levels: &Levels, output: Tensor) -> Denoised {
        let at = Level::of_batch(levels, x_t);
        match self {
            Target::Eps => Denoised::from_eps(x_t, at, output),
            Target::X0 => Denoised::from_x0(x_t, at, output),
            Target::V => Denoised::from_v(x_t, at, output),
            Target::Edm { sigma_data } => {
                let c = |name: &str, f: fn(Level, Preconditioning) -> f64| {
                    let f = |at| f(at, Preconditioning::at(at, sigma_data));
                    levels.each(x_t, &format!("{name} of {self:?}"), f)
                };
                // Both views are the same prediction; the better conditioned one defines the pair.
                if levels.shared().is_some_and(|at| at.sigma > at.alpha) {
                    let x0 = c("skip", |_, c| c.skip) * x_t + c("out", |_, c| c.out) * output;
                    return Denoised::from_x0(x_t, at, x0);
                }
                let on_x = c("x in eps", |at, c| at.sigma * c.input.powi(2));
                let on_f = c("F in eps", |at, c| at.alpha * c.input) * sigma_data;
                Denoised::from_eps(x_t, at, on_x * x_t - on_f * output)
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

/// The number by which the level enters the network. Part of the parameterization, which is
/// saved with the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeInput {
    /// The `t` in `1..=T` that the model's schedule calls the level (the papers' count).
    OneBased,
    /// `t - 1` in `0..T`: published weights.
    ZeroBased,
    /// `t` times a number.
    Times(f64),
    /// `t - 1` times a number: improved-diffusion, which tells `1000 (t - 1) / T` unless it is asked
    /// not to (`rescale_timesteps`).
    ZeroBasedTimes(f64),
    /// `ln(sigma / alpha) / 4`: EDM's `c_noise` (Karras et al. 2022, Table 1). It needs no
    /// schedule: any level has it.
    QuarterLogSigma,
}

impl TimeInput {
    /// The number for a level. Schedules begin at `t = 1`: a level below it counts as 1.
    ///
    /// # Panics
    /// When a schedule's steps are counted and there is no schedule.
    pub fn value(self, at: Level, schedule: Option<&Schedule>) -> f64 {
        let t = || schedule.expect(NO_SCHEDULE).t_of(at);
        match self {
            TimeInput::OneBased => t().max(1.0),
            TimeInput::ZeroBased => t().max(1.0) - 1.0,
            TimeInput::Times(factor) => t() * factor,
            TimeInput::ZeroBasedTimes(factor) => (t().max(1.0) - 1.0) * factor,
            TimeInput::QuarterLogSigma => (at.sigma / at.alpha).ln() / 4.0,
        }
    }
}

const NO_SCHEDULE: &str = "this model is told the t of its schedule: give Model::new a schedule, \
                           or take TimeInput::QuarterLogSigma";

/// All that turns a network's numbers into a prediction; saved in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameterization {
    pub target: Target,
    pub head: Head,
    #[serde(alias = "clock")]
    pub time_input: TimeInput,
}

impl Default for Parameterization {
    /// DDPM's: the noise, no variance, the paper's `t`.
    fn default() -> Self {
        Self { target: Target::Eps, head: Head::Mean, time_input: TimeInput::OneBased }
    }
}

// ANCHOR: model
/// A network, its parameterization, and the schedule whose `t` it is told. Cloning shares the
/// network.
#[derive(Debug)]
pub struct Model<N> {
    pub net: Rc<N>,
    pub parameterization: Parameterization,
    schedule: Option<Schedule>,
}

impl<N: Network> Model<N> {
    /// `schedule` is the one that the network is trained on; `None` for a network that is told the
    /// noise itself ([`TimeInput::QuarterLogSigma`]).
    ///
    /// # Panics
    /// When a schedule is needed and there is none.
    pub fn new(
        net: N,
        parameterization: Parameterization,
        schedule: impl Into<Option<Schedule>>,
    ) -> Self {
        let schedule = schedule.into();
        let needed = parameterization.time_input != TimeInput::QuarterLogSigma;
        assert!(schedule.is_some() || !needed, "{NO_SCHEDULE}");
        Self { net: Rc::new(net), parameterization, schedule }
    }

    /// Fixes the condition and encodes it, once: from here on nobody knows there was one.
    pub fn given(&self, cond: impl Into<N::Cond>) -> Given<N> {
        let conditioning = tch::no_grad(|| self.net.encode(&cond.into(), false));
        Given { model: self.clone(), conditioning }
    }

    /// The network's output for `x_t`, and `nu` if the variance is learned: one level for the
    /// batch, or one per sample. `x_t` is scaled and cast as the network wants it; the output is of
    /// `x_t`'s kind, also where the network computes in half precision.
    pub fn output(
        &self,
        x_t: &Tensor,
        levels: &Levels,
        conditioning: &Conditioning,
        train: bool,
    ) -> (Tensor, Option<Tensor>) {
        let Parameterization { target, head, time_input } = self.parameterization;
        if let (Levels::Of(schedule, _), Some(own)) = (levels, &self.schedule) {
            assert!(schedule == own, "the levels are those of another schedule than the model's");
        }
        let told = |at| time_input.value(at, self.schedule.as_ref());
        let t = levels.numbers(x_t.device(), &format!("{time_input:?}"), told); // [1] or [B]
        let input = levels.each(x_t, &format!("input of {target:?}"), |at| target.input(at)) * x_t;
        let input = input.to_kind(self.net.kind().unwrap_or(x_t.kind()));
        head.split(
            self.net
                .forward(&input, &t.to_kind(Kind::Float), conditioning, train)
                .to_kind(x_t.kind()),
        )
    }

    /// The least noisy level that the network knows: the schedule's first, or EDM's `sigma_min`.
    fn first_level(&self) -> Level {
        let edm = || Level::variance_exploding(0.002);
        self.schedule.as_ref().map_or_else(edm, |schedule| schedule.level(1))
    }
}

/// A model with its condition bound.
#[derive(Debug)]
pub struct Given<N: Network> {
    model: Model<N>,
    conditioning: Conditioning,
}

impl<N: Network> Given<N> {
    /// The model for a batch whose first half has this condition, and whose second half the other's.
    pub fn cat(&self, other: &Self) -> Self {
        let conditioning = self.conditioning.cat(&other.conditioning);
        Self { model: self.model.clone(), conditioning }
    }
}

impl<N: Network> Denoiser for Given<N> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        if at.is_clean() {
            // Inversion starts where there is no noise, and where no network was trained: the
            // noise is the one that the network sees at its first level.
            let eps = self.denoise(x_t, self.model.first_level()).eps().shallow_clone();
            return Denoised::from_eps(x_t, at, eps);
        }
        let levels = at.into();
        let (output, nu) = self.model.output(x_t, &levels, &self.conditioning, false);
        self.model.parameterization.target.denoised(x_t, &levels, output).with_nu(nu)
    }
}
// ANCHOR_END: model

impl<N> Clone for Model<N> {
    fn clone(&self) -> Self {
        let schedule = self.schedule.clone();
        Self { net: Rc::clone(&self.net), parameterization: self.parameterization, schedule }
    }
}
