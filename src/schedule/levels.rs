//! The levels of a whole batch, one per sample: of a schedule by their `t`, or any others.

use super::{Level, Schedule};
use crate::util::device::widest_float;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The noise levels of a batch: one for all samples (as when sampling) or one per sample (as when
/// training).
#[derive(Debug)]
pub enum Levels {
    /// Any levels, one or as many as samples.
    Each(Vec<Level>),
    /// Those that a schedule calls `t`: `[B]`, i64, on the device of the samples.
    Of(Schedule, Tensor),
}

impl Levels {
    /// The level of all samples, if they share one.
    pub fn shared(&self) -> Option<Level> {
        match self {
            Levels::Each(levels) => <[Level; 1]>::try_from(&levels[..]).ok().map(|[at]| at),
            Levels::Of(..) => None,
        }
    }

    /// A number for each level: `[B]`, or `[1]` if all share one, in the widest float of the device.
    ///
    /// The numbers are computed on the CPU in f64, by the formulas that sampling uses. Those of a
    /// schedule are computed once for every `t` and kept on the device under `name`, where a batch
    /// looks them up: training never waits for the CPU. So `f` has to be a function of the level and
    /// of what its name says.
    pub fn numbers(&self, device: Device, name: &str, f: impl Fn(Level) -> f64) -> Tensor {
        match self {
            Levels::Of(schedule, t) => schedule.numbers(t, device, name, |t| f(schedule.level(t))),
            Levels::Each(levels) => {
                let all: Vec<f64> = levels.iter().map(|level| f(*level)).collect();
                on_device(&all, device)
            }
        }
    }

    /// The same as it multiplies `like`: `[B, 1, ..., 1]`, of its kind, or one number for all.
    ///
    /// # Panics
    /// When there are neither one nor as many levels as samples.
    pub fn each(&self, like: &Tensor, name: &str, f: impl Fn(Level) -> f64) -> Tensor {
        match self.shared() {
            Some(at) => Tensor::from(f(at)),
            None => per_sample(&self.numbers(like.device(), name, f), like),
        }
    }
}

impl From<Level> for Levels {
    fn from(at: Level) -> Self {
        Levels::Each(vec![at])
    }
}

impl From<Vec<Level>> for Levels {
    fn from(levels: Vec<Level>) -> Self {
        Levels::Each(levels)
    }
}

impl Level<Tensor> {
    /// The levels of a batch as coefficients that multiply `like`: `[]` or `[B, 1, ..., 1]`.
    ///
    /// # Panics
    /// When there are neither one nor as many levels as samples.
    pub fn of_batch(levels: &Levels, like: &Tensor) -> Self {
        Self {
            alpha: levels.each(like, "alpha", |at| at.alpha),
            sigma: levels.each(like, "sigma", |at| at.sigma),
        }
    }
}

/// `[B]` as it multiplies `like`: `[B, 1, ..., 1]`, of its kind.
pub fn per_sample(numbers: &Tensor, like: &Tensor) -> Tensor {
    let mut shape = vec![1; like.dim()];
    shape[0] = like.size()[0];
    assert_eq!(numbers.size(), shape[..1], "levels and samples {:?} differ in B", like.size());
    numbers.view(&shape[..]).to_kind(like.kind())
}

fn on_device(numbers: &[f64], device: Device) -> Tensor {
    Tensor::from_slice(numbers).to_kind(widest_float(device)).to_device(device)
}

/// Functions of all the `t` of a schedule that somebody asked for, by name and device: `[T + 1]`.
/// Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns(Rc<RefCell<HashMap<(String, Device), Tensor>>>);

impl Schedule {
    /// One `t` per sample, uniform over `1..=T`, both ends included (DDPM, Algorithm 1, line 3),
    /// from libtorch's generator: `[batch]`, i64.
    pub fn draw_t(&self, batch: i64, device: Device) -> Tensor {
        Tensor::randint_low(1, self.steps() as i64 + 1, [batch], (Kind::Int64, device))
    }

    /// The levels at these `t` (`[B]`, i64), one per sample.
    ///
    /// # Panics
    /// When a `t` lies outside `0..=T`; where that cannot be seen without waiting for a GPU, the GPU
    /// says so.
    pub fn levels(&self, t: &Tensor) -> Levels {
        if t.device() == Device::Cpu && t.numel() > 0 {
            let [least, most] = [t.min(), t.max()].map(|t| t.int64_value(&[]));
            let last = self.steps() as i64;
            assert!(0 <= least && most <= last, "t = {least} to {most} leaves 0..=T, T = {last}");
        }
        Levels::Of(self.clone(), t.shallow_clone())
    }

    /// `f(t)` for each of these `t`: `[B]`; see [`Levels::numbers`].
    pub fn numbers(
        &self,
        t: &Tensor,
        device: Device,
        name: &str,
        f: impl Fn(usize) -> f64,
    ) -> Tensor {
        let mut columns = self.columns.0.borrow_mut();
        let column = columns.entry((name.to_owned(), device)).or_insert_with(|| {
            on_device(&(0..=self.steps()).map(&f).collect::<Vec<f64>>(), device)
        });
        let some = self.steps().div_ceil(2);
        debug_assert!(
            device != Device::Cpu // which would have to wait to be read
                || column.double_value(&[some as i64]).to_bits() == f(some).to_bits(),
            "two functions of t are called {name}"
        );
        column.index_select(0, &t.to_device(device))
    }
}
