//! The U-Net: from a 0.3 M network for digits to DDPM's 35.7 M for CIFAR-10, by configuration.
//!
//! Its parts and their names are those of diffusers' `UNet2DModel`, so published weights load
//! without renaming.

mod config;
mod plan;

pub use config::{Dialect, TimeInput, UnetConfig, UnetConfigError};

use tch::{Tensor, nn};

use super::attention::SelfAttention;
use super::embedding::sinusoidal;
use super::layers::{Start, conv, group_norm, linear};
use super::resample::{Downsample, Upsample};
use super::resblock::{Modulation, ResBlock};
use crate::network::{Inject, Network};
use plan::{Plan, Stage};

/// The two linear layers between the sinusoids and the blocks.
#[derive(Debug)]
struct TimeEmbedding {
    waves: i64,
    linear_1: nn::Linear,
    linear_2: nn::Linear,
}

impl TimeEmbedding {
    fn new(vs: nn::Path, waves: i64, width: i64) -> Self {
        Self {
            waves,
            linear_1: linear(&vs / "linear_1", waves, width, Start::Scaled),
            linear_2: linear(&vs / "linear_2", width, width, Start::Scaled),
        }
    }
}

/// The residual blocks of one level, each with or without attention after it.
#[derive(Debug)]
struct Level {
    resnets: Vec<ResBlock>,
    attentions: Vec<SelfAttention>,
}

impl Level {
    fn new(vs: &nn::Path, stage: &Stage, config: &UnetConfig) -> Self {
        let resnets = stage.resnets.iter().enumerate().map(|(i, &(inputs, outputs))| {
            ResBlock::new(&(vs / "resnets" / i), inputs, outputs, &config.block())
        });
        let attentions = if stage.attends { stage.resnets.len() } else { 0 };
        let attentions =
            (0..attentions).map(|i| attention(&(vs / "attentions" / i), stage.channels(), config));
        Self { resnets: resnets.collect(), attentions: attentions.collect() }
    }

    fn block(&self, i: usize, h: &Tensor, act: Option<&Tensor>, train: bool) -> Tensor {
        let h = self.resnets[i].forward(h, act, train);
        self.attentions.get(i).map_or_else(|| h.shallow_clone(), |attention| attention.forward(&h))
    }
}

fn attention(vs: &nn::Path, channels: i64, config: &UnetConfig) -> SelfAttention {
    let eps = config.dialect.norm_eps;
    SelfAttention::new(vs, channels, config.heads(channels), config.groups, eps)
}

/// Ho et al. 2020 (DDPM), appendix B: a U-Net (Ronneberger et al. 2015) of residual blocks, told
/// the time in every block, attending at the coarse levels.
///
/// The last convolution starts at zero, so an untrained network predicts 0.
#[derive(Debug)]
pub struct Unet {
    config: UnetConfig,
    time_embedding: Option<TimeEmbedding>,
    conv_in: nn::Conv2D,
    down: Vec<(Level, Option<Downsample>)>,
    mid: Level,
    up: Vec<(Level, Option<Upsample>)>,
    conv_norm_out: nn::GroupNorm,
    conv_out: nn::Conv2D,
}

impl Unet {
    /// # Panics
    /// If [`UnetConfig::check`] refuses the configuration; ask it first about one from a file.
    pub fn new(vs: &nn::Path, config: &UnetConfig) -> Self {
        config.check().unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan::new(config);
        let first = config.channels[0];
        let told = config.block().modulation != Modulation::None;
        let down = plan.down.iter().enumerate().map(|(i, stage)| {
            let vs = vs / "down_blocks" / i;
            let shrink = || {
                Downsample::new(
                    &(&vs / "downsamplers" / 0),
                    stage.channels(),
                    config.dialect.padding,
                )
            };
            (Level::new(&vs, stage, config), stage.resamples.then(shrink))
        });
        let up = plan.up.iter().enumerate().map(|(i, stage)| {
            let vs = vs / "up_blocks" / i;
            let grow = || Upsample::new(&(&vs / "upsamplers" / 0), stage.channels());
            (Level::new(&vs, stage, config), stage.resamples.then(grow))
        });
        Self {
            config: config.clone(),
            time_embedding: told
                .then(|| TimeEmbedding::new(vs / "time_embedding", first, config.emb_dim())),
            conv_in: conv(vs / "conv_in", plan.input, first, 3, Start::Scaled),
            down: down.collect(),
            mid: middle(&(vs / "mid_block"), plan.middle, config),
            up: up.collect(),
            conv_norm_out: group_norm(
                vs / "conv_norm_out",
                config.groups,
                first,
                config.dialect.norm_eps,
            ),
            conv_out: conv(vs / "conv_out", first, plan.output, 3, Start::Zero),
        }
    }

    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The time embedding plus the condition's, through the `silu` that every block starts with.
    fn act(&self, x: &Tensor, t: &Tensor, inject: &Inject) -> Option<Tensor> {
        let Some(layers) = &self.time_embedding else {
            assert!(
                inject.emb.is_none(),
                "a U-Net with time {:?} has no place for Inject.emb",
                self.config.time
            );
            return None;
        };
        let waves = sinusoidal(t, layers.waves, self.config.dialect.layout).to_kind(x.kind());
        let emb = waves.apply(&layers.linear_1).silu().apply(&layers.linear_2); // [B or 1, E]
        let emb = match &inject.emb {
            Some(more) => {
                assert!(
                    more.dim() == 2 && more.size()[1] == self.config.emb_dim(),
                    "Inject.emb has shape {:?}, this U-Net adds it to [B, {}]",
                    more.size(),
                    self.config.emb_dim()
                );
                emb + more
            }
            None => emb,
        };
        Some(emb.silu())
    }

