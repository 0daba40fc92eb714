//! A sampler's name and settings, as they stand in a table or a configuration file.

use crate::denoiser::{Denoiser, Head, Parameterization, Target};
use crate::forward::Variance;
use crate::noise::Noise;
use crate::pretrained::{NeedsImage, NoLowRes};
use crate::sample::{
    Churn, Prediction, ddim, ddpm, dpm_solver, dpm_solver_2, dpm_solver_3, dpm_solver_sde, edm,
    heun, unipc,
};
use crate::schedule::{Level, Path, PathError, Schedule};
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Tensor;

/// Which sampler draws, along which levels, from which noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    pub sampler: Sampler,
    pub path: Path,
    /// Noisy levels of the path; see [`Sampling::evaluations`] for what they cost.
    pub steps: usize,
    pub seed: u64,
}

/// The samplers of [`sample`](crate::sample), by name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// With its `eta`.
    Ddim(f64),
    /// Ancestral, with the variance of its noise.
    Ddpm(Variance),
    Heun,
    /// Heun's steps after adding noise: EDM's stochastic sampler.
    Edm(Churn),
    #[serde(rename = "dpm-solver-2")]
    DpmSolver2,
    #[serde(rename = "dpm-solver-3")]
    DpmSolver3,
    /// The multistep solver of second order, on the noise.
    #[serde(rename = "dpm-solver-2m")]
    DpmSolver2M,
    /// The same on the clean sample.
    #[serde(rename = "dpm-solver++2m")]
    DpmSolverPlusPlus2M,
    /// The same with fresh noise in every step.
    #[serde(rename = "dpm-solver++2m-sde")]
    DpmSolverPlusPlus2MSde,
    /// The multistep solver on the clean sample, each step taken again once its end is seen.
    #[serde(rename = "unipc")]
    UniPc,
}

impl Sampler {
    /// Evaluations of the network that `steps` steps take, the last one to the clean level.
    pub fn evaluations(self, steps: usize) -> usize {
        match self {
            Sampler::Heun | Sampler::Edm(_) | Sampler::DpmSolver2 => (2 * steps).saturating_sub(1),
            Sampler::DpmSolver3 => (3 * steps).saturating_sub(2),
            _ => steps,
        }
    }

    /// The most steps that take at most `evaluations`; none if even one step takes more.
    pub fn steps_within(self, evaluations: usize) -> Option<usize> {
        (1..=evaluations).rev().find(|steps| self.evaluations(*steps) <= evaluations)
    }

    /// Whether it draws fresh noise on its way.
    pub fn draws_noise(self) -> bool {
        match self {
            Sampler::Ddim(eta) => eta > 0.0,
            Sampler::Edm(churn) => churn.s_churn > 0.0,
            Sampler::Ddpm(_) | Sampler::DpmSolverPlusPlus2MSde => true,
            _ => false,
        }
    }

    /// Whether it works with the log-SNR of levels, which must then be finite.
    fn sees_log_snr(self) -> bool {
        !matches!(self, Sampler::Ddim(_) | Sampler::Ddpm(_) | Sampler::Heun)
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Sampler::Ddim(eta) => write!(f, "DDIM eta {eta}"),
            Sampler::Ddpm(Variance::Large) => write!(f, "DDPM large (sigma-hat)"),
            Sampler::Ddpm(variance) => write!(f, "DDPM {variance}"),
            Sampler::Heun => write!(f, "Heun"),
            Sampler::Edm(churn) => write!(f, "EDM {churn}"),
            Sampler::DpmSolver2 => write!(f, "DPM-Solver-2"),
            Sampler::DpmSolver3 => write!(f, "DPM-Solver-3"),
            Sampler::DpmSolver2M => write!(f, "DPM-Solver(2M)"),
            Sampler::DpmSolverPlusPlus2M => write!(f, "DPM-Solver++(2M)"),
            Sampler::DpmSolverPlusPlus2MSde => write!(f, "DPM-Solver++(2M) SDE"),
            Sampler::UniPc => write!(f, "UniPC"),
        }
    }
}

