//! Captions to draw by.

use super::generator::rows_in_turn;
use crate::nn::Captions;
use tch::Tensor;

/// Captions for a network that reads them.
#[derive(Debug)]
pub struct Prompts {
    /// `[N, L]`, i64, as [`Captions`] hold them: image `i` is drawn to number `i` modulo their number.
    pub tokens: Tensor,
    /// What they are called in tables.
    pub name: String,
}

impl Prompts {
    /// The empty caption: "anything".
    pub(super) fn empty() -> Self {
        Self { tokens: Tensor::from_slice(&[Captions::END]).unsqueeze(0), name: "no prompt".into() }
    }

    /// The captions of the images `first..first + n`.
    pub(super) fn rows(&self, first: u64, n: u64) -> Captions {
        Captions::new(&self.tokens.index_select(0, &rows_in_turn(&self.tokens, first, n)))
    }
}
