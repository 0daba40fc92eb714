//! Smaller and larger images: the mean of squares of pixels, and interpolation between pixels.

use serde::{Deserialize, Serialize};
use tch::Tensor;

// ANCHOR: resize
/// Each square of `factor` x `factor` pixels as one, their mean: `[B, C, H, W]` ->
/// `[B, C, H / factor, W / factor]`.
pub fn reduce(x: &Tensor, factor: i64) -> Tensor {
    x.avg_pool2d([factor; 2], [factor; 2], [0, 0], false, true, None)
}

/// How pixels between the known ones are found. Both read a pixel as the middle of a square, as
/// PyTorch does with `align_corners=False`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// From the 2 x 2 nearest, linearly: guided diffusion's and GLIDE's code.
    #[default]
    Bilinear,
    /// From the 4 x 4 nearest, by cubics (Keys 1981, a = -0.75): what the papers say (Saharia et
    /// al. 2021; Ho et al. 2021). Beside edges it goes beyond the range of the known pixels.
    Bicubic,
}

impl Interpolation {
    /// Each pixel as `factor` x `factor`: `[B, C, h, w]` -> `[B, C, factor h, factor w]`.
    pub fn enlarge(self, x: &Tensor, factor: i64) -> Tensor {
        let (_, _, h, w) = x.size4().expect("images are [B, C, H, W]");
        let size = [factor * h, factor * w];
        match self {
            Interpolation::Bilinear => x.upsample_bilinear2d(size, false, None, None),
            Interpolation::Bicubic => x.upsample_bicubic2d(size, false, None, None),
        }
    }
}
// ANCHOR_END: resize
