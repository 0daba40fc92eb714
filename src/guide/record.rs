//! Watching a sampler without the sampler knowing.

use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use std::cell::RefCell;
use tch::Tensor;

/// One evaluation: where the sampler stood, and what was predicted there.
#[derive(Debug)]
pub struct Snapshot {
    pub at: Level,
    pub x_t: Tensor,
    pub x0: Tensor,
}

impl Snapshot {
    pub(super) fn new(at: Level, x_t: &Tensor, prediction: &Denoised) -> Self {
        Self { at, x_t: x_t.shallow_clone(), x0: prediction.x0().shallow_clone() }
    }
}

// ANCHOR: record
/// Remembers `(level, x_t, x0)` of every call, in place of callbacks. Its length is the number of
/// function evaluations.
#[derive(Debug)]
pub struct Record<D> {
    inner: D,
    seen: RefCell<Vec<Snapshot>>,
}

impl<D: Denoiser> Denoiser for Record<D> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let prediction = self.inner.denoise(x_t, at);
        self.seen.borrow_mut().push(Snapshot::new(at, x_t, &prediction));
        prediction
    }
}
// ANCHOR_END: record

impl<D> Record<D> {
    pub fn new(inner: D) -> Self {
        Self { inner, seen: RefCell::default() }
    }

    /// Everything seen since the last call, in order.
    pub fn take(&self) -> Vec<Snapshot> {
        self.seen.take()
    }
}
