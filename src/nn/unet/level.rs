//! One level of the U-Net: residual blocks, each with or without attention after it.

use tch::{Tensor, nn};

use super::config::UnetConfig;
use super::plan::Stage;
use crate::nn::attention::SelfAttention;
use crate::nn::resblock::ResBlock;

#[derive(Debug)]
pub(super) struct Level {
    resnets: Vec<ResBlock>,
    attentions: Vec<SelfAttention>,
}

impl Level {
    pub fn new(vs: &nn::Path, stage: &Stage, config: &UnetConfig) -> Self {
        let block = config.block();
        let resnets = stage.resnets.iter().enumerate().map(|(i, &(inputs, outputs))| {
            ResBlock::new(&(vs / "resnets" / i), inputs, outputs, &block)
        });
        let (heads, eps) = (config.heads(stage.channels()), config.dialect.norm_eps);
        let attentions = (0..stage.attentions).map(|i| {
            let vs = vs / "attentions" / i;
            SelfAttention::new(&vs, stage.channels(), heads, config.groups, eps)
        });
        Self { resnets: resnets.collect(), attentions: attentions.collect() }
    }

    /// Number of residual blocks.
    pub fn len(&self) -> usize {
        self.resnets.len()
    }

    /// Residual block `i`, and the attention after it if there is one.
    pub fn block(&self, i: usize, h: &Tensor, act: Option<&Tensor>, train: bool) -> Tensor {
        let h = self.resnets[i].forward(h, act, train);
        match self.attentions.get(i) {
            Some(attention) => attention.forward(&h),
            None => h,
        }
    }
}
