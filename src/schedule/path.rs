//! Which levels a sampler visits.

use super::{Level, Schedule, ramp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which timesteps a sampler of `n` steps visits; the choice decides the result, so every table names
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// 1, 101, ..., 901 for 10 of 1000: the DDIM code's default, "leading" elsewhere. Starts well
    /// below `T`.
    Uniform,
    /// Squares of an even grid up to `0.8 T`: 1, 10, 40, ..., 801. DDIM's choice for CIFAR-10.
    /// Where squares fall on the same timestep the timestep is visited once, since a step from `t` to `t`
    /// changes nothing: such paths have fewer than `n` steps.
    Quadratic,
    /// Evenly from 1 to `T`, both visited (Improved DDPM).
    Linspace,
    /// Evenly down from `T`: 1000, 900, ..., 100 (Lin et al. 2023, Table 2).
    Trailing,
    /// Evenly in the log SNR from `T` to 1, both visited, between the timesteps (DPM-Solver, section
    /// 3.4).
    LogSnr,
    /// Evenly in the seventh root of sigma / alpha from `T` to 1, between the timesteps (Karras et al.
    /// 2022, eq. 5): most of them where there is little noise.
    Karras,
}

impl fmt::Display for Path {
    /// As flags and files spell it: `log-snr`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(f)
    }
}

impl Path {
    /// The paper's indices `t` in falling order, without the final 0. Rounds half to even, as
    /// numpy and so the published code does.
    fn times(self, steps: usize, n: usize) -> Vec<usize> {
        let (t_max, count) = (steps as f64, n as f64);
        // numpy's linspace to the last bit: multiples of a step, then the end itself.
        let even = |end: f64, i: usize| match i {
            0 => 0.0,
            _ if i == n - 1 => end,
            _ => i as f64 * (end / (count - 1.0)),
        };
        let time = |i: usize| match self {
            Path::Uniform => i * (steps / n) + 1,
            Path::Quadratic => even((t_max * 0.8).sqrt(), i).powi(2) as usize + 1,
            Path::Linspace => even(t_max - 1.0, i).round_ties_even() as usize + 1,
            Path::Trailing => (t_max * (i as f64 + 1.0) / count).round_ties_even() as usize,
            Path::LogSnr | Path::Karras => unreachable!("these lie between the timesteps"),
        };
        let mut times: Vec<usize> = (0..n).rev().map(time).collect();
        times.dedup();
        times
    }
}

/// A path that a schedule does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("{steps} steps do not fit a schedule of {most}: take 1 to {most}")]
    Steps { steps: usize, most: usize },
    #[error(
        "the path {0} is spaced by the signal-to-noise ratio, which is 0 at the end of this \
         schedule (alpha_bar_T = 0): take trailing"
    )]
    NoSignal(Path),
}

impl Schedule {
    /// Whether [`Schedule::path`] exists for `path` with `n` steps.
    pub fn check_path(&self, path: Path, n: usize) -> Result<(), PathError> {
        if !(1..=self.steps()).contains(&n) {
            return Err(PathError::Steps { steps: n, most: self.steps() });
        }
        let by_snr = matches!(path, Path::LogSnr | Path::Karras);
        match by_snr && self.alpha_bar(self.steps()) == 0.0 {
            true => Err(PathError::NoSignal(path)),
            false => Ok(()),
        }
    }

    /// The levels a sampler visits: `n` noisy ones in falling order, then the clean level.
    ///
    /// # Panics
    /// When [`Schedule::check_path`] refuses.
    pub fn path(&self, path: Path, n: usize) -> Vec<Level> {
        self.check_path(path, n).unwrap_or_else(|error| panic!("{error}"));
        // Between the timesteps the ends are the first and the last timestep themselves.
        let (top, bottom) = (self.level(self.steps()), self.level(1));
        let rising = |log_snr: f64| self.at_log_snr(log_snr.clamp(top.log_snr(), bottom.log_snr()));
        let noisy: Vec<Level> = match path {
            Path::LogSnr => ramp(n, top.log_snr(), bottom.log_snr()).map(rising).collect(),
            Path::Karras => {
                let sigmas = karras(n, bottom.sigma / bottom.alpha, top.sigma / top.alpha);
                sigmas.map(|sigma| rising(-2.0 * sigma.ln())).collect()
            }
            _ => path.times(self.steps(), n).into_iter().map(|t| self.level(t)).collect(),
        };
        noisy.into_iter().chain([self.level(0)]).collect()
    }
}

/// `n` values of `sigma / alpha` from `max` down to `min`, equally spaced in their seventh root
/// (Karras et al. 2022, eq. 5 with `rho = 7`): most of them where there is little noise.
pub fn karras(n: usize, min: f64, max: f64) -> impl Iterator<Item = f64> {
    ramp(n, max.powf(1.0 / RHO), min.powf(1.0 / RHO)).map(|root| root.powf(RHO))
}

const RHO: f64 = 7.0;
