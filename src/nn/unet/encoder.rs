//! The half of the U-Net on the way down, with its middle: all of it that a classifier needs.

use tch::{Tensor, nn};

use super::config::UnetConfig;
use super::entry::{input, time_emb};
use super::level::{Level, Resample};
use super::plan::Plan;
use super::tokens::tokens;
use crate::conditioning::{Conditioning, Tokens};
use crate::nn::embedding::TimeEmbedding;
use crate::nn::layers::{Start, conv};
use crate::nn::resblock::Resize;

#[derive(Debug)]
pub(super) struct Encoder {
    pub config: UnetConfig,
    time_embedding: Option<TimeEmbedding>,
    pub conv_in: nn::Conv2D,
    down: Vec<(Level, Option<Resample>)>,
    mid: Level,
}

/// What the rest of a network works on.
pub(super) struct Encoded {
    /// Of the coarsest level, `[B, C, h, w]`.
    pub h: Tensor,
    /// What the way up takes over, the coarsest last.
    pub skips: Vec<Tensor>,
    /// `silu` of the time embedding; none if no block is conditioned on the time.
    pub emb: Option<Tensor>,
    pub tokens: Option<Tokens>,
}

impl Encoder {
    pub fn new(vs: &nn::Path, plan: &Plan, config: &UnetConfig) -> Self {
        let (first, dialect) = (config.channels[0], config.dialect);
        let time_embedding = || {
            let (vs, width) = (vs / "time_embedding", config.emb_dim());
            TimeEmbedding::new(vs, first, width, dialect.layout, Start::Scaled)
        };
        let down = plan.down.iter().enumerate().map(|(i, stage)| {
            let vs = vs / "down_blocks" / i;
            let name = &vs / "downsamplers" / 0;
            let downsample = || Resample::new(&name, Resize::Halve, stage.channels(), config);
            (Level::new(&vs, stage, config), stage.resamples.then(downsample))
        });
        Self {
            config: config.clone(),
            time_embedding: config.time.takes_embedding().then(time_embedding),
            conv_in: conv(vs / "conv_in", plan.input, first, 3, Start::Scaled),
            down: down.collect(),
            mid: Level::new(&(vs / "mid_block"), &plan.mid, config),
        }
    }

    // ANCHOR: encoder
    pub fn forward(
        &self,
        x: &Tensor,
        t: &Tensor,
        conditioning: &Conditioning,
        train: bool,
    ) -> Encoded {
        let config = &self.config;
        let emb = time_emb(self.time_embedding.as_ref(), config, t, conditioning);
        let tokens = tokens(config, x, conditioning);
        let block = |level: &Level, i: usize, h: &Tensor| {
            level.block(i, h, emb.as_ref(), tokens.as_ref(), train)
        };
        let mut h = input(config, x, t, conditioning).apply(&self.conv_in);
        let mut skips = vec![h.shallow_clone()];
        for (level, downsample) in &self.down {
            for i in 0..level.len() {
                h = block(level, i, &h);
                skips.push(h.shallow_clone());
            }
            if let Some(downsample) = downsample {
                h = downsample.forward(&h, emb.as_ref(), train); // half the side
                skips.push(h.shallow_clone());
            }
        }
        for i in 0..self.mid.len() {
            h = block(&self.mid, i, &h);
        }
        Encoded { h, skips, emb, tokens }
    }
    // ANCHOR_END: encoder
}
