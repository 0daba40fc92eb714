//! Linear layers with the initial values of the DDPM code.

use tch::nn::{self, Init};

/// How a layer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Uniform of variance 1 / mean(fan in, fan out): activations keep their size both ways.
    Scaled,
    /// All zeros: the layer adds nothing until training wants it to.
    Zero,
}

impl Start {
    /// Initial weights of a layer with `fan_in` inputs and `fan_out` outputs a unit.
    fn weights(self, fan_in: i64, fan_out: i64) -> Init {
        match self {
            Start::Scaled => {
                let bound = (6.0 / (fan_in + fan_out) as f64).sqrt();
                Init::Uniform { lo: -bound, up: bound }
            }
            Start::Zero => Init::Const(0.0),
        }
    }
}

pub(crate) fn linear(vs: nn::Path, inputs: i64, outputs: i64, start: Start) -> nn::Linear {
    let config = nn::LinearConfig {
        ws_init: start.weights(inputs, outputs),
        bs_init: Some(Init::Const(0.0)),
        bias: true,
    };
    nn::linear(vs, inputs, outputs, config)
}
