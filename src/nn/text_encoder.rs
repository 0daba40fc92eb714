//! Captions as a condition: a transformer reads them, and they enter a network in two places.

use super::attention::attend;
use super::conditioned::Encode;
use super::layers::{Start, layer_norm, linear};
use super::transformer::EXPANSION;
use crate::conditioning::{Condition, Conditioning, Tokens};
use serde::{Deserialize, Serialize};
use tch::nn::{self, Init};
use tch::{Kind, Tensor};

/// One caption per sample, as the numbers of its tokens; the empty caption stands for "anything".
#[derive(Debug)]
pub struct Captions {
    /// `[B, L]`, i64: the words, [`Captions::END`], and [`Captions::PAD`] up to the length.
    tokens: Tensor,
}

impl Captions {
    /// Fills what follows the end; nothing ever sees it.
    pub const PAD: i64 = 0;
    /// Ends every caption; the empty one is nothing else.
    pub const END: i64 = 1;

    /// `tokens: [B, L]`, i64, every row with one [`Captions::END`] and nothing but
    /// [`Captions::PAD`] after it.
    ///
    /// # Panics
    /// On another shape or kind.
    pub fn new(tokens: &Tensor) -> Self {
        let (shape, kind) = (tokens.size(), tokens.kind());
        let fits = shape.len() == 2 && shape[1] > 0 && kind == Kind::Int64;
        assert!(fits, "captions are [B, L] in Int64, not {shape:?} in {kind:?}");
        Self { tokens: tokens.shallow_clone() }
    }

    /// `[B, L]`, i64.
    pub fn tokens(&self) -> &Tensor {
        &self.tokens
    }

    /// The captions `first..first + n`.
    pub fn narrow(&self, first: i64, n: i64) -> Self {
        Self { tokens: self.tokens.narrow(0, first, n) }
    }
}

impl Condition for Captions {
    /// The empty caption (GLIDE, section 4.2).
    fn null_where(&self, mask: &Tensor) -> Self {
        let empty = self.tokens.full_like(Self::PAD);
        let _ = empty.narrow(1, 0, 1).fill_(Self::END);
        let mask = mask.to_device(empty.device()).unsqueeze(1); // [B, 1]
        Self { tokens: empty.where_self(&mask, &self.tokens) }
    }

    /// The shorter captions are padded.
    fn cat(&self, other: &Self) -> Self {
        let length = |captions: &Self| captions.tokens.size()[1];
        let longest = length(self).max(length(other));
        let padded = |captions: &Self| {
            captions.tokens.constant_pad_nd([0, longest - length(captions)]) // PAD is 0
        };
        Self { tokens: Tensor::cat(&[padded(self), padded(other)], 0) }
    }
}

/// What a [`TextTransformer`] is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig {
    /// How many tokens there are, [`Captions::PAD`] and [`Captions::END`] among them.
    pub vocabulary: i64,
    /// Tokens of the longest caption, its end included.
    pub length: i64,
    /// Width of a token's embedding.
    pub width: i64,
    pub layers: i64,
    pub heads: i64,
}

impl TextConfig {
    /// Refuses what no transformer can be, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        for (field, value, least) in [
            ("vocabulary", self.vocabulary, 2),
            ("length", self.length, 1),
            ("width", self.width, 1),
            ("layers", self.layers, 1),
            ("heads", self.heads, 1),
        ] {
            if value < least {
                return Err(format!("{field} is {value}: it is at least {least}"));
            }
        }
        match self.width % self.heads {
            0 => Ok(()),
            _ => Err(format!("width {} does not split into {} heads", self.width, self.heads)),
        }
    }
}

/// What a caption becomes.
#[derive(Debug)]
pub struct EncodedText {
    /// One embedding per token, and which of them are tokens of the caption.
    pub tokens: Tokens,
    /// `[B, width]`: the embedding of the last token, [`Captions::END`].
    pub pooled: Tensor,
}

/// A transformer (Vaswani et al. 2017) over the tokens of a caption, with learned position
/// embeddings and the norms before the layers, as in GLIDE and CLIP.
///
/// Padding is masked in every layer, so how far a caption is padded changes nothing. (GLIDE's code
/// lets a learned embedding of padding be attended to instead.)
#[derive(Debug)]
pub struct TextTransformer {
    config: TextConfig,
    token_embedding: nn::Embedding,
    /// `[length, width]`.
    positional_embedding: Tensor,
    layers: Vec<Layer>,
    final_layer_norm: nn::LayerNorm,
}

impl TextTransformer {
    /// # Panics
    /// If [`TextConfig::check`] refuses the configuration; ask it first about one from a file.
    pub fn new(vs: &nn::Path, config: &TextConfig) -> Self {
        config.check().unwrap_or_else(|why| panic!("{why}"));
        let width = config.width;
        let spread = |stdev| Init::Randn { mean: 0.0, stdev };
        // Radford et al. 2019's spread, as CLIP starts it.
        let words = nn::EmbeddingConfig { ws_init: spread(0.02), ..Default::default() };
        let places = &[config.length, width];
        Self {
            config: config.clone(),
            token_embedding: nn::embedding(vs / "token_embedding", config.vocabulary, width, words),
            positional_embedding: vs.var("positional_embedding", places, spread(0.01)),
            layers: (0..config.layers)
                .map(|i| Layer::new(&(vs / "layers" / i), width, config.heads))
                .collect(),
            final_layer_norm: layer_norm(vs / "final_layer_norm", width),
        }
    }

