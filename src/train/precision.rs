use super::Flat;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::nn::{self, VarStore};
use tch::{Kind, Tensor};

/// In which numbers the loss and its gradient are computed. Weights, moments and averages are f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    F32,
    /// Eight bits of mantissa and the range of f32, so the loss needs no scaling. Matrix products and
    /// convolutions are several times faster on GPUs that have units for it; a CPU is slower with it.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        })
    }
}

/// A second module with the weights of the first, rounded to bf16: mixed-precision training with
/// master weights (Micikevicius et al. 2018, section 3.1).
///
/// libtorch's autocast would choose a kind for each operation, but tch cannot ask it for bf16.
pub(super) struct Rounded<M> {
    pub model: M,
    pub params: Flat,
}

impl<M> Rounded<M> {
    /// # Panics
    /// If `build` makes tensors that are not trained, such as running statistics, which nobody would
    /// carry over to the module in f32.
    pub fn new(device: tch::Device, build: impl Fn(&nn::Path) -> M) -> Self {
        let mut vs = VarStore::new(device);
        let model = build(&vs.root());
        vs.set_kind(Kind::BFloat16);
        let tensors: Vec<Tensor> = super::trained(&vs).map(|(_, tensor)| tensor).collect();
        assert_eq!(tensors.len(), vs.len(), "a module computed in bf16 has trained tensors only");
        Self { model, params: Flat::of(&tensors) }
    }

    /// Takes over the weights `params`, rounded.
    pub fn follow(&self, params: &Flat) {
        let _guard = tch::no_grad_guard();
        self.params.all.shallow_clone().copy_(&params.all);
    }
}
