//! A model under its conditions, guided without a classifier, and what that costs.

use super::sampling::Sampling;
use crate::conditioning::Condition;
use crate::denoiser::{Denoised, Denoiser};
use crate::guide::{ClassifierFree, Guidance, OnePass};
use crate::nn::Conditions;
use crate::pretrained::ImageModel;
use crate::schedule::{Level, Schedule};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// The model under the conditions of `n` samples, guided away from their null conditions, or from
/// what `negate` puts into the place of these.
pub(super) fn guided(
    model: &ImageModel,
    toward: Conditions,
    guidance: Guidance,
    n: u64,
    negate: impl FnOnce(&mut Conditions),
) -> Box<dyn Denoiser> {
    if guidance.is_none() {
        return Box::new(model.given(toward));
    }
    let everywhere = Tensor::ones([n as i64], (Kind::Bool, Device::Cpu));
    let mut away = toward.null_where(&everywhere);
    negate(&mut away);
    let pair = OnePass::new(model.given(toward), model.given(away));
    Box::new(ClassifierFree::new(pair, guidance))
}

/// Evaluations of the network per image: one or two at each level that the sampler visits.
pub(super) fn evaluations(sampling: Sampling, guidance: Guidance, schedule: &Schedule) -> usize {
    if guidance.is_none() {
        return sampling.evaluations(schedule);
    }
    let visited = Visited::default();
    let one = Tensor::zeros([1, 1], (Kind::Float, Device::Cpu));
    let _ = sampling.run(&visited, schedule, one, &mut |x| x.zeros_like());
    visited.0.take().into_iter().map(|at| guidance.evaluations(at)).sum()
}

/// Remembers the levels at which a sampler evaluates.
#[derive(Debug, Default)]
struct Visited(RefCell<Vec<Level>>);

impl Denoiser for Visited {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.0.borrow_mut().push(at);
        Denoised::from_x0(x_t, at, x_t.zeros_like()).with_nu(Some(x_t.zeros_like()))
    }
}
