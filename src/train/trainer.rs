use super::flat::concatenated;
use super::precision::Rounded;
use super::{Adam, Ema, Flat, Precision, TrainConfig, TrainError};
use crate::noise::mix;
use crate::util::device::{on_cpu, widest_float};
use std::fmt;
use tch::nn::{self, VarStore};
use tch::{Device, Kind, Tensor};

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
    /// Names of the trained parameters, sorted; `params`, `adam.m` and `adam.v` are in this order.
    pub names: Vec<String>,
    /// The trained parameters: the model's own tensors.
    pub params: Flat,
    /// What the loss remembers from step to step, by name: saved with the moments, and resumed. The
    /// loss holds the same tensors and changes them in place.
    pub memory: Vec<(String, Tensor)>,
    /// Every how many steps the loss is read from the device: 1 on a CPU, where it costs nothing, and
    /// 10 elsewhere, where the processor waits for the device each time. In between
    /// [`step`](Self::step) returns the loss that was read last; one that is not finite is found when
    /// the next is read.
    pub read_every: u64,
    /// What the loss is computed from where that is not `model`.
    rounded: Option<Rounded<M>>,
    unread: Unread,
    loss: f64,
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
        let (names, tensors): (Vec<_>, Vec<_>) = super::trained(&vs).unzip();
        let params = Flat::of(&tensors);
        let adam = Adam::new(&params);
        Self {
            model,
            ema,
            step: 0,
            config,
            vs,
            adam,
            names,
            params,
            memory: Vec::new(),
            read_every: if device == Device::Cpu { 1 } else { 10 },
            rounded: None,
            unread: Unread::new(device),
            loss: f64::NAN,
            grad_norm: 0.0,
        }
    }

    /// From now on computes the loss and its gradient in this precision; `build` is that of
    /// [`new`](Self::new).
    ///
    /// # Panics
    /// On bf16, if the module has tensors that are not trained.
    pub fn computing_in(mut self, precision: Precision, build: impl Fn(&nn::Path) -> M) -> Self {
        self.rounded = match precision {
            Precision::F32 => None,
            Precision::Bf16 => Some(Rounded::new(self.vs.device(), build)),
        };
        self
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
    /// everything as it was. With [`read_every`](Self::read_every) above 1 it may come some steps late,
    /// and does not know the tensor: everything is as it was before the step that it names.
    pub fn step(&mut self, mut loss: impl FnMut(&M, u64) -> Tensor) -> Result<f64, TrainError> {
        self.config.check()?;
        assert!(self.params.holds(), "the parameters of a Trainer cannot change kind or device");
        let step = self.step + 1;
        let (losses, mut grads) = self.gradients(step, &mut loss)?;
        if self.read_every > 1 && self.memory.is_empty() && grads.iter().all(Option::is_some) {
            return self.unread_step(step, &losses, &grads);
        }
        let (value, norm) = self.read(&losses, &grads, step)?;
        if let Some(clip) = self.config.clip.filter(|clip| norm > *clip) {
            for g in grads.iter_mut().flatten() {
                *g = &*g * (clip / norm);
            }
        }
        self.adam.step(&self.config, self.config.lr_at(step), step, &self.params, &grads);
        self.ema.update(&self.vs, self.step);
        (self.loss, self.grad_norm) = (value, norm);
        self.step = step;
        Ok(value)
    }

    /// The same without waiting for the device. After a step that is not finite nothing moves any
    /// more, until it is found.
    fn unread_step(
        &mut self,
        step: u64,
        losses: &[Tensor],
        grads: &[Option<Tensor>],
    ) -> Result<f64, TrainError> {
        let _guard = tch::no_grad_guard();
        let loss = Tensor::stack(losses, 0).mean(Kind::Float); // []
        let mut grads = concatenated(grads.iter().flatten()); // [n]
        let norm = grads.norm();
        self.unread.note(step, &loss, &norm);
        if let Some(clip) = self.config.clip {
            grads *= (clip / &norm).clamp_max(1.0);
        }
        let held = [&self.params, &self.adam.m, &self.adam.v, self.ema.flat()];
        let held = held.map(|flat| flat.all.detach());
        let before = held.each_ref().map(Tensor::copy);
        self.adam.step_flat(&self.config, self.config.lr_at(step), step, &self.params, &grads);
        self.ema.update(&self.vs, self.step);
        for (mut now, before) in held.into_iter().zip(before) {
            now.copy_(&now.where_self(&self.unread.sound, &before));
        }
        self.step = step;
        if step.is_multiple_of(self.read_every) {
            let (read, error) = self.settle(&[loss, norm]);
            if let Some(error) = error {
                self.step = self.unread.bad_step.double_value(&[]) as u64 - 1;
                self.unread = Unread::new(self.vs.device());
                return Err(error);
            }
            (self.loss, self.grad_norm) = (read[0], read[1]);
        }
        Ok(self.loss)
    }

    /// The first step that was not finite and has not been read, as an error, and the numbers of
    /// `beside`, in one copy from the device.
    fn settle(&self, beside: &[Tensor]) -> (Vec<f64>, Option<TrainError>) {
        let unread = [&self.unread.bad_step, &self.unread.bad_loss].map(Tensor::shallow_clone);
        let lists: &[&[Tensor]] = if beside.is_empty() { &[&unread] } else { &[&unread, beside] };
        let mut all = numbers(lists, self.vs.device());
        let beside = all.split_off(2);
        let (step, loss, every) = (all[0] as u64, all[1], self.read_every);
        let error = match (step, loss.is_finite()) {
            (0, _) => None,
            (_, true) => Some(TrainError::Gradients { step, loss, every }),
            (_, false) => Some(TrainError::Loss { step, loss }),
        };
        (beside, error)
    }

    /// The last step that the weights are of, and what went wrong after it and is not read yet.
    pub(crate) fn sound_step(&self) -> (u64, Option<TrainError>) {
        match self.settle(&[]).1 {
            Some(error) => (self.unread.bad_step.double_value(&[]) as u64 - 1, Some(error)),
            None => (self.step, None),
        }
    }

    /// The learning rate of the step just finished.
    pub fn lr(&self) -> f64 {
        self.config.lr_at(self.step)
    }

    /// The gradient norm of the step just finished, before clipping.
    pub fn grad_norm(&self) -> f64 {
        self.grad_norm
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.params.all.numel()
    }

    /// The losses of `config.accumulate` calls and the means of their gradients; `None` where
    /// frozen.
    fn gradients(
        &self,
        step: u64,
        loss: &mut dyn FnMut(&M, u64) -> Tensor,
    ) -> Result<(Vec<Tensor>, Vec<Option<Tensor>>), TrainError> {
        let calls = self.config.accumulate;
        let params = &self.params.parts;
        let (model, leaves) = match &self.rounded {
            None => (&self.model, params),
            Some(rounded) => {
                rounded.follow(&self.params);
                (&rounded.model, &rounded.params.parts)
            }
        };
        let live: Vec<usize> = (0..params.len()).filter(|&i| params[i].requires_grad()).collect();
        let inputs: Vec<&Tensor> = live.iter().map(|&i| &leaves[i]).collect();
        let mut grads: Vec<Option<Tensor>> = params.iter().map(|_| None).collect();
        let mut losses = Vec::new();
        for call in 0..calls {
            seed_torch(&self.config, call, step);
            let loss = loss(model, self.step * calls + call);
            let shape = loss.size();
            assert_eq!(
                loss.numel(),
                1,
                "the loss has shape {shape:?}, but must be one number, shape []: take its mean"
            );
            losses.push(loss.detach().reshape([]));
            if !loss.requires_grad() {
                mean_of_finite(&numbers(&[&losses], self.vs.device()), step)?;
                return Err(TrainError::Disconnected { step });
            }
            let scaled = if calls == 1 { loss } else { loss / calls as f64 };
            let found = Tensor::f_run_backward(&[scaled], &inputs, false, false)
                .map_err(|source| TrainError::Torch { step, source })?;
            for (&i, g) in live.iter().zip(found) {
                if g.defined() {
                    let g = g.to_kind(params[i].kind());
                    grads[i] = Some(grads[i].take().map_or_else(|| g.detach(), |sum| sum + &g));
                }
            }
        }
        if grads.iter().all(Option::is_none) {
            mean_of_finite(&numbers(&[&losses], self.vs.device()), step)?;
            return Err(TrainError::Disconnected { step });
        }
        // A parameter that this step did not use has gradient 0, in a resumed run as in a whole one.
        for i in live {
            grads[i].get_or_insert_with(|| params[i].detach().zeros_like());
        }
        Ok((losses, grads))
    }

    /// The mean loss and the norm of all gradients as one vector, in one copy from the device: a
    /// GPU waits for the CPU once per step. An error names what is not finite.
    fn read(
        &self,
        losses: &[Tensor],
        grads: &[Option<Tensor>],
        step: u64,
    ) -> Result<(f64, f64), TrainError> {
        let named = self.names.iter().zip(grads);
        let (names, norms): (Vec<&String>, Vec<Tensor>) =
            named.filter_map(|(name, g)| Some((name, g.as_ref()?.norm()))).unzip();
        let numbers = numbers(&[losses, &norms], self.vs.device());
        let (losses, norms) = numbers.split_at(losses.len());
        let loss = mean_of_finite(losses, step)?;
        match norms.iter().position(|norm| !norm.is_finite()) {
            Some(bad) => Err(TrainError::Gradient { step, name: names[bad].clone(), loss }),
            None => Ok((loss, norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt())),
        }
    }
}

