use super::{Adam, Ema, TrainConfig, TrainError};
use crate::device::on_cpu;
use crate::noise::mix;
use std::{collections::BTreeMap, fmt};
use tch::nn::{self, VarStore};
use tch::{Device, Tensor};

/// A model being trained: its weights, their moving average, Adam's moments and the step count.
///
/// Generic over the module, so that diffusion models, classifiers, CLIP, autoencoders and GANs
/// are all trained, averaged, saved and resumed by this one type.
pub struct Trainer<M> {
    pub model: M,
    pub ema: Ema<M>,
    /// Finished steps.
    pub step: u64,
    pub config: TrainConfig,
    /// The variables of `model`.
    pub vs: VarStore,
    pub adam: Adam,
    /// Names of the trained parameters, sorted; `adam.m` and `adam.v` are in this order.
    pub names: Vec<String>,
    params: Vec<Tensor>,
    grad_norm: f64,
}

impl<M> Trainer<M> {
    /// Builds the module twice (the second is the EMA's); `config.seed` and `config.stream` fix the
    /// initial weights.
    pub fn new(device: Device, config: TrainConfig, build: impl Fn(&nn::Path) -> M) -> Self {
        seed_torch(&config, INIT, 0);
        let vs = VarStore::new(device);
        let model = build(&vs.root());
        let ema = Ema::new(&vs, config.ema_decay, &build);
        let trained: BTreeMap<_, _> =
            vs.variables().into_iter().filter(|(_, v)| v.requires_grad()).collect();
        let (names, params): (Vec<_>, Vec<_>) = trained.into_iter().unzip();
        let adam = Adam::new(&params);
        Self { model, ema, step: 0, config, vs, adam, names, params, grad_norm: 0.0 }
    }

    /// One optimizer step on any loss; returns the loss, averaged over `config.accumulate` calls.
    ///
    /// `loss` is told which batch it is asked for, counted from 0 over all calls of the run: with
    /// accumulation each call takes the next batch (see
    /// [`batch_indices`](crate::data::batch_indices)). It must return one number (shape `[]`).
    ///
    /// libtorch's generator is seeded from `(config.seed, config.stream, step, call)` before each
    /// call, so that a resumed run draws what the uninterrupted one would have, whatever was
    /// sampled in between.
    ///
    /// # Errors
    /// A loss or gradient that is not finite stops here, names the step and the tensor, and leaves
    /// everything as it was.
    pub fn step(&mut self, mut loss: impl FnMut(&M, u64) -> Tensor) -> Result<f64, TrainError> {
        self.config.check()?;
        let step = self.step + 1;
        let (value, mut grads) = self.gradients(step, &mut loss)?;
        let norm = self.norm(&grads, step, value)?;
        if let Some(clip) = self.config.clip.filter(|clip| norm > *clip) {
            for g in grads.iter_mut().flatten() {
                *g = &*g * (clip / norm);
            }
        }
        self.adam.step(&self.config, self.config.lr_at(step), step, &self.params, &grads);
        self.ema.update(&self.vs, self.step);
        self.grad_norm = norm;
        self.step = step;
        Ok(value)
    }

    /// The learning rate of the step just finished.
    pub fn lr(&self) -> f64 {
        self.config.lr_at(self.step)
    }

    /// The gradient norm of the step just finished, before clipping.
    pub fn grad_norm(&self) -> f64 {
        self.grad_norm
    }

    /// Numbers being trained.
    pub fn parameters(&self) -> usize {
        self.params.iter().map(Tensor::numel).sum()
    }

    /// Mean loss and mean gradients over `config.accumulate` calls; `None` where frozen.
    fn gradients(
        &self,
        step: u64,
        loss: &mut dyn FnMut(&M, u64) -> Tensor,
    ) -> Result<(f64, Vec<Option<Tensor>>), TrainError> {
        let calls = self.config.accumulate;
        let live: Vec<usize> =
            (0..self.params.len()).filter(|&i| self.params[i].requires_grad()).collect();
        let inputs: Vec<&Tensor> = live.iter().map(|&i| &self.params[i]).collect();
        let mut grads: Vec<Option<Tensor>> = self.params.iter().map(|_| None).collect();
        let mut sum = 0.0;
        for call in 0..calls {
            seed_torch(&self.config, call, step);
            let loss = loss(&self.model, self.step * calls + call);
            let shape = loss.size();
            assert_eq!(
                loss.numel(),
                1,
                "the loss has shape {shape:?}, but must be one number, shape []: take its mean"
            );
            let value = loss.double_value(&[]);
            if !value.is_finite() {
                return Err(TrainError::Loss { step, loss: value });
            }
            sum += value;
            if !loss.requires_grad() {
                return Err(TrainError::Disconnected { step });
            }
            let scaled = if calls == 1 { loss } else { loss / calls as f64 };
            let found = Tensor::f_run_backward(&[scaled], &inputs, false, false)
                .map_err(|source| TrainError::Torch { step, source })?;
            for (&i, g) in live.iter().zip(found) {
                if g.defined() {
                    grads[i] = Some(grads[i].take().map_or_else(|| g.detach(), |sum| sum + &g));
                }
            }
        }
        if grads.iter().all(Option::is_none) {
            return Err(TrainError::Disconnected { step });
        }
        // A parameter that this step did not use has gradient 0, in a resumed run as in a whole one.
        for i in live {
            grads[i].get_or_insert_with(|| self.params[i].detach().zeros_like());
        }
        Ok((sum / calls as f64, grads))
    }

    /// The norm of all gradients as one vector; an error names the first that is not finite.
    fn norm(&self, grads: &[Option<Tensor>], step: u64, loss: f64) -> Result<f64, TrainError> {
        let (names, norms): (Vec<&String>, Vec<Tensor>) = self
            .names
            .iter()
            .zip(grads)
            .filter_map(|(name, g)| Some((name, g.as_ref()?.norm())))
            .unzip();
        let norms = on_cpu(&Tensor::stack(&norms, 0)); // [parameters]
        let norms = Vec::<f64>::try_from(norms).expect("a vector of doubles");
        match norms.iter().position(|norm| !norm.is_finite()) {
            Some(bad) => Err(TrainError::Gradient { step, name: names[bad].clone(), loss }),
            None => Ok(norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt()),
        }
    }
}

/// In the place of a loss call's index: the initial weights.
const INIT: u64 = u64::MAX;

fn seed_torch(config: &TrainConfig, call: u64, step: u64) {
    let seed = match config.stream {
        0 => config.seed,
        stream => mix(config.seed, stream, u64::MAX),
    };
    // The shift keeps the value positive: libtorch takes an i64.
    tch::manual_seed((mix(seed, call, step) >> 1) as i64);
}

impl<M> fmt::Debug for Trainer<M> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("step", &self.step)
            .field("parameters", &self.parameters())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
