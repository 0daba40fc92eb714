//! What a network is conditioned on, where it enters, and what "nothing" is.
//!
//! A condition is what a user names (a class label, a caption); an encoder turns it into a
//! [`Conditioning`], which enters a network in at most three places. Systems (class-conditional
//! DDPM, GLIDE, DALL-E 2, Imagen) differ only in their encoders.

use tch::{Kind, Tensor};

/// A condition that can be dropped sample by sample (Ho & Salimans 2021, Algorithm 1) and
/// concatenated, so that training with dropped conditions and classifier-free guidance cannot
/// disagree on "nothing".
pub trait Condition: Sized {
    /// The null condition where `mask` (`[B]`, bool) is true, `self` elsewhere.
    ///
    /// The caller draws the mask from (seed, step): no randomness hides here.
    fn null_where(&self, mask: &Tensor) -> Self;

    /// `self` followed by `other` along the batch.
    fn cat(&self, other: &Self) -> Self;
}

impl Condition for () {
    fn null_where(&self, _mask: &Tensor) -> Self {}
    fn cat(&self, _other: &Self) -> Self {}
}

impl<A: Condition, B: Condition> Condition for (A, B) {
    fn null_where(&self, mask: &Tensor) -> Self {
        (self.0.null_where(mask), self.1.null_where(mask))
    }

    fn cat(&self, other: &Self) -> Self {
        (self.0.cat(&other.0), self.1.cat(&other.1))
    }
}

/// An optional condition: both have it, or neither.
impl<A: Condition> Condition for Option<A> {
    fn null_where(&self, mask: &Tensor) -> Self {
        self.as_ref().map(|cond| cond.null_where(mask))
    }

    fn cat(&self, other: &Self) -> Self {
        both("a condition", self, other).map(|(a, b)| a.cat(b))
    }
}

/// An encoded condition: what enters a network, and where.
#[derive(Debug, Default)]
pub struct Conditioning {
    /// `[B, E]` (or `[1, E]` for all samples), added to the time embedding.
    pub emb: Option<Tensor>,
    /// A sequence per sample, for cross-attention.
    pub tokens: Option<Tokens>,
    /// `[B, C, H, W]`, concatenated to the input channels.
    pub planes: Option<Tensor>,
}

/// A sequence of embeddings per sample.
#[derive(Debug)]
pub struct Tokens {
    /// `[B, L, D]`.
    pub embeddings: Tensor,
    /// `[B, L]`, bool: true where a token is attended to. At least one per sample, since a softmax
    /// over nothing is NaN.
    pub mask: Tensor,
}

impl Conditioning {
    /// The conditioning of an unconditional sample: nothing enters the network.
    pub fn none() -> Self {
        Self::default()
    }

    /// Both: embeddings are added, sequences and planes are concatenated.
    pub fn and(self, other: Self) -> Self {
        let either =
            |a: Option<Tensor>, b: Option<Tensor>, join: fn(Tensor, Tensor) -> Tensor| match (a, b)
            {
                (Some(a), Some(b)) => Some(join(a, b)),
                (a, b) => a.or(b),
            };
        let tokens = match (self.tokens, other.tokens) {
            (Some(a), Some(b)) => Some(Tokens {
                embeddings: Tensor::cat(&[a.embeddings, b.embeddings], 1),
                mask: Tensor::cat(&[a.mask, b.mask], 1),
            }),
            (a, b) => a.or(b),
        };
        Self {
            emb: either(self.emb, other.emb, |a, b| a + b),
            tokens,
            planes: either(self.planes, other.planes, |a, b| Tensor::cat(&[a, b], 1)),
        }
    }
}

/// What an encoder returned can be dropped and concatenated, too. Its null is: an embedding and
/// planes of zeros, and one token of zeros.
impl Condition for Conditioning {
    fn null_where(&self, mask: &Tensor) -> Self {
        Self {
            emb: self.emb.as_ref().map(|emb| zero_where(emb, mask)),
            tokens: self.tokens.as_ref().map(|tokens| tokens.null_where(mask)),
            planes: self.planes.as_ref().map(|planes| zero_where(planes, mask)),
        }
    }

    fn cat(&self, other: &Self) -> Self {
        let rows = |(a, b): (&Tensor, &Tensor)| Tensor::cat(&[a, b], 0);
        Self {
            emb: both("an embedding (emb)", &self.emb, &other.emb).map(rows),
            tokens: both("a sequence (tokens)", &self.tokens, &other.tokens).map(|(a, b)| a.cat(b)),
            planes: both("an image (planes)", &self.planes, &other.planes).map(rows),
        }
    }
}

impl Condition for Tokens {
    /// A sequence of zeros of which the first alone is attended to.
    fn null_where(&self, mask: &Tensor) -> Self {
        let first = self.mask.zeros_like();
        let _ = first.narrow(1, 0, 1).fill_(1);
        let null = mask.to_device(first.device()).unsqueeze(1); // [B, 1]
        Self {
            embeddings: zero_where(&self.embeddings, mask),
            mask: first.where_self(&null, &self.mask),
        }
    }

    /// The shorter sequences are padded with tokens that are not attended to.
    fn cat(&self, other: &Self) -> Self {
        let length = |tokens: &Self| tokens.mask.size()[1];
        let longest = length(self).max(length(other));
        let padded = |x: &Tensor, tokens: &Self, trailing: usize| {
            let mut pad = vec![0; 2 * trailing];
            pad.extend([0, longest - length(tokens)]);
            x.constant_pad_nd(pad)
        };
        let embeddings = [self, other].map(|tokens| padded(&tokens.embeddings, tokens, 1));
        let masks = [self, other].map(|tokens| padded(&tokens.mask, tokens, 0));
        Self { embeddings: Tensor::cat(&embeddings, 0), mask: Tensor::cat(&masks, 0) }
    }
}

/// `x: [B or 1, ...]`, zero in the samples where `mask: [B]` is true.
fn zero_where(x: &Tensor, mask: &Tensor) -> Tensor {
    assert_eq!(mask.kind(), Kind::Bool, "a mask of conditions is bool");
    let (batch, samples) = (mask.numel() as i64, x.size()[0]);
    let fits = mask.dim() == 1 && (samples == batch || samples == 1);
    assert!(fits, "a mask of shape {:?} for a condition of shape {:?}", mask.size(), x.size());
    let mut shape = vec![1; x.dim()];
    shape[0] = batch;
    let mask = mask.to_device(x.device()).view(&shape[..]);
    x.zeros_like().where_self(&mask, x)
}

/// Both, or neither.
///
/// # Panics
/// When one alone is there: guidance would then compare two networks.
fn both<'a, T>(what: &str, a: &'a Option<T>, b: &'a Option<T>) -> Option<(&'a T, &'a T)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a, b)),
        (None, None) => None,
        (Some(_), None) => panic!("the first has {what}, the second has none"),
        (None, Some(_)) => panic!("the first has none, the second has {what}"),
    }
}
