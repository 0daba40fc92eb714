//! Linear layers, convolutions and norms with the initial values of the DDPM code.

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

/// A matrix: a linear layer without bias.
pub(crate) fn matrix(vs: nn::Path, inputs: i64, outputs: i64) -> nn::Linear {
    let ws_init = Start::Scaled.weights(inputs, outputs);
    let config = nn::LinearConfig { ws_init, bs_init: None, bias: false };
    nn::linear(vs, inputs, outputs, config)
}

/// A square kernel, padded so that an odd kernel at stride 1 keeps the size.
pub(crate) fn conv(
    vs: nn::Path,
    inputs: i64,
    outputs: i64,
    kernel: i64,
    start: Start,
) -> nn::Conv2D {
    let config = nn::ConvConfig { padding: kernel / 2, ..nn::ConvConfig::default() };
    conv_with(vs, inputs, outputs, kernel, start, config)
}

/// As [`conv`], with stride and padding of one's own.
pub(crate) fn conv_with(
    vs: nn::Path,
    inputs: i64,
    outputs: i64,
    kernel: i64,
    start: Start,
    config: nn::ConvConfig,
) -> nn::Conv2D {
    let area = kernel * kernel;
    let ws_init = start.weights(area * inputs, area * outputs);
    let config = nn::ConvConfig { ws_init, bs_init: Init::Const(0.0), ..config };
    nn::conv2d(vs, inputs, outputs, kernel, config)
}

pub(crate) fn layer_norm(vs: nn::Path, width: i64) -> nn::LayerNorm {
    nn::layer_norm(vs, vec![width], Default::default())
}

pub(crate) fn group_norm(vs: nn::Path, groups: i64, channels: i64, eps: f64) -> nn::GroupNorm {
    nn::group_norm(vs, groups, channels, nn::GroupNormConfig { eps, ..Default::default() })
}
