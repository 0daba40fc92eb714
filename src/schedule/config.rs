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

impl Default for ScheduleConfig {
    /// The paper's: linear, 1000 steps from 1e-4 to 0.02.
    fn default() -> Self {
        Self::Linear { steps: 1000, first: 1e-4, last: 0.02 }
    }
}

impl ScheduleConfig {
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
