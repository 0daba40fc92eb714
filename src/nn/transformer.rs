//! A transformer between the convolutions, in which pixels attend to one another and to tokens.

use tch::{Tensor, nn};

use super::attention::attend;
use super::cost::Cost;
use super::layers::{Start, conv, group_norm, layer_norm, linear, matrix};
use crate::conditioning::Tokens;

/// Added to the variance in the group norm of the published code, whatever the blocks around use.
const NORM_EPS: f64 = 1e-6;

/// The inner width of the feed-forward layer, in multiples of the channels (Vaswani et al. 2017,
/// section 3.3).
pub(super) const EXPANSION: i64 = 4;

/// Rombach et al. 2022 (latent diffusion), section 3.3: the pixels of a feature map attend to the
/// tokens, `softmax(Q K^T / sqrt(d)) V` with Q from the pixels and K, V from the tokens.
///
/// `x + proj_out(block(proj_in(norm(x))))`, in the order of the published code: self-attention,
/// attention to the tokens, feed-forward. The last projection starts at zero, so an untrained layer
/// adds nothing. Tensors are called as in diffusers' `Transformer2DModel`.
#[derive(Debug)]
pub struct SpatialTransformer {
    norm: nn::GroupNorm,
    proj_in: nn::Conv2D,
    block: Block,
    proj_out: nn::Conv2D,
}

impl SpatialTransformer {
    /// `channels` must be a multiple of `heads` and of `groups`; `dim` is the width of a token.
    pub fn new(vs: &nn::Path, channels: i64, heads: i64, groups: i64, dim: i64) -> Self {
        assert!(channels % heads == 0, "{channels} channels do not split into {heads} heads");
        Self {
            norm: group_norm(vs / "norm", groups, channels, NORM_EPS),
            proj_in: conv(vs / "proj_in", channels, channels, 1, Start::Scaled),
            block: Block::new(&(vs / "transformer_blocks" / 0), channels, heads, dim),
            proj_out: conv(vs / "proj_out", channels, channels, 1, Start::Zero),
        }
    }

    /// # Shapes
    /// `x: [B, C, H, W]`, `tokens` of `[B, L, dim]` -> `[B, C, H, W]`.
    pub fn forward(&self, x: &Tensor, tokens: &Tokens) -> Tensor {
        let (b, c, h, w) = x.size4().expect("a transformer takes images of shape [B, C, H, W]");
        let inner = x.apply(&self.norm).apply(&self.proj_in);
        let pixels = inner.permute([0, 2, 3, 1]).reshape([b, h * w, c]);
        let pixels = self.block.forward(pixels, tokens);
        x + pixels.view([b, h, w, c]).permute([0, 3, 1, 2]).apply(&self.proj_out)
    }

    /// What does not grow with the number of tokens.
    pub(crate) fn add_cost(cost: &mut Cost, channels: i64, pixels: i64, dim: i64) {
        let square = |cost: &mut Cost| cost.conv(channels, channels, 1, pixels);
        cost.norm(channels);
        square(cost); // proj_in
        (0..3).for_each(|_| cost.norm(channels));
        (0..3).for_each(|_| cost.matrix(channels, channels, pixels)); // attn1
        cost.attention(channels, pixels);
        square(cost);
        cost.matrix(channels, channels, pixels); // attn2
        (0..2).for_each(|_| cost.matrix(dim, channels, 0));
        square(cost);
        cost.conv(channels, 2 * EXPANSION * channels, 1, pixels); // ff
        cost.conv(EXPANSION * channels, channels, 1, pixels);
        square(cost); // proj_out
    }
}

/// A transformer block with the norms before the layers.
#[derive(Debug)]
struct Block {
    norm1: nn::LayerNorm,
    attn1: Attention,
    norm2: nn::LayerNorm,
    attn2: Attention,
    norm3: nn::LayerNorm,
    ff: FeedForward,
}

impl Block {
    fn new(vs: &nn::Path, channels: i64, heads: i64, dim: i64) -> Self {
        let norm = |path| layer_norm(path, channels);
        Self {
            norm1: norm(vs / "norm1"),
            attn1: Attention::new(&(vs / "attn1"), channels, heads, channels),
            norm2: norm(vs / "norm2"),
            attn2: Attention::new(&(vs / "attn2"), channels, heads, dim),
            norm3: norm(vs / "norm3"),
            ff: FeedForward::new(&(vs / "ff" / "net"), channels),
        }
    }

    /// `x: [B, HW, C]` -> the same.
    fn forward(&self, x: Tensor, tokens: &Tokens) -> Tensor {
        let h = x.apply(&self.norm1);
        let x = x + self.attn1.forward(&h, &h, None);
        let h = x.apply(&self.norm2);
        let x = x + self.attn2.forward(&h, &tokens.embeddings, Some(&tokens.mask));
        let h = x.apply(&self.norm3);
        x + self.ff.forward(&h)
    }
}

/// Attention without biases on queries, keys and values.
#[derive(Debug)]
struct Attention {
    heads: i64,
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
}

impl Attention {
    /// `dim` is the width of what is attended to.
    fn new(vs: &nn::Path, channels: i64, heads: i64, dim: i64) -> Self {
        Self {
            heads,
            to_q: matrix(vs / "to_q", channels, channels),
            to_k: matrix(vs / "to_k", dim, channels),
            to_v: matrix(vs / "to_v", dim, channels),
            to_out: linear(vs / "to_out" / 0, channels, channels, Start::Scaled),
        }
    }

    /// `x: [B, N, C]`, `to: [B, M, dim]`, `mask: [B, M]`, true where `to` is attended to.
    fn forward(&self, x: &Tensor, to: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (q, k, v) = (x.apply(&self.to_q), to.apply(&self.to_k), to.apply(&self.to_v));
        let mask = mask.map(Tensor::shallow_clone);
        attend(&q, &k, &v, self.heads, mask).apply(&self.to_out)
    }
}

/// Shazeer 2020, section 2: `FFN_GEGLU(x) = (GELU(x W) * x V) W_2`, with biases as in the code of
/// latent diffusion; `proj` makes `x V` and `x W`, in this order.
#[derive(Debug)]
struct FeedForward {
    proj: nn::Linear,
    out: nn::Linear,
}

impl FeedForward {
    fn new(vs: &nn::Path, channels: i64) -> Self {
        let inner = EXPANSION * channels;
        Self {
            proj: linear(vs / 0 / "proj", channels, 2 * inner, Start::Scaled),
            out: linear(vs / 2, inner, channels, Start::Scaled), // 1 is dropout in diffusers
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let both = x.apply(&self.proj).chunk(2, -1);
        (&both[0] * both[1].gelu("none")).apply(&self.out)
    }
}
