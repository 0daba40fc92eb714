//! Captions to draw by.

use super::generator::rows_in_turn;
use super::sampling::SamplingError;
use crate::checkpoint::first_digits;
use crate::data;
use crate::data::captions::Tokenizer;
use crate::nn::Captions;
use crate::pretrained::ImageConfig;
use sha2::{Digest, Sha256};
use tch::Tensor;

/// Captions for a network that reads them.
#[derive(Debug)]
pub struct Prompts {
    /// `[N, L]`, i64, as [`Captions`] hold them: image `i` is drawn to number `i` modulo their number.
    pub tokens: Tensor,
    /// What they are called in tables.
    pub name: String,
}

/// Cloning shares the tokens.
impl Clone for Prompts {
    fn clone(&self) -> Self {
        Self { tokens: self.tokens.shallow_clone(), name: self.name.clone() }
    }
}

impl Prompts {
    /// These captions, one after the other.
    ///
    /// # Errors
    /// A word that no caption has; a caption that is too long.
    pub fn new(captions: &[impl AsRef<str>]) -> data::Result<Self> {
        let tokens = Tokenizer::new().encode(captions)?;
        let name = match captions {
            [one] => format!("{:?}", one.as_ref()),
            several => {
                let lines: Vec<&str> = several.iter().map(AsRef::as_ref).collect();
                format!(
                    "{} captions ({})",
                    lines.len(),
                    first_digits(&Sha256::digest(lines.join("\n")), 12)
                )
            }
        };
        Ok(Self { tokens, name })
    }

    /// The empty caption: "anything".
    pub(super) fn empty() -> Self {
        Self { tokens: Tensor::from_slice(&[Captions::END]).unsqueeze(0), name: "no prompt".into() }
    }

    /// These, for a model that reads captions.
    pub(super) fn read_by(self, config: &ImageConfig) -> Result<Self, SamplingError> {
        if config.text.is_some() { Ok(self) } else { Err(SamplingError::NoText) }
    }

    /// The captions of the images `first..first + n`.
    pub(super) fn rows(&self, first: u64, n: u64) -> Captions {
        Captions::new(&self.tokens.index_select(0, &rows_in_turn(&self.tokens, first, n)))
    }
}
