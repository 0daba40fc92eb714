//! One level of the U-Net: residual blocks, each with or without attention after it.

use tch::{Tensor, nn};

use super::config::UnetConfig;
use super::plan::Stage;
use super::tokens::Attention;
use crate::conditioning::Tokens;
use crate::nn::resblock::ResBlock;

#[derive(Debug)]
pub(super) struct Level {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
}

impl Level {
    pub fn new(vs: &nn::Path, stage: &Stage, config: &UnetConfig) -> Self {
        let block = config.block();
        let resnets = stage.resnets.iter().enumerate().map(|(i, &(inputs, outputs))| {
            ResBlock::new(&(vs / "resnets" / i), inputs, outputs, &block)
        });
        let attentions = (0..stage.attentions)
            .map(|i| Attention::new(&(vs / "attentions" / i), stage.channels(), config));
        Self { resnets: resnets.collect(), attentions: attentions.collect() }
    }

    /// Number of residual blocks.
    pub fn len(&self) -> usize {
        self.resnets.len()
    }

    /// Residual block `i`, and the attention after it if there is one.
    pub fn block(
        &self,
        i: usize,
        h: &Tensor,
        emb: Option<&Tensor>,
        tokens: Option<&Tokens>,
        train: bool,
    ) -> Tensor {
        let h = self.resnets[i].forward(h, emb, train);
        match self.attentions.get(i) {
            Some(attention) => attention.forward(&h, tokens),
            None => h,
        }
    }
}