    /// The image, the planes of the condition and the time channel, folded: `[B, C', H', W']`.
    fn input(&self, x: &Tensor, t: &Tensor, inject: &Inject) -> Tensor {
        let x = match &inject.planes {
            Some(planes) => Tensor::cat(&[x, planes], 1), // [B, C + planes, H, W]
            None => x.shallow_clone(),
        };
        let (c, stride) = (self.config.in_channels, self.config.stride());
        let (b, channels, height, width) =
            x.size4().expect("a U-Net takes images of shape [B, C, H, W]");
        assert!(
            channels == c && height % stride == 0 && width % stride == 0,
            "this U-Net takes {c} channels (planes included) and sides that {stride} divides, not {:?}",
            x.size()
        );
        let x = match self.config.space_to_depth {
            1 => x,
            s => x.pixel_unshuffle(s), // [B, C s^2, H/s, W/s]
        };
        if self.config.time != TimeInput::Channel {
            return x;
        }
        let (_, _, h, w) = x.size4().unwrap();
        let plane =
            (t / CHANNEL_UNIT).to_kind(x.kind()).view([-1, 1, 1, 1]).expand([b, 1, h, w], false);
        Tensor::cat(&[x, plane], 1) // one channel more
    }
}

/// t per unit of the time channel: with T = 1000 the channel stays in [0, 1].
const CHANNEL_UNIT: f64 = 1000.0;

fn middle(vs: &nn::Path, channels: i64, config: &UnetConfig) -> Level {
    let block = |i| ResBlock::new(&(vs / "resnets" / i), channels, channels, &config.block());
    Level {
        resnets: vec![block(0), block(1)],
        attentions: vec![attention(&(vs / "attentions" / 0), channels, config)],
    }
}

impl Network for Unet {
    type Cond = Inject;

    /// # Shapes
    /// `x: [B, C, H, W]`, `t: [B]` or `[1]` -> `[B, out_channels, H, W]`. `C` and the channels of
    /// `inject.planes` make `in_channels`; H and W are multiples of [`UnetConfig::stride`].
    fn forward(&self, x: &Tensor, t: &Tensor, inject: &Inject, train: bool) -> Tensor {
        assert!(
            inject.tokens.is_none(),
            "this U-Net has no cross-attention: Inject.tokens must be None"
        );
        let act = self.act(x, t, inject);
        let act = act.as_ref();
        let mut h = self.input(x, t, inject).apply(&self.conv_in);
        let mut skips = vec![h.shallow_clone()];
        for (level, downsample) in &self.down {
            for i in 0..level.resnets.len() {
                h = level.block(i, &h, act, train);
                skips.push(h.shallow_clone());
            }
            if let Some(downsample) = downsample {
                h = downsample.forward(&h);
                skips.push(h.shallow_clone());
            }
        }
        h = self.mid.block(0, &h, act, train);
        h = self.mid.block(1, &h, act, train);
        for (level, upsample) in &self.up {
            for i in 0..level.resnets.len() {
                let skip = skips.pop().expect("one skip a block");
                h = level.block(i, &Tensor::cat(&[h, skip], 1), act, train);
            }
            if let Some(upsample) = upsample {
                h = upsample.forward(&h);
            }
        }
        let out = h.apply(&self.conv_norm_out).silu().apply(&self.conv_out);
        match self.config.space_to_depth {
            1 => out,
            s => out.pixel_shuffle(s), // [B, C s^2, H/s, W/s] -> [B, C, H, W]
        }
    }
}
