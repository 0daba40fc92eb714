//! The shape of a U-Net: which block has how many channels, worked out once.

use super::config::{Resampling, TimeConditioning, UnetConfig, UnetConfigError};
use super::tokens::Attention;
use crate::nn::cost::Cost;
use crate::nn::resblock::ResBlock;
use std::mem::replace;

/// One level, on the way down or up, or the middle.
#[derive(Debug)]
pub(super) struct Stage {
    /// Channels in and out of each residual block.
    pub resnets: Vec<(i64, i64)>,
    /// How many of the residual blocks, from the first, are followed by attention.
    pub attentions: usize,
    /// Whether the level ends by halving (down) or doubling (up) the side.
    pub resamples: bool,
    /// Side of the feature maps.
    pub side: i64,
}

impl Stage {
    /// Channels that the level ends with.
    pub fn channels(&self) -> i64 {
        self.resnets[self.resnets.len() - 1].1
    }

    fn add_cost(&self, cost: &mut Cost, config: &UnetConfig) {
        let pixels = self.side.pow(2);
        for &(inputs, outputs) in &self.resnets {
            ResBlock::add_cost(cost, inputs, outputs, pixels, &config.block());
        }
        for _ in 0..self.attentions {
            Attention::add_cost(cost, self.channels(), pixels, config);
        }
    }

    /// What halves or doubles the side.
    fn add_resampling(&self, cost: &mut Cost, side: i64, config: &UnetConfig) {
        let (channels, pixels) = (self.channels(), side.pow(2));
        match config.resampling {
            _ if !self.resamples => {}
            Resampling::Conv => cost.conv(channels, channels, 3, pixels),
            Resampling::ResBlock => {
                ResBlock::add_cost(cost, channels, channels, pixels, &config.block());
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Plan {
    /// Channels into the first convolution and out of the last.
    pub input: i64,
    pub output: i64,
    pub down: Vec<Stage>,
    pub mid: Stage,
    pub up: Vec<Stage>,
}

impl UnetConfig {
    /// Parameters and operations of the network this describes; of attention to tokens, what grows
    /// with their number is left out ([`Cost`](crate::nn::cost::Cost)).
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn cost(&self) -> Result<Cost, UnetConfigError> {
        self.check()?;
        Ok(Plan::new(self).cost(self))
    }
}

impl Plan {
    pub fn new(config: &UnetConfig) -> Self {
        let mut channels = config.channels[0];
        let mut side = config.image_size / config.space_to_depth;
        let mut skips = vec![channels];
        let mut down = Vec::new();
        for (level, &out) in config.channels.iter().enumerate() {
            let resnets = (0..config.layers).map(|_| (replace(&mut channels, out), out)).collect();
            let attentions = if config.attention.contains(&level) { config.layers } else { 0 };
            let resamples = level + 1 < config.channels.len();
            down.push(Stage { resnets, attentions: attentions as usize, resamples, side });
            skips.extend((0..config.layers + resamples as i64).map(|_| out));
            side /= if resamples { 2 } else { 1 };
        }
        let side = down[down.len() - 1].side;
        let mid =
            Stage { resnets: vec![(channels, channels); 2], attentions: 1, resamples: false, side };
        let up = down.iter().enumerate().rev().map(|(level, stage)| {
            let out = stage.channels();
            let mut joined =
                || (replace(&mut channels, out) + skips.pop().expect("one skip a block"), out);
            let resnets: Vec<_> = (0..=config.layers).map(|_| joined()).collect();
            let attentions = if stage.attentions > 0 { resnets.len() } else { 0 };
            Stage { resnets, attentions, resamples: level > 0, side: stage.side }
        });
        let up = up.collect();
        let area = config.space_to_depth.pow(2);
        let time_channel = (config.time == TimeConditioning::Channel) as i64;
        let input = config.in_channels * area + time_channel;
        Self { input, output: config.out_channels * area, down, mid, up }
    }

    /// Of the way down and the middle.
    pub fn encoder_cost(&self, config: &UnetConfig) -> Cost {
        let mut cost = Cost::default();
        let (first, width) = (config.channels[0], config.emb_dim());
        if config.time.takes_embedding() {
            cost.linear(first, width);
            cost.linear(width, width);
        }
        cost.conv(self.input, first, 3, self.down[0].side.pow(2));
        for stage in self.down.iter().chain([&self.mid]) {
            stage.add_cost(&mut cost, config);
            stage.add_resampling(&mut cost, stage.side / 2, config);
        }
        cost
    }

    pub fn cost(&self, config: &UnetConfig) -> Cost {
        let mut cost = self.encoder_cost(config);
        for stage in &self.up {
            stage.add_cost(&mut cost, config);
            stage.add_resampling(&mut cost, stage.side * 2, config);
        }
        let first = config.channels[0];
        cost.norm(first);
        cost.conv(first, self.output, 3, self.down[0].side.pow(2));
        cost
    }
}