/// What a sampling asks for and a model cannot give.
#[derive(Debug, thiserror::Error)]
pub enum SamplingError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(
        "one step of the path {0} starts at t = 1, where there is no noise to remove, and returns \
         its input: take trailing, or more steps"
    )]
    OneStep(Path),
    #[error(
        "this path starts where nothing is left of the image (alpha_bar_T = 0): {0} cannot, take \
         {1}"
    )]
    NoSignal(String, &'static str),
    #[error("a line of a table takes at least one evaluation of the network, not 0")]
    NoEvaluations,
    #[error("DDIM's eta is {0}: it lies in 0 (no fresh noise) to 1")]
    Eta(f64),
    #[error("these weights have learned no variance: take small or large")]
    NoVariance,
    #[error(
        "this model is unconditional: it cannot draw a class that is asked for unless a classifier \
         guides it"
    )]
    Unconditional,
    #[error("there is no class {class}: this model knows the classes 0 to {}", known - 1)]
    NoSuchClass { class: i64, known: i64 },
    #[error("{0}")]
    Guidance(String),
    #[error("this model is unconditional: there is no condition to be guided by")]
    Unguidable,
    #[error(
        "this model was never trained without its condition (condition_dropout is 0), so it does not \
         know what to predict without one: train with \"condition_dropout\": 0.1 in its config.json, \
         or name a negative class or prompt"
    )]
    NoNull,
    #[error("this model reads no captions: it cannot draw a prompt")]
    NoText,
    #[error("{0}")]
    Inpainting(String),
    #[error(transparent)]
    NeedsImage(#[from] NeedsImage),
    #[error(transparent)]
    LowRes(#[from] NoLowRes),
    #[error("EDM's churn takes numbers from 0 up, not {0:?}")]
    Churn(Churn),
}

/// A path should start where at most this share of the variance is the image's; at `t = 501` of
/// DDPM's linear schedule, where `uniform` starts with 2 or with 501 steps, it is 0.079.
const SIGNAL_AT_START: f64 = 0.05;

impl Sampling {
    /// Refuses what would end in nonsense, or in a panic, on the way. It needs no weights, so that a
    /// command can refuse before it writes anything.
    pub fn check(
        &self,
        schedule: &Schedule,
        parameterization: Parameterization,
    ) -> Result<(), SamplingError> {
        schedule.check_path(self.path, self.steps)?;
        if self.steps == 1 && schedule.steps() > 1 {
            let from_below = matches!(self.path, Path::Uniform | Path::Quadratic | Path::Linspace);
            if from_below {
                return Err(SamplingError::OneStep(self.path));
            }
        }
        if self.levels(schedule)[0].alpha == 0.0 {
            if self.sampler.sees_log_snr() {
                let sampler = self.sampler.to_string();
                return Err(SamplingError::NoSignal(sampler, "DDIM, DDPM or Heun"));
            } else if parameterization.target == Target::Eps {
                let what = "a network that predicts the noise".into();
                return Err(SamplingError::NoSignal(what, "the path uniform"));
            }
        }
        match self.sampler {
            Sampler::Ddim(eta) if !(0.0..=1.0).contains(&eta) => Err(SamplingError::Eta(eta)),
            Sampler::Ddpm(Variance::Learned) if parameterization.head == Head::Mean => {
                Err(SamplingError::NoVariance)
            }
            Sampler::Edm(churn) if !churn.is_sound() => Err(SamplingError::Churn(churn)),
            _ => Ok(()),
        }
    }

    /// What a user should know of a path that starts too low: noise is taken for what is half an
    /// image there. Published code does the same without a word.
    pub fn warning(&self, schedule: &Schedule) -> Option<String> {
        let signal = |steps| {
            let path = Self { steps, ..*self }.levels(schedule);
            path[0].alpha.powi(2)
        };
        let found = signal(self.steps);
        if found <= SIGNAL_AT_START {
            return None;
        }
        let sound = |steps: &usize| signal(*steps) <= SIGNAL_AT_START;
        let nearest = (1..schedule.steps()).find_map(|off| {
            let near = [self.steps.saturating_sub(off), self.steps + off];
            near.into_iter().filter(|n| (1..=schedule.steps()).contains(n)).find(sound)
        });
        let or = nearest.map_or(String::new(), |steps| format!(", or {steps} steps"));
        let start = schedule.t_of(self.levels(schedule)[0]);
        Some(format!(
            "the path {} of {} steps starts at t = {start:.0} of {}, where {:.0} % of the variance \
             is still the image's: take trailing{or}",
            self.path,
            self.steps,
            schedule.steps(),
            100.0 * found
        ))
    }

    /// The levels that are visited, the clean one last.
    pub fn levels(&self, schedule: &Schedule) -> Vec<Level> {
        schedule.path(self.path, self.steps)
    }

    /// Evaluations of the network per image. A path may have fewer levels than steps were asked
    /// for ([`Path::Quadratic`]).
    pub fn evaluations(&self, schedule: &Schedule) -> usize {
        self.sampler.evaluations(self.levels(schedule).len() - 1)
    }

    /// Draws samples from `x_T`, along this sampling's path on `schedule`.
    #[allow(non_snake_case)]
    pub fn run(
        &self,
        model: &dyn Denoiser,
        schedule: &Schedule,
        x_T: Tensor,
        noise: Noise,
    ) -> Tensor {
        let path = self.levels(schedule);
        match self.sampler {
            Sampler::Ddim(eta) => ddim(model, &path, x_T, eta, noise),
            Sampler::Ddpm(variance) => ddpm(model, &path, x_T, variance, noise),
            Sampler::Heun => heun(model, &path, x_T),
            Sampler::Edm(churn) => edm(model, &path, x_T, churn, noise),
            Sampler::DpmSolver2 => dpm_solver_2(model, &path, x_T),
            Sampler::DpmSolver3 => dpm_solver_3(model, &path, x_T),
            Sampler::DpmSolver2M => dpm_solver(model, &path, x_T, Prediction::Noise),
            Sampler::DpmSolverPlusPlus2M => dpm_solver(model, &path, x_T, Prediction::Data),
            Sampler::DpmSolverPlusPlus2MSde => dpm_solver_sde(model, &path, x_T, noise),
            Sampler::UniPc => unipc(model, &path, x_T),
        }
    }
}
