//! The U-Net: from a small network for digits to DDPM's 35.7 M for CIFAR-10, by configuration.
//!
//! Its parts and their names are those of diffusers' `UNet2DModel`, and of `UNet2DConditionModel`
//! where it attends to tokens, so published weights load without renaming.

mod classifier;
mod config;
mod encoder;
mod entry;
mod level;
mod plan;
mod tokens;

pub use classifier::UnetClassifier;
pub use config::{
    Dialect, Resampling, TimeConditioning, TokenAttention, TokenForm, UnetConfig, UnetConfigError,
};

use tch::{Kind, Tensor, nn};

use super::layers::{Start, conv, group_norm};
use super::resblock::Resize;
use crate::conditioning::Conditioning;
use crate::network::Network;
use encoder::{Encoded, Encoder};
use level::{Level, Resample};
use plan::Plan;

/// Ho et al. 2020 (DDPM), appendix B: a U-Net (Ronneberger et al. 2015) of residual blocks, told
/// the time in every block, attending at the coarse levels.
///
/// The last convolution starts at zero, so an untrained network predicts 0.
#[derive(Debug)]
pub struct Unet {
    encoder: Encoder,
    up: Vec<(Level, Option<Resample>)>,
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
        let up = plan.up.iter().enumerate().map(|(i, stage)| {
            let vs = vs / "up_blocks" / i;
            let name = &vs / "upsamplers" / 0;
            let upsample = || Resample::new(&name, Resize::Double, stage.channels(), config);
            (Level::new(&vs, stage, config), stage.resamples.then(upsample))
        });
        Self {
            encoder: Encoder::new(vs, &plan, config),
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
        &self.encoder.config
    }
}

impl Network for Unet {
    /// Unconditional on its own; [`Conditioned`](crate::nn::Conditioned) puts an encoder before it.
    type Cond = ();

    fn encode(&self, (): &(), _train: bool) -> Conditioning {
        Conditioning::none()
    }

    fn kind(&self) -> Option<Kind> {
        Some(self.encoder.conv_in.ws.kind())
    }

    /// # Shapes
    /// `x: [B, C, H, W]`, `t: [B]` or `[1]` -> `[B, out_channels, H, W]`. `C` and the channels of
    /// `conditioning.planes` make `in_channels`; H and W are multiples of [`UnetConfig::stride`].
    ///
    /// # Panics
    /// On other shapes, and on a conditioning that has no place in this network.
    fn forward(&self, x: &Tensor, t: &Tensor, conditioning: &Conditioning, train: bool) -> Tensor {
        // ANCHOR: unet
        let Encoded { mut h, mut skips, emb, tokens } =
            self.encoder.forward(x, t, conditioning, train);
        let (emb, tokens) = (emb.as_ref(), tokens.as_ref());
        for (level, upsample) in &self.up {
            for i in 0..level.len() {
                let skip = skips.pop().expect("one skip a block");
                h = level.block(i, &Tensor::cat(&[h, skip], 1), emb, tokens, train); // channels join
            }
            if let Some(upsample) = upsample {
                h = upsample.forward(&h, emb, train); // twice the side
            }
        }
        let out = h.apply(&self.conv_norm_out).silu().apply(&self.conv_out);
        // ANCHOR_END: unet
        match self.config().space_to_depth {
            1 => out.contiguous(),
            s => out.pixel_shuffle(s).contiguous(), // [B, C s^2, H/s, W/s] -> [B, C, H, W]
        }
    }
}
