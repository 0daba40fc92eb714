//! A network is a raw tensor program: it knows nothing of schedules, targets or sampling.
//!
//! What its output *means* (noise, clean image, velocity) belongs to [`crate::denoiser::Model`].

use tch::Tensor;

/// A raw tensor program `(x, t, condition) -> output`.
///
/// # Shapes
/// `x: [B, ...]`; `t: [B]` in training and `[1]` in sampling, when one level serves the whole
/// batch (the network broadcasts it, so the time embedding is computed once); output: `[B, ...]`
/// with the channels of `x`, or twice as many when the variance is learned too.
///
/// `train` switches dropout and nothing else.
pub trait Network: std::fmt::Debug {
    /// What the network is conditioned on; `()` for an unconditional one.
    type Cond;

    fn forward(&self, x: &Tensor, t: &Tensor, cond: &Self::Cond, train: bool) -> Tensor;
}

/// A condition that can be dropped sample by sample (Ho & Salimans 2021, Algorithm 1) and
/// concatenated, so that training dropout and sampling guidance cannot disagree on "nothing".
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

/// The three places where any condition enters a U-Net.
///
/// Class labels, text, CLIP vectors, low-resolution images and augmentation levels are all
/// encoders into this one struct; systems differ only in the encoder.
#[derive(Debug, Default)]
pub struct Inject {
    /// `[B, E]` (or `[1, E]`), added to the time embedding.
    pub emb: Option<Tensor>,
    /// `[B, L, D]` tokens for attention, with their mask `[B, L]` (true = live).
    pub tokens: Option<(Tensor, Tensor)>,
    /// `[B, C, H, W]`, concatenated to the input channels.
    pub planes: Option<Tensor>,
}
