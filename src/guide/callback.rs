//! Following a sampler's progress.

use super::Snapshot;
use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use std::cell::RefCell;
use std::fmt;
use tch::Tensor;

/// Shows every evaluation to `look`, for a progress bar or a picture.
pub struct WithCallback<D, F> {
    inner: D,
    look: RefCell<F>,
}

impl<D: Denoiser, F: FnMut(&Snapshot)> Denoiser for WithCallback<D, F> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let prediction = self.inner.denoise(x_t, at);
        (self.look.borrow_mut())(&Snapshot::new(at, x_t, &prediction));
        prediction
    }
}

impl<D, F: FnMut(&Snapshot)> WithCallback<D, F> {
    pub fn new(inner: D, look: F) -> Self {
        Self { inner, look: RefCell::new(look) }
    }
}

impl<D: fmt::Debug, F> fmt::Debug for WithCallback<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("WithCallback").field("inner", &self.inner).finish_non_exhaustive()
    }
}
