//! Which `t` to train on: all alike, or those more often whose loss is large.

use crate::schedule::Schedule;
use crate::util::device::on_cpu;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// How `t` is drawn in training. The names are those of Improved DDPM's code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleSampler {
    /// All alike (DDPM, Algorithm 1, line 3).
    #[default]
    Uniform,
    /// By [`LossSecondMoment`].
    LossSecondMoment,
}

/// Losses that are remembered for each `t`.
const HISTORY: i64 = 10;
/// The share of draws that stays uniform, so that no `t` is forgotten.
const UNIFORM: f64 = 0.001;

// ANCHOR: second_moment
/// Importance sampling of `t` (Improved DDPM eq. 18): drawn with a probability `p_t` proportional to
/// the root of `E[L_t^2]` and weighted by `1 / (T p_t)`, the mean loss stays what it was and
/// scatters less. The expectation is taken over the last ten losses at each `t`; until there are
/// so many of all, the draw is uniform.
#[derive(Debug)]
pub struct LossSecondMoment {
    /// `[T, 10]` in f64 on the CPU, the newest last; NaN where there is none yet. The draws depend
    /// on it: a run that is to be resumed saves it ([`Trainer::memory`](crate::train::Trainer)).
    pub losses: Tensor,
}

impl LossSecondMoment {
    /// For the steps of a schedule, with nothing remembered.
    pub fn new(schedule: &Schedule) -> Self {
        let shape = [schedule.steps() as i64, HISTORY];
        Self { losses: Tensor::full(shape, f64::NAN, tch::kind::DOUBLE_CPU) }
    }

    /// The probabilities of `t = 1, ..., T`: `[T]`.
    pub fn probabilities(&self) -> Tensor {
        let steps = self.losses.size()[0] as f64;
        let root = self.losses.square().mean_dim(1, false, None).sqrt(); // [T]
        let total = root.sum(None).double_value(&[]);
        if total > 0.0 && total.is_finite() {
            root * ((1.0 - UNIFORM) / total) + UNIFORM / steps
        } else {
            root.full_like(1.0 / steps)
        }
    }

    /// A `t` for each sample, from libtorch's generator: `[batch]`, i64, on the CPU.
    pub fn draw(&self, batch: i64) -> Tensor {
        self.probabilities().multinomial(batch, true) + 1
    }

    /// The losses (`[B]`) found at the `t` just drawn, weighted; they are remembered without weights,
    /// on the CPU: a GPU is read in every step.
    pub fn weighted(&mut self, t: &Tensor, losses: Tensor) -> Tensor {
        let rows = t.to_device(Device::Cpu) - 1;
        let p = self.probabilities().index_select(0, &rows);
        let found = on_cpu(&losses.detach());
        let rows = Vec::<i64>::try_from(rows).expect("a vector of integers");
        for (i, row) in rows.into_iter().enumerate() {
            let mut row = self.losses.get(row);
            row.copy_(&row.roll([-1], [0]));
            row.get(HISTORY - 1).copy_(&found.get(i as i64));
        }
        let weights = (p * self.losses.size()[0]).reciprocal(); // 1 / (T p_t)
        weights.to_kind(losses.kind()).to_device(losses.device()) * losses
    }
}
// ANCHOR_END: second_moment

/// A [`ScheduleSampler`] at work.
#[derive(Debug)]
pub enum TimeSampler {
    Uniform(Schedule),
    LossSecondMoment(LossSecondMoment),
}

impl TimeSampler {
    pub fn new(sampler: ScheduleSampler, schedule: &Schedule) -> Self {
        match sampler {
            ScheduleSampler::Uniform => Self::Uniform(schedule.clone()),
            ScheduleSampler::LossSecondMoment => {
                Self::LossSecondMoment(LossSecondMoment::new(schedule))
            }
        }
    }

    /// The probabilities of `t = 1, ..., T` now: `[T]`.
    pub fn probabilities(&self) -> Tensor {
        match self {
            Self::Uniform(schedule) => {
                let steps = schedule.steps();
                Tensor::full([steps as i64], 1.0 / steps as f64, tch::kind::DOUBLE_CPU)
            }
            Self::LossSecondMoment(moments) => moments.probabilities(),
        }
    }

    /// A `t` for each sample: `[batch]`, i64.
    pub fn draw(&self, batch: i64, device: Device) -> Tensor {
        match self {
            Self::Uniform(schedule) => schedule.draw_t(batch, device),
            Self::LossSecondMoment(moments) => moments.draw(batch).to_device(device),
        }
    }

    /// The losses of the samples, such that their mean is that of uniform `t`: `[B]`.
    pub fn weighted(&mut self, t: &Tensor, losses: Tensor) -> Tensor {
        match self {
            Self::Uniform(_) => losses,
            Self::LossSecondMoment(moments) => moments.weighted(t, losses),
        }
    }

    /// What it remembers, for [`Trainer::memory`](crate::train::Trainer).
    pub fn memory(&self) -> Vec<(String, Tensor)> {
        match self {
            Self::Uniform(_) => Vec::new(),
            Self::LossSecondMoment(moments) => {
                vec![("losses".into(), moments.losses.shallow_clone())]
            }
        }
    }
}
