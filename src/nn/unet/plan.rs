//! The shape of a U-Net: which block has how many channels, worked out once.

use super::config::{TimeInput, UnetConfig};
use crate::nn::attention::SelfAttention;
use crate::nn::cost::Cost;
use crate::nn::resblock::{Modulation, ResBlock};

/// One level, on the way down or up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stage {
    /// Channels in and out of each residual block.
    pub resnets: Vec<(i64, i64)>,
    /// Whether attention follows each residual block.
    pub attends: bool,
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
}

#[derive(Debug)]
pub(super) struct Plan {
    /// Channels into and out of the network's body, after folding pixels into channels.
    pub input: i64,
    pub output: i64,
    pub down: Vec<Stage>,
    pub middle: i64,
    pub up: Vec<Stage>,
}

impl Plan {
    pub fn new(config: &UnetConfig) -> Self {
        let area = config.space_to_depth.pow(2);
        let time_channel = (config.time == TimeInput::Channel) as i64;
        let last = config.channels.len() - 1;
        let mut side = config.image_size / config.space_to_depth;
        let mut c = config.channels[0];
        let mut skips = vec![c];
        let mut down = Vec::new();
        for (level, &out) in config.channels.iter().enumerate() {
            let resnets = (0..config.layers).map(|_| (std::mem::replace(&mut c, out), out));
            let resnets: Vec<_> = resnets.collect();
            let resamples = level < last;
            skips.extend((0..config.layers + resamples as i64).map(|_| out));
            let attends = config.attention.contains(&level);
            down.push(Stage { resnets, attends, resamples, side });
            side /= if resamples { 2 } else { 1 };
        }
        let mut up = Vec::new();
        for (level, &out) in config.channels.iter().enumerate().rev() {
            let joined = (0..=config.layers).map(|_| {
                let skip = skips.pop().expect("one skip a block");
                (std::mem::replace(&mut c, out) + skip, out)
            });
            let resnets = joined.collect();
            let (attends, side) = (down[level].attends, down[level].side);
            up.push(Stage { resnets, attends, resamples: level > 0, side });
        }
        let middle = config.channels[last];
        let input = config.in_channels * area + time_channel;
        Self { input, output: config.out_channels * area, down, middle, up }
    }

    pub fn cost(&self, config: &UnetConfig) -> Cost {
        let mut cost = Cost::default();
        let block = config.block();
        let first = config.channels[0];
        if block.modulation != Modulation::None {
            cost.linear(first, block.emb_dim);
            cost.linear(block.emb_dim, block.emb_dim);
        }
        let pixels = self.down[0].side.pow(2);
        cost.conv(self.input, first, 3, pixels);
        let blocks = |cost: &mut Cost, stage: &Stage| {
            let pixels = stage.side.pow(2);
            for &(inputs, outputs) in &stage.resnets {
                ResBlock::add_cost(cost, inputs, outputs, pixels, &block);
                if stage.attends {
                    SelfAttention::add_cost(cost, outputs, pixels);
                }
            }
        };
        for stage in &self.down {
            blocks(&mut cost, stage);
            if stage.resamples {
                cost.conv(stage.channels(), stage.channels(), 3, (stage.side / 2).pow(2));
            }
        }
        let side = self.down[self.down.len() - 1].side;
        let middle = Stage {
            resnets: vec![(self.middle, self.middle); 2],
            attends: false,
            resamples: false,
            side,
        };
        blocks(&mut cost, &middle);
        SelfAttention::add_cost(&mut cost, self.middle, side.pow(2));
        for stage in &self.up {
            blocks(&mut cost, stage);
            if stage.resamples {
                cost.conv(stage.channels(), stage.channels(), 3, (stage.side * 2).pow(2));
            }
        }
        cost.norm(first);
        cost.conv(first, self.output, 3, pixels);
        cost
    }
}
