//! A network is a raw tensor program: it knows nothing of schedules, targets or sampling.
//!
//! What its output *means* (noise, clean image, velocity) belongs to [`crate::denoiser::Model`].

use crate::conditioning::Conditioning;
use tch::{Kind, Tensor};

/// A raw tensor program `(x, t, conditioning) -> output`.
///
/// What a network is conditioned on (class labels, captions, images) is encoded once, by
/// [`encode`](Self::encode), and serves every evaluation of a sampling run.
pub trait Network: std::fmt::Debug {
    /// What the network is conditioned on; `()` for an unconditional one.
    type Cond;

    /// Turns the condition into what enters the network. `train` switches dropout.
    fn encode(&self, cond: &Self::Cond, train: bool) -> Conditioning;

    /// # Shapes
    /// `x: [B, ...]`; `t: [B]` in training and `[1]` in sampling, when one level serves the whole
    /// batch (the network broadcasts it, so the time embedding is computed once); output:
    /// `[B, ...]` with the channels of `x`, or twice as many when the variance is learned too.
    ///
    /// `train` switches dropout and nothing else.
    fn forward(&self, x: &Tensor, t: &Tensor, conditioning: &Conditioning, train: bool) -> Tensor;

    /// The kind of its weights (f32, bf16, f16), to which `x` is cast; `None` if it computes in the
    /// kind of `x`. `t` always comes in f32: bf16 cannot tell t = 999 from t = 1000.
    fn kind(&self) -> Option<Kind> {
        None
    }
}
