//! A classifier of noised images: the half of the U-Net on the way down, told the time.

use tch::{Kind, Tensor, nn};

use super::config::{UnetConfig, UnetConfigError};
use super::encoder::{Encoded, Encoder};
use super::plan::Plan;
use crate::conditioning::Conditioning;
use crate::nn::attention_pool::AttentionPool;
use crate::nn::cost::Cost;
use crate::nn::layers::group_norm;

/// Dhariwal & Nichol 2021 (ADM), section 4: the way down of a U-Net with attention pooling at its
/// coarsest level. It is told the time in every block.
///
/// It normalises by groups within an image, never over the batch: so each image's logits depend on
/// that image alone, and the gradient of their sum is the gradient of each.
#[derive(Debug)]
pub struct UnetClassifier {
    encoder: Encoder,
    norm_out: nn::GroupNorm,
    pool: AttentionPool,
}

impl UnetClassifier {
    /// The classifier of `config.out_channels` classes that `config` describes as a U-Net.
    ///
    /// # Panics
    /// If [`UnetClassifier::check`] refuses the configuration; ask it first about one from a file.
    pub fn new(vs: &nn::Path, config: &UnetConfig) -> Self {
        Self::check(config).unwrap_or_else(|error| panic!("{error}"));
        let (plan, coarse) = (Plan::new(config), coarsest(config));
        let (classes, eps) = (config.out_channels, config.dialect.norm_eps);
        let pool = &(vs / "pool");
        Self {
            encoder: Encoder::new(vs, &plan, config),
            norm_out: group_norm(vs / "norm_out", config.groups, coarse, eps),
            pool: AttentionPool::new(pool, plan.mid.side, coarse, config.heads(coarse), classes),
        }
    }

    /// Refuses what no classifier can be, in one sentence.
    pub fn check(config: &UnetConfig) -> Result<(), UnetConfigError> {
        config.check()?;
        let Some(tokens) = config.tokens else { return Ok(()) };
        let must = "a classifier is told nothing but the time".into();
        Err(UnetConfigError { field: "tokens", value: format!("{tokens:?}"), must })
    }

    /// Parameters and operations of the classifier this describes.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn cost(config: &UnetConfig) -> Result<Cost, UnetConfigError> {
        Self::check(config)?;
        let (plan, coarse) = (Plan::new(config), coarsest(config));
        let mut cost = plan.encoder_cost(config);
        cost.norm(coarse);
        AttentionPool::add_cost(&mut cost, plan.mid.side, coarse, config.out_channels);
        Ok(cost)
    }

    // ANCHOR: unet_classifier
    /// Logits, before the softmax.
    ///
    /// # Shapes
    /// `x: [B, C, image_size, image_size]`, `t: [B]` or `[1]` -> `[B, out_channels]`.
    ///
    /// # Panics
    /// On other shapes.
    pub fn forward(&self, x: &Tensor, t: &Tensor, train: bool) -> Tensor {
        let side = self.encoder.config.image_size;
        let fits = matches!(x.size()[..], [_, _, h, w] if h == side && w == side);
        assert!(fits, "this classifier reads images of {side} x {side}, not {:?}", x.size());
        let Encoded { h, .. } = self.encoder.forward(x, t, &Conditioning::none(), train);
        self.pool.forward(&h.apply(&self.norm_out).silu())
    }
    // ANCHOR_END: unet_classifier

    /// The kind of its weights.
    pub fn kind(&self) -> Kind {
        self.norm_out.ws.as_ref().expect("a norm with weights").kind()
    }
}

/// Channels of the coarsest level.
fn coarsest(config: &UnetConfig) -> i64 {
    config.channels[config.channels.len() - 1]
}
