//! Self-attention between the pixels of a feature map.

use tch::{Tensor, nn};

use super::cost::Cost;
use super::layers::{Start, group_norm, linear};

/// The attention block of DDPM's U-Net (Ho et al. 2020, appendix B: self-attention at 16 x 16),
/// with the scaled dot product of Vaswani et al. 2017, eq. 1: `softmax(Q K^T / sqrt(d)) V`.
///
/// The dot product runs in libtorch's fused kernel, which never stores the matrix of weights.
/// Without a position embedding it does not know where a pixel is: permuting the pixels permutes
/// the output. The convolutions around it know.
#[derive(Debug)]
pub struct SelfAttention {
    heads: i64,
    group_norm: nn::GroupNorm,
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
}

impl SelfAttention {
    /// `channels` must be a multiple of `heads` and of `groups`.
    pub fn new(vs: &nn::Path, channels: i64, heads: i64, groups: i64, eps: f64) -> Self {
        assert!(channels % heads == 0, "{channels} channels do not split into {heads} heads");
        let square = |path, start| linear(path, channels, channels, start);
        Self {
            heads,
            group_norm: group_norm(vs / "group_norm", groups, channels, eps),
            to_q: square(vs / "to_q", Start::Scaled),
            to_k: square(vs / "to_k", Start::Scaled),
            to_v: square(vs / "to_v", Start::Scaled),
            to_out: square(vs / "to_out" / 0, Start::Zero),
        }
    }

    /// # Shapes
    /// `x: [B, C, H, W]` -> the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (b, c, h, w) = x.size4().expect("attention takes images of shape [B, C, H, W]");
        let tokens = x.apply(&self.group_norm).permute([0, 2, 3, 1]).reshape([b, h * w, c]);
        let heads = |to: &nn::Linear| {
            let split = tokens.apply(to).view([b, h * w, self.heads, c / self.heads]);
            split.transpose(1, 2) // [B, heads, HW, d]
        };
        let (q, k, v) = (heads(&self.to_q), heads(&self.to_k), heads(&self.to_v));
        let no_mask = None::<Tensor>;
        let mixed =
            Tensor::scaled_dot_product_attention(&q, &k, &v, no_mask, 0.0, false, None, false);
        let mixed = mixed.transpose(1, 2).reshape([b, h, w, c]); // heads side by side again
        x + mixed.apply(&self.to_out).permute([0, 3, 1, 2])
    }

    pub(crate) fn add_cost(cost: &mut Cost, channels: i64, pixels: i64) {
        cost.norm(channels);
        (0..4).for_each(|_| cost.conv(channels, channels, 1, pixels));
        cost.attention(channels, pixels);
    }
}
