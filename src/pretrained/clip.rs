//! A CLIP of clean or noised images as it lies on disk: what it reads, how it was taught, its weights.

use super::noised::Reading;
use super::{averaged, checked};
use crate::checkpoint::CheckpointError;
use crate::data::captions::Tokenizer;
use crate::data::{Color, Format, Source};
use crate::nn::clip::{ClipModel, contrastive_loss};
use crate::nn::unet::TimeConditioning;
use crate::nn::{Captions, TextConfig, UnetClassifier, UnetConfig};
use crate::schedule::{Level, Levels, ScheduleConfig};
use crate::train::TrainConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::rc::Rc;
use tch::{Device, Kind, Tensor, nn};

/// All that fixes a CLIP; `config.json` of its run directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    pub data: Source,
    pub format: Format,
    pub schedule: ScheduleConfig,
    /// As a U-Net whose `out_channels` are the width of the space in which both towers meet; the
    /// image tower is its way down.
    pub image: UnetConfig,
    pub text: TextConfig,
    /// Whether it is taught at all levels alike; else by clean images alone.
    pub noised: bool,
    pub batch: usize,
    pub train: TrainConfig,
}

impl ClipConfig {
    /// Scenes and their captions, on the cosine schedule, by towers that cost a small share of the
    /// network that they guide.
    pub fn captions() -> Self {
        let text = TextConfig {
            vocabulary: Tokenizer::VOCABULARY,
            length: Tokenizer::LENGTH,
            width: 64,
            layers: 2,
            heads: 4,
        };
        Self {
            data: Source::Captions,
            format: Format { color: Color::Rgb, size: 32 },
            schedule: ScheduleConfig::Cosine { steps: 1000, s: 0.008 },
            image: UnetConfig {
                in_channels: 3,
                out_channels: 64,
                image_size: 32,
                channels: vec![24, 48],
                attention: vec![],
                time: TimeConditioning::ScaleShift,
                ..UnetConfig::mnist()
            },
            text,
            noised: true,
            batch: 128,
            train: TrainConfig { lr: 1e-3, warmup: 100, ema_decay: 0.99, ..Default::default() },
        }
    }

    /// Refuses what describes no CLIP, or no training of one, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.schedule.check()?;
        UnetClassifier::check(&self.image).map_err(|error| error.to_string())?;
        self.text.check().map_err(|why| format!("text: {why}"))?;
        self.train.check().map_err(|error| error.to_string())?;
        super::check_reads(self.format, &self.image, "the image tower")?;
        super::check_batch(self.batch, 2) // a pair and another to differ from
    }

    /// New towers in `vs`.
    pub fn build(&self, vs: &nn::Path) -> Clip {
        let reading = Reading { schedule: self.schedule.build(), noised: self.noised };
        Clip { net: Rc::new(ClipModel::new(vs, &self.image, &self.text)), reading }
    }
}

/// Two towers, and the schedule whose `t` the image tower is told. Cloning shares the network.
#[derive(Debug, Clone)]
pub struct Clip {
    net: Rc<ClipModel>,
    reading: Reading,
}

impl Clip {
    /// The levels at which a batch is taught: uniform over the schedule, or all of them clean.
    pub fn draw_levels(&self, batch: usize, device: Device) -> Levels {
        self.reading.draw(batch, device)
    }

    /// Unit vectors of images, `f(x_t)`, one level for the batch or one per sample.
    ///
    /// # Shapes
    /// `x_t: [B, C, H, W]` -> `[B, D]`.
    pub fn image_embeddings(&self, x_t: &Tensor, levels: &Levels, train: bool) -> Tensor {
        let t = self.reading.t(levels, x_t.device());
        self.net.image_embeddings(&x_t.to_kind(self.net.kind()), &t, train)
    }

    /// Unit vectors of captions, `g(c)`: `[B, L]` -> `[B, D]`.
    pub fn text_embeddings(&self, captions: &Captions) -> Tensor {
        self.net.text_embeddings(captions)
    }

    /// The contrastive loss of noised images with their captions: `[]`.
    pub fn loss(&self, x_t: &Tensor, levels: &Levels, captions: &Captions) -> Tensor {
        let images = self.image_embeddings(x_t, levels, true);
        contrastive_loss(&images, &self.text_embeddings(captions), &self.net.scale())
    }

    /// The inner product `f(x_t) . g(c)` of each image with its caption, -1 to 1: `[B]`.
    pub fn similarity(&self, x_t: &Tensor, levels: &Levels, captions: &Captions) -> Tensor {
        let images = self.image_embeddings(x_t, levels, false);
        (images * self.text_embeddings(captions)).sum_dim_intlist(1, false, None::<Kind>)
    }

    // ANCHOR: logit
    /// What CLIP says of each image with its caption, `e^kappa f(x_t) . g(c)`, as guidance wants it: a
    /// function of `x_t` and its level that gives `[B]` (GLIDE, section 2.4; the learned scale `e^kappa`
    /// stands in its code).
    pub fn logit(&self, captions: &Captions) -> impl Fn(&Tensor, Level) -> Tensor + use<> {
        let (clip, text) = (self.clone(), self.text_embeddings(captions) * self.net.scale());
        let text = text.detach();
        move |x_t, at| {
            let images = clip.image_embeddings(x_t, &at.into(), false);
            (images * &text).sum_dim_intlist(1, false, None::<Kind>)
        }
    }
    // ANCHOR_END: logit
}

/// A CLIP to guide by or to score with. Cloning shares the weights.
#[derive(Debug, Clone)]
pub struct PretrainedClip {
    pub config: ClipConfig,
    pub clip: Clip,
    /// The first twelve hexadecimal digits of the weights' SHA-256.
    pub hash: String,
}

impl PretrainedClip {
    /// Reads `config.json` and the averaged weights, `ema.safetensors`, of the directory `dir`.
    ///
    /// # Errors
    /// Files that are missing, damaged or do not fit each other.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config = checked(dir, ClipConfig::check)?;
        let (clip, _, hash) = averaged(dir, device, |vs| config.build(vs))?;
        Ok(Self { config, clip, hash })
    }
}
