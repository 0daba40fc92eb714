//! From a feature map to one vector, by attention.

use tch::nn::{self, Init};
use tch::{Kind, Tensor};

use super::attention::attend;
use super::cost::Cost;
use super::layers::{Start, linear};

/// Attention pooling (Radford et al. 2021, CLIP, section 2.4), as the classifiers of Dhariwal &
/// Nichol 2021 use it: the mean of all pixels asks, the pixels and the mean itself answer.
///
/// Every place has a learned position embedding, so it reads feature maps of one size only.
#[derive(Debug)]
pub struct AttentionPool {
    heads: i64,
    /// `[1, 1 + side^2, C]`: the mean's comes first.
    positional_embedding: Tensor,
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
}

impl AttentionPool {
    /// For feature maps `[B, channels, side, side]`; `channels` must be a multiple of `heads`.
    pub fn new(vs: &nn::Path, side: i64, channels: i64, heads: i64, outputs: i64) -> Self {
        assert!(channels % heads == 0, "{channels} channels do not split into {heads} heads");
        let spread = Init::Randn { mean: 0.0, stdev: (channels as f64).powf(-0.5) };
        let square = |path| linear(path, channels, channels, Start::Scaled);
        Self {
            heads,
            positional_embedding: vs.var(
                "positional_embedding",
                &[1, 1 + side * side, channels],
                spread,
            ),
            to_q: square(vs / "to_q"),
            to_k: square(vs / "to_k"),
            to_v: square(vs / "to_v"),
            to_out: linear(vs / "to_out" / 0, channels, outputs, Start::Scaled),
        }
    }

    // ANCHOR: attention_pool
    /// # Shapes
    /// `x: [B, C, side, side]` -> `[B, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let pixels = x.flatten(2, -1).transpose(1, 2); // [B, side^2, C]
        let mean = pixels.mean_dim(1, true, None::<Kind>); // [B, 1, C]
        let all = Tensor::cat(&[&mean, &pixels], 1) + &self.positional_embedding;
        let (q, k, v) = (all.narrow(1, 0, 1), &all, &all);
        let (q, k, v) = (q.apply(&self.to_q), k.apply(&self.to_k), v.apply(&self.to_v));
        attend(&q, &k, &v, self.heads, None).squeeze_dim(1).apply(&self.to_out)
    }
    // ANCHOR_END: attention_pool

    pub(crate) fn add_cost(cost: &mut Cost, side: i64, channels: i64, outputs: i64) {
        let places = 1 + side * side;
        cost.params += places * channels;
        cost.linear(channels, channels); // one query
        (0..2).for_each(|_| cost.conv(channels, channels, 1, places));
        cost.flops += 4 * channels * places;
        cost.linear(channels, outputs);
    }
}
