//! A sampler's name and settings, as they stand in a table or a configuration file.

use crate::denoiser::{Denoiser, Head};
use crate::forward::Variance;
use crate::guide::Adapt;
use crate::network::Inject;
use crate::noise::{Noise, Seeded};
use crate::sample::{
    Churn, Slow, ddim, ddpm, dpm_solver, dpm_solver_2, dpm_solver_3, dpm_solver_sde, edm, heun,
    unipc,
};
use crate::schedule::{Level, Path, Schedule};
use crate::trained::Trained;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Tensor};

/// Which sampler draws, along which levels, from which noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    pub sampler: Sampler,
    pub path: Path,
    /// Noisy levels of the path; see [`Sampler::evaluations`] for what they cost.
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
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Sampler::Ddim(eta) => write!(f, "DDIM eta {eta}"),
            Sampler::Ddpm(Variance::Large) => write!(f, "DDPM large (sigma-hat)"),
            Sampler::Ddpm(variance) => {
                let word = variance.to_possible_value().expect("no variance is hidden");
                write!(f, "DDPM {}", word.get_name())
            }
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
    #[error("{steps} steps do not fit a schedule of {most}: take 1 to {most}")]
    Steps { steps: usize, most: usize },
    #[error("DDIM's eta is {0}: it lies in 0 (no fresh noise) to 1")]
    Eta(f64),
    #[error("these weights have learned no variance: take small or large")]
    NoVariance,
    #[error("EDM's churn takes numbers from 0 up, not {0:?}")]
    Churn(Churn),
}

impl Sampling {
    /// Refuses what would end in nonsense, or in a panic, on the way.
    pub fn check(&self, trained: &Trained) -> Result<(), SamplingError> {
        let (steps, most) = (self.steps, trained.schedule.steps());
        if !(1..=most).contains(&steps) {
            return Err(SamplingError::Steps { steps, most });
        }
        match self.sampler {
            Sampler::Ddim(eta) if !(0.0..=1.0).contains(&eta) => Err(SamplingError::Eta(eta)),
            Sampler::Ddpm(Variance::Learned) if trained.config.meaning.head == Head::Mean => {
                Err(SamplingError::NoVariance)
            }
            Sampler::Edm(churn) if !churn.is_sound() => Err(SamplingError::Churn(churn)),
            _ => Ok(()),
        }
    }

    /// The images `first, first + 1, ...` of this sampling, clipped as they are predicted:
    /// `[n, C, H, W]`. Image `i` is the same whatever `first` and `n` are. `look` sees the level
    /// of every evaluation.
    #[allow(non_snake_case)]
    pub fn draw(
        &self,
        trained: &Trained,
        first: u64,
        n: u64,
        device: Device,
        look: impl FnMut(Level),
    ) -> Tensor {
        let mut seeded = Seeded::new(self.seed, first);
        let x_T = seeded.start(&trained.config.shape(n as i64)).to_device(device);
        let model = trained.model.given(Inject::default()).clip(1.0).watched(look);
        self.run(&model, &trained.schedule, x_T, &mut |x| seeded.draw(x))
    }

    /// From `x_T`, along this sampling's path on `schedule`. Nothing climbs above its last level.
    #[allow(non_snake_case)]
    pub fn run(
        &self,
        model: &dyn Denoiser,
        schedule: &Schedule,
        x_T: Tensor,
        noise: Noise,
    ) -> Tensor {
        let path = schedule.path(self.path, self.steps);
        let top = schedule.level(schedule.steps()).log_snr();
        let between = |log_snr: f64| schedule.at_log_snr(log_snr.max(top));
        match self.sampler {
            Sampler::Ddim(eta) => ddim(model, &path, x_T, eta, noise),
            Sampler::Ddpm(variance) => ddpm(model, &path, x_T, variance, noise),
            Sampler::Heun => heun(model, &path, x_T),
            Sampler::Edm(churn) => edm(model, &between, &path, x_T, churn, noise),
            Sampler::DpmSolver2 => dpm_solver_2(model, &between, &path, x_T),
            Sampler::DpmSolver3 => dpm_solver_3(model, &between, &path, x_T),
            Sampler::DpmSolver2M => dpm_solver(model, &path, x_T, Slow::Noise),
            Sampler::DpmSolverPlusPlus2M => dpm_solver(model, &path, x_T, Slow::Clean),
            Sampler::DpmSolverPlusPlus2MSde => dpm_solver_sde(model, &path, x_T, noise),
            Sampler::UniPc => unipc(model, &path, x_T),
        }
    }
}
