use super::flat::{Flat, concatenated};
use std::fmt;
use tch::Tensor;
use tch::nn::{self, VarStore};

/// An exponential moving average of a model's weights, as a second model that can be sampled.
///
/// `theta_ema = d theta_ema + (1 - d) theta`, with `d = min(decay, (1 + n) / (10 + n))` at update
/// `n = 0, 1, ...`: the rising decay forgets the random start, so short runs need no other value
/// of `decay` (the rule of TensorFlow's `ExponentialMovingAverage` with `num_updates`). Tensors
/// that are not trained (running statistics) are copied.
pub struct Ema<M> {
    pub model: M,
    pub vs: VarStore,
    pub decay: f64,
    /// Names of the averaged tensors, sorted, and the tensors in that order.
    names: Vec<String>,
    averages: Flat,
    /// The other tensors, which are copied.
    copies: Vec<(String, Tensor)>,
}

impl<M> Ema<M> {
    /// A second module from the constructor of the first, holding the weights of `source` now.
    ///
    /// # Panics
    /// If `build` does not make the tensors that `source` holds.
    pub fn new(source: &VarStore, decay: f64, build: impl Fn(&nn::Path) -> M) -> Self {
        let mut vs = VarStore::new(source.device());
        let model = build(&vs.root());
        vs.copy(source).expect("the EMA's module must have the tensors of the trained module");
        let (names, tensors): (Vec<_>, Vec<_>) = super::trained(&vs).unzip();
        let others = vs.variables().into_iter().filter(|(_, tensor)| !tensor.requires_grad());
        let copies = others.collect();
        vs.freeze();
        Self { model, vs, decay, names, averages: Flat::of(&tensors), copies }
    }

    /// The averages as one vector.
    pub(super) fn flat(&self) -> &Flat {
        &self.averages
    }

    // ANCHOR: ema
    /// The decay of update `n`, counted from 0.
    pub fn decay_at(&self, n: u64) -> f64 {
        self.decay.min((1 + n) as f64 / (10 + n) as f64)
    }

    /// Update `n` (counted from 0) towards the weights in `source`.
    pub fn update(&mut self, source: &VarStore, n: u64) {
        let _guard = tch::no_grad_guard();
        let source = source.variables_.lock().expect("no panic while the variables are held");
        let theta = &source.named_variables;
        let now = concatenated(self.names.iter().map(|name| &theta[name]));
        let _ = self.averages.all.lerp_(&now, 1.0 - self.decay_at(n));
        for (name, copy) in &mut self.copies {
            copy.copy_(&theta[name]);
        }
    }
    // ANCHOR_END: ema
}

impl<M> fmt::Debug for Ema<M> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Ema")
            .field("decay", &self.decay)
            .field("tensors", &self.vs.len())
            .finish_non_exhaustive()
    }
}
