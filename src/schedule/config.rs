//! A schedule by name and numbers, as it stands in a configuration file.

use super::Schedule;
use serde::{Deserialize, Serialize};

/// A schedule as it stands in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    Linear { steps: usize, first: f64, last: f64 },
    Cosine { steps: usize, s: f64 },
    Quadratic { steps: usize, first: f64, last: f64 },
    SigmoidBeta { steps: usize, first: f64, last: f64, from: f64, to: f64 },
    SigmoidAlphaBar { steps: usize, start: f64, end: f64, tau: f64 },
}

/// Steps that a schedule may have: more is a typing error.
const MOST: usize = 1_000_000;

impl Default for ScheduleConfig {
    /// The paper's: linear, 1000 steps from 1e-4 to 0.02.
    fn default() -> Self {
        Self::Linear { steps: 1000, first: 1e-4, last: 0.02 }
    }
}

impl ScheduleConfig {
    /// Refuses numbers that make no schedule, in one sentence: those with which
    /// [`build`](Self::build) panics, and those whose noise does not grow in every step.
    pub fn check(self) -> Result<(), String> {
        let steps = match self {
            Self::Linear { steps, .. }
            | Self::Cosine { steps, .. }
            | Self::Quadratic { steps, .. }
            | Self::SigmoidBeta { steps, .. }
            | Self::SigmoidAlphaBar { steps, .. } => steps,
        };
        if !(1..=MOST).contains(&steps) {
            return Err(format!("the schedule has {steps} steps: take 1 to {MOST}"));
        }
        match self {
            Self::Linear { first, last, .. }
            | Self::Quadratic { first, last, .. }
            | Self::SigmoidBeta { first, last, .. }
                if ![first, last].iter().all(|beta| *beta > 0.0 && *beta <= 1.0) =>
            {
                let why = "beta is above 0 and at most 1";
                return Err(format!("the schedule goes from beta = {first} to {last}: {why}"));
            }
            Self::SigmoidBeta { from, to, .. } if !(to - from).is_finite() => {
                let why = "both are finite";
                return Err(format!("the schedule's sigmoid is seen on [{from}, {to}]: {why}"));
            }
            _ => {}
        }
        let schedule = self.build();
        let log_alpha_bar = |t| schedule.alpha_bar(t).ln();
        let ends = |t| t == steps && schedule.alpha_bar(t) == 0.0; // no signal is left at T
        let sound =
            |t: &usize| ends(*t) || (schedule.beta(*t) > 0.0 && log_alpha_bar(*t).is_finite());
        match (1..=steps).find(|t| !sound(t)) {
            None => Ok(()),
            Some(t) => Err(format!(
                "the schedule adds no noise in step {t}, or leaves no signal before its last step: \
                 alpha_bar must fall in every step ({self:?})"
            )),
        }
    }

    /// # Panics
    /// When [`check`](Self::check) refuses.
    pub fn build(self) -> Schedule {
        match self {
            Self::Linear { steps, first, last } => Schedule::linear(steps, first, last),
            Self::Cosine { steps, s } => Schedule::cosine(steps, s),
            Self::Quadratic { steps, first, last } => Schedule::quadratic(steps, first, last),
            Self::SigmoidBeta { steps, first, last, from, to } => {
                Schedule::sigmoid_beta(steps, first, last, from, to)
            }
            Self::SigmoidAlphaBar { steps, start, end, tau } => {
                Schedule::sigmoid_alpha_bar(steps, start, end, tau)
            }
        }
    }
}
