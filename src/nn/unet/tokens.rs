//! Where tokens enter the U-Net: in every attention layer, in one of two published forms.

use tch::{Kind, Tensor, nn};

use super::config::{TokenAttention, TokenForm, UnetConfig};
use crate::conditioning::{Conditioning, Tokens};
use crate::nn::attention::{SelfAttention, TokenSelfAttention};
use crate::nn::cost::Cost;
use crate::nn::transformer::SpatialTransformer;

/// What follows a residual block: attention between pixels, or to tokens as well.
#[derive(Debug)]
pub(super) enum Attention {
    Pixels(SelfAttention),
    Concatenated(TokenSelfAttention),
    Transformer(Box<SpatialTransformer>),
}

impl Attention {
    pub fn new(vs: &nn::Path, channels: i64, config: &UnetConfig) -> Self {
        let (heads, groups) = (config.heads(channels), config.groups);
        let eps = config.dialect.norm_eps;
        let Some(TokenAttention { form, dim }) = config.tokens else {
            return Self::Pixels(SelfAttention::new(vs, channels, heads, groups, eps));
        };
        match form {
            TokenForm::Concatenated => {
                Self::Concatenated(TokenSelfAttention::new(vs, channels, heads, groups, eps, dim))
            }
            TokenForm::CrossAttention => {
                let layer = SpatialTransformer::new(vs, channels, heads, groups, dim);
                Self::Transformer(Box::new(layer))
            }
        }
    }

    /// `x: [B, C, H, W]` -> the same; the tokens are there if the network was built for them.
    pub fn forward(&self, x: &Tensor, tokens: Option<&Tokens>) -> Tensor {
        let tokens = || tokens.expect("tokens() refuses a conditioning without them");
        match self {
            Self::Pixels(layer) => layer.forward(x),
            Self::Concatenated(layer) => layer.forward(x, tokens()),
            Self::Transformer(layer) => layer.forward(x, tokens()),
        }
    }

    pub fn add_cost(cost: &mut Cost, channels: i64, pixels: i64, config: &UnetConfig) {
        match config.tokens {
            None => SelfAttention::add_cost(cost, channels, pixels),
            Some(TokenAttention { form: TokenForm::Concatenated, dim }) => {
                TokenSelfAttention::add_cost(cost, channels, pixels, dim)
            }
            Some(TokenAttention { form: TokenForm::CrossAttention, dim }) => {
                SpatialTransformer::add_cost(cost, channels, pixels, dim)
            }
        }
    }
}

/// The tokens of the condition, in the kind of `x`, zero where they are not attended to:
/// a weight of zero would not silence a NaN.
///
/// # Panics
/// On tokens without a place, a place without tokens, and other shapes.
pub(super) fn tokens(
    config: &UnetConfig,
    x: &Tensor,
    conditioning: &Conditioning,
) -> Option<Tokens> {
    let (dim, tokens) = match (&config.tokens, &conditioning.tokens) {
        (None, None) => return None,
        (None, Some(_)) => {
            panic!("this U-Net has no cross-attention for Conditioning.tokens")
        }
        (Some(_), None) => {
            panic!("this U-Net attends to tokens, but there are no Conditioning.tokens")
        }
        (Some(attention), Some(tokens)) => (attention.dim, tokens),
    };
    let (batch, mask) = (x.size()[0], &tokens.mask);
    let (shape, seen, kind) = (tokens.embeddings.size(), mask.size(), mask.kind());
    let fits = matches!(shape[..], [b, l, d] if b == batch && l >= 1 && d == dim)
        && seen == shape[..2]
        && kind == Kind::Bool;
    assert!(
        fits,
        "Conditioning.tokens has embeddings {shape:?} and a mask {seen:?} in {kind:?}, this \
         U-Net takes [{batch}, L, {dim}] and [{batch}, L] in Bool"
    );
    let padding = mask.logical_not().unsqueeze(-1);
    let embeddings = tokens.embeddings.to_kind(x.kind()).masked_fill(&padding, 0.0);
    Some(Tokens { embeddings, mask: mask.shallow_clone() })
}