    // ANCHOR: text_transformer
    /// # Panics
    /// On tokens that are not in the vocabulary, and on captions that are too long.
    pub fn forward(&self, captions: &Captions) -> EncodedText {
        let tokens = self.checked(captions);
        let length = tokens.size()[1];
        let mask = tokens.ne(Captions::PAD); // [B, L]
        let positions = self.positional_embedding.narrow(0, 0, length);
        let mut x = tokens.apply(&self.token_embedding) + positions; // [B, L, width]
        for layer in &self.layers {
            x = layer.forward(x, &mask);
        }
        let embeddings = x.apply(&self.final_layer_norm);
        let end = tokens.eq(Captions::END).unsqueeze(-1).to_kind(embeddings.kind()); // [B, L, 1]
        let pooled = (&embeddings * end).sum_dim_intlist(1, false, None::<Kind>);
        EncodedText { tokens: Tokens { embeddings, mask }, pooled }
    }
    // ANCHOR_END: text_transformer

    /// The tokens, on the device of the weights, cut to the longest caption.
    fn checked(&self, captions: &Captions) -> Tensor {
        let tokens = &captions.tokens;
        let TextConfig { vocabulary, length, .. } = self.config;
        let (low, high) = (tokens.min().int64_value(&[]), tokens.max().int64_value(&[]));
        assert!(
            low >= 0 && high < vocabulary,
            "tokens {low}..={high} for a vocabulary of {vocabulary}"
        );
        let ends = tokens.eq(Captions::END).sum_dim_intlist(1, false, Kind::Int64);
        assert!(ends.eq(1).all().int64_value(&[]) == 1, "every caption has one end");
        let live = tokens.ne(Captions::PAD).sum_dim_intlist(1, false, Kind::Int64);
        let longest = live.max().int64_value(&[]);
        assert!(longest <= length, "a caption of {longest} tokens, of at most {length}");
        tokens.narrow(1, 0, longest).to_device(self.positional_embedding.device())
    }
}

/// `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
#[derive(Debug)]
struct Layer {
    heads: i64,
    norm_1: nn::LayerNorm,
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
    norm_2: nn::LayerNorm,
    linear_1: nn::Linear,
    linear_2: nn::Linear,
}

impl Layer {
    fn new(vs: &nn::Path, width: i64, heads: i64) -> Self {
        let dense = |name: &str, inputs, outputs| linear(vs / name, inputs, outputs, Start::Scaled);
        Self {
            heads,
            norm_1: layer_norm(vs / "norm_1", width),
            to_q: dense("to_q", width, width),
            to_k: dense("to_k", width, width),
            to_v: dense("to_v", width, width),
            to_out: dense("to_out", width, width),
            norm_2: layer_norm(vs / "norm_2", width),
            linear_1: dense("linear_1", width, EXPANSION * width),
            linear_2: dense("linear_2", EXPANSION * width, width),
        }
    }

    /// `x: [B, L, width]`, `mask: [B, L]`, true at the tokens of the caption.
    fn forward(&self, x: Tensor, mask: &Tensor) -> Tensor {
        let h = x.apply(&self.norm_1);
        let (q, k, v) = (h.apply(&self.to_q), h.apply(&self.to_k), h.apply(&self.to_v));
        let mixed = attend(&q, &k, &v, self.heads, Some(mask.shallow_clone()));
        let x = x + mixed.apply(&self.to_out);
        let h = x.apply(&self.norm_2).apply(&self.linear_1).gelu("none");
        x + h.apply(&self.linear_2)
    }
}

/// Nichol et al. 2021 (GLIDE), section 4.1: the last token's embedding takes the place of the class
/// embedding, beside the time's; all tokens are attended to by every attention layer of the network.
#[derive(Debug)]
pub struct TextEncoder {
    transformer: TextTransformer,
    text_projection: nn::Linear,
}

impl TextEncoder {
    /// `emb_dim` is the width of the network's time embedding. The projection to it starts at zero,
    /// so an untrained encoder leaves the time embedding as it is.
    pub fn new(vs: &nn::Path, config: &TextConfig, emb_dim: i64) -> Self {
        Self {
            transformer: TextTransformer::new(vs, config),
            text_projection: linear(vs / "text_projection", config.width, emb_dim, Start::Zero),
        }
    }
}

impl Encode for TextEncoder {
    type Cond = Captions;

    // ANCHOR: text_encoder
    fn encode(&self, cond: &Captions, _train: bool) -> Conditioning {
        let EncodedText { tokens, pooled } = self.transformer.forward(cond);
        let emb = Some(pooled.apply(&self.text_projection)); // [B, emb_dim]
        Conditioning { emb, tokens: Some(tokens), ..Conditioning::none() }
    }
    // ANCHOR_END: text_encoder
}
