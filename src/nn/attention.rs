//! Attention of the pixels of a feature map to one another, and to tokens beside them.

use tch::{Kind, Tensor, nn};

use super::cost::Cost;
use super::layers::{Start, group_norm, linear};
use crate::conditioning::Tokens;

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
        self.forward_beside(x, None)
    }

    /// As [`forward`](Self::forward), with more keys and values beside those of the pixels.
    fn forward_beside(&self, x: &Tensor, beside: Option<&KeysValues>) -> Tensor {
        let (b, c, h, w) = x.size4().expect("attention takes images of shape [B, C, H, W]");
        let pixels = x.apply(&self.group_norm).permute([0, 2, 3, 1]).reshape([b, h * w, c]);
        let (q, k, v) =
            (pixels.apply(&self.to_q), pixels.apply(&self.to_k), pixels.apply(&self.to_v));
        let (k, v, mask) = match beside {
            Some(more) => more.before(&k, &v),
            None => (k, v, None),
        };
        let mixed = attend(&q, &k, &v, self.heads, mask).view([b, h, w, c]);
        x + mixed.apply(&self.to_out).permute([0, 3, 1, 2])
    }

    pub(crate) fn add_cost(cost: &mut Cost, channels: i64, pixels: i64) {
        cost.norm(channels);
        (0..4).for_each(|_| cost.conv(channels, channels, 1, pixels));
        cost.attention(channels, pixels);
    }
}

/// Self-attention in which the pixels also attend to tokens, as in GLIDE.
///
/// Nichol et al. 2021 (GLIDE), section 4.1: the embeddings of the tokens are projected to the width
/// of each attention layer and concatenated to its context, so one softmax is shared out between
/// pixels and tokens. Tensors are called as in diffusers' `AttnAddedKVProcessor`.
#[derive(Debug)]
pub struct TokenSelfAttention {
    pixels: SelfAttention,
    add_k_proj: nn::Linear,
    add_v_proj: nn::Linear,
}

impl TokenSelfAttention {
    /// A new layer, as [`SelfAttention::new`]; `dim` is the width of a token.
    pub fn new(vs: &nn::Path, channels: i64, heads: i64, groups: i64, eps: f64, dim: i64) -> Self {
        let project = |path| linear(path, dim, channels, Start::Scaled);
        Self {
            pixels: SelfAttention::new(vs, channels, heads, groups, eps),
            add_k_proj: project(vs / "add_k_proj"),
            add_v_proj: project(vs / "add_v_proj"),
        }
    }

    /// # Shapes
    /// `x: [B, C, H, W]`, `tokens` of `[B, L, dim]` -> `[B, C, H, W]`.
    pub fn forward(&self, x: &Tensor, tokens: &Tokens) -> Tensor {
        let beside = KeysValues {
            k: tokens.embeddings.apply(&self.add_k_proj),
            v: tokens.embeddings.apply(&self.add_v_proj),
            mask: tokens.mask.shallow_clone(),
        };
        self.pixels.forward_beside(x, Some(&beside))
    }

    /// What does not grow with the number of tokens.
    pub(crate) fn add_cost(cost: &mut Cost, channels: i64, pixels: i64, dim: i64) {
        SelfAttention::add_cost(cost, channels, pixels);
        (0..2).for_each(|_| cost.conv(dim, channels, 1, 0));
    }
}

/// Keys and values `[B, L, C]`; the mask `[B, L]` is true where they are attended to.
#[derive(Debug)]
struct KeysValues {
    k: Tensor,
    v: Tensor,
    mask: Tensor,
}

impl KeysValues {
    /// These, then the keys and values of the pixels, all of which are attended to.
    fn before(&self, k: &Tensor, v: &Tensor) -> (Tensor, Tensor, Option<Tensor>) {
        let (b, pixels) = (k.size()[0], k.size()[1]);
        let seen = Tensor::ones([b, pixels], (Kind::Bool, k.device()));
        let mask = Tensor::cat(&[&self.mask, &seen], 1);
        (Tensor::cat(&[&self.k, k], 1), Tensor::cat(&[&self.v, v], 1), Some(mask))
    }
}

/// Vaswani et al. 2017, eq. 1 and section 3.2.2: `softmax(Q K^T / sqrt(d)) V` in each head, in
/// libtorch's fused kernel.
///
/// # Shapes
/// `q: [B, N, C]`, `k` and `v: [B, M, C]`, `mask: [B, M]` in bool, true where a key is attended to
/// -> `[B, N, C]`, the heads side by side.
pub(super) fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: i64,
    mask: Option<Tensor>,
) -> Tensor {
    let (b, n, c) = q.size3().expect("queries are [B, N, C]");
    let split = |x: &Tensor| x.view([b, -1, heads, c / heads]).transpose(1, 2); // [B, heads, M, d]
    let (q, k, v) = (split(q), split(k), split(v));
    let mask = mask.map(|mask| mask.unsqueeze(1).unsqueeze(1)); // [B, 1, 1, M]
    let mixed = Tensor::scaled_dot_product_attention(&q, &k, &v, mask, 0.0, false, None, false);
    mixed.transpose(1, 2).reshape([b, n, c]) // heads side by side again
}
