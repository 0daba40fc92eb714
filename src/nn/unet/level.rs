//! One level of the U-Net: residual blocks, each with or without attention after it.

use tch::{Tensor, nn};

use super::config::{Resampling, UnetConfig};
use super::plan::Stage;
use super::tokens::Attention;
use crate::conditioning::Tokens;
use crate::nn::resample::{Downsample, Upsample};
use crate::nn::resblock::{ResBlock, Resize};
use std::f64::consts::FRAC_1_SQRT_2;

#[derive(Debug)]
pub(super) struct Level {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
    skip_rescale: bool,
}

impl Level {
    pub fn new(vs: &nn::Path, stage: &Stage, config: &UnetConfig) -> Self {
        let block = config.block();
        let resnets = stage.resnets.iter().enumerate().map(|(i, &(inputs, outputs))| {
            ResBlock::new(&(vs / "resnets" / i), inputs, outputs, &block)
        });
        let attentions = (0..stage.attentions)
            .map(|i| Attention::new(&(vs / "attentions" / i), stage.channels(), config));
        Self {
            resnets: resnets.collect(),
            attentions: attentions.collect(),
            skip_rescale: config.skip_rescale,
        }
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
        let rescale = |sum| rescaled_if(self.skip_rescale, sum);
        let h = rescale(self.resnets[i].forward(h, emb, train));
        match self.attentions.get(i) {
            Some(attention) => rescale(attention.forward(&h, tokens)),
            None => h,
        }
    }
}

/// What leads from one level to the next.
#[derive(Debug)]
pub(super) enum Resample {
    Down(Downsample),
    Up(Upsample),
    Block(Box<ResBlock>, bool),
}

impl Resample {
    /// `resize` says which way.
    pub fn new(vs: &nn::Path, resize: Resize, channels: i64, config: &UnetConfig) -> Self {
        match (config.resampling, resize) {
            (Resampling::Conv, Resize::Double) => Self::Up(Upsample::new(vs, channels)),
            (Resampling::Conv, _) => {
                Self::Down(Downsample::new(vs, channels, config.dialect.padding))
            }
            (Resampling::ResBlock, _) => {
                let block = ResBlock::resizing(vs, resize, channels, channels, &config.block());
                Self::Block(Box::new(block), config.skip_rescale)
            }
        }
    }

    /// # Shapes
    /// `h: [B, C, H, W]` -> `[B, C, H/2, W/2]` or `[B, C, 2H, 2W]`.
    pub fn forward(&self, h: &Tensor, emb: Option<&Tensor>, train: bool) -> Tensor {
        match self {
            Self::Down(conv) => conv.forward(h),
            Self::Up(conv) => conv.forward(h),
            Self::Block(block, skip_rescale) => {
                rescaled_if(*skip_rescale, block.forward(h, emb, train))
            }
        }
    }
}

/// The sum of a block and its shortcut, over the root of 2 if it is to be rescaled.
fn rescaled_if(skip_rescale: bool, sum: Tensor) -> Tensor {
    if skip_rescale { sum * FRAC_1_SQRT_2 } else { sum }
}