/// What a device has found out since it was last read. All are scalars on it.
#[derive(Debug)]
struct Unread {
    /// Whether every step was finite so far.
    sound: Tensor,
    /// The first that was not; 0 if none.
    bad_step: Tensor,
    /// Its loss.
    bad_loss: Tensor,
}

impl Unread {
    fn new(device: Device) -> Self {
        let zero = || Tensor::zeros([], (Kind::Float, device));
        Self { sound: zero().eq(0.0), bad_step: zero(), bad_loss: zero() }
    }

    fn note(&mut self, step: u64, loss: &Tensor, norm: &Tensor) {
        let finite = loss.isfinite().logical_and(&norm.isfinite());
        let first = self.sound.logical_and(&finite.logical_not());
        self.bad_step = self.bad_step.masked_fill(&first, step as f64);
        self.bad_loss = loss.where_self(&first, &self.bad_loss);
        self.sound = self.sound.logical_and(&finite);
    }
}

/// Lists of scalars (shape `[]`) as numbers, in one copy from `device`.
fn numbers(lists: &[&[Tensor]], device: Device) -> Vec<f64> {
    let wide =
        |list: &&[Tensor]| Tensor::stack(list, 0).to_device(device).to_kind(widest_float(device));
    let all = Tensor::cat(&lists.iter().map(wide).collect::<Vec<_>>(), 0);
    Vec::<f64>::try_from(on_cpu(&all)).expect("a vector of doubles")
}

/// The mean of `losses`, or the first that is not finite as an error.
fn mean_of_finite(losses: &[f64], step: u64) -> Result<f64, TrainError> {
    match losses.iter().find(|loss| !loss.is_finite()) {
        Some(&loss) => Err(TrainError::Loss { step, loss }),
        None => Ok(losses.iter().sum::<f64>() / losses.len() as f64),
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
