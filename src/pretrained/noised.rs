//! The levels at which a network that reads images is taught, and what it is told of them.

use crate::denoiser::TimeInput;
use crate::schedule::{Level, Schedule};
use tch::{Device, Tensor};

/// The levels of a network that reads noised images or clean ones.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub schedule: Schedule,
    /// Whether it is taught at all levels alike; else by clean images alone.
    pub noised: bool,
}

impl Reading {
    // ANCHOR: draw_levels
    /// The levels at which a batch is taught: uniform over the schedule, or all of them clean.
    pub fn draw(&self, batch: usize) -> Vec<Level> {
        match self.noised {
            true => self.schedule.levels(&self.schedule.draw_t(batch as i64)),
            false => vec![Level::CLEAN; batch],
        }
    }
    // ANCHOR_END: draw_levels

    /// The `t` that the network is told, `[levels]` in f32. One that was taught by clean images is
    /// told of every image that it is clean: it knows no other `t`.
    pub fn t(&self, levels: &[Level], device: Device) -> Tensor {
        let t = |at: &Level| match self.noised {
            true => TimeInput::OneBased.value(*at, Some(&self.schedule)) as f32,
            false => 0.0,
        };
        Tensor::from_slice(&levels.iter().map(t).collect::<Vec<f32>>()).to_device(device)
    }
}
