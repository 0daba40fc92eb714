//! The levels at which a network that reads images is taught, and what it is told of them.

use crate::denoiser::TimeInput;
use crate::schedule::{Level, Levels, Schedule};
use tch::{Device, Kind, Tensor};

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
    pub fn draw(&self, batch: usize, device: Device) -> Levels {
        match self.noised {
            true => self.schedule.levels(&self.schedule.draw_t(batch as i64, device)),
            false => Level::CLEAN.into(),
        }
    }
    // ANCHOR_END: draw_levels

    /// The `t` that the network is told, `[B]` or `[1]` in f32. One that was taught by clean images is
    /// told of every image that it is clean: it knows no other `t`.
    pub fn t(&self, levels: &Levels, device: Device) -> Tensor {
        let t = match self.noised {
            true => levels.numbers(device, "t, at least 1", |at| {
                TimeInput::OneBased.value(at, Some(&self.schedule))
            }),
            false => Tensor::zeros([1], (Kind::Float, device)),
        };
        t.to_kind(Kind::Float)
    }
}
