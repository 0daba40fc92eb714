//! Halving and doubling the side of a feature map.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use super::layers::{Start, conv, conv_with};

/// Where the downsampling convolution finds the pixel it lacks at the edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// One row below and one column on the right: DDPM's TensorFlow code ("SAME" padding).
    #[default]
    RightBottom,
    /// One pixel on every side: OpenAI's code.
    Around,
}

/// Halves the side with a 3 x 3 convolution of stride 2.
#[derive(Debug)]
pub struct Downsample {
    padding: Padding,
    conv: nn::Conv2D,
}

impl Downsample {
    pub fn new(vs: &nn::Path, channels: i64, padding: Padding) -> Self {
        let pad = match padding {
            Padding::RightBottom => 0,
            Padding::Around => 1,
        };
        let config = nn::ConvConfig { stride: 2, padding: pad, ..Default::default() };
        Self { padding, conv: conv_with(vs / "conv", channels, channels, 3, Start::Scaled, config) }
    }

    /// # Shapes
    /// `x: [B, C, 2h, 2w]` -> `[B, C, h, w]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self.padding {
            Padding::RightBottom => x.constant_pad_nd([0, 1, 0, 1]).apply(&self.conv),
            Padding::Around => x.apply(&self.conv),
        }
    }
}

/// Doubles the side by repeating pixels, then smooths with a 3 x 3 convolution.
#[derive(Debug)]
pub struct Upsample {
    conv: nn::Conv2D,
}

impl Upsample {
    pub fn new(vs: &nn::Path, channels: i64) -> Self {
        Self { conv: conv(vs / "conv", channels, channels, 3, Start::Scaled) }
    }

    /// # Shapes
    /// `x: [B, C, h, w]` -> `[B, C, 2h, 2w]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        repeat_pixels(x).apply(&self.conv)
    }
}

/// Each pixel as 2 x 2: `[B, C, h, w]` -> `[B, C, 2h, 2w]`.
pub(super) fn repeat_pixels(x: &Tensor) -> Tensor {
    let (_, _, h, w) = x.size4().expect("upsampling takes images of shape [B, C, H, W]");
    x.upsample_nearest2d([2 * h, 2 * w], None, None)
}
