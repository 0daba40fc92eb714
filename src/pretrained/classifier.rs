//! A classifier of noised images as it lies on disk: what it reads, how it was taught, its weights.

use super::noised::Reading;
use super::{averaged, checked};
use crate::checkpoint::CheckpointError;
use crate::data::{Format, Source};
use crate::nn::{UnetClassifier, UnetConfig};
use crate::schedule::{Level, Levels, ScheduleConfig};
use crate::train::TrainConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::rc::Rc;
use tch::{Device, Kind, Tensor, nn};

/// All that fixes a classifier of noised images; `config.json` of its run directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisedClassifierConfig {
    pub data: Source,
    pub format: Format,
    pub schedule: ScheduleConfig,
    /// As a U-Net whose `out_channels` are the classes; the classifier is its way down.
    pub network: UnetConfig,
    /// Whether it is taught at all levels alike; else by clean images alone.
    pub noised: bool,
    pub batch: usize,
    pub train: TrainConfig,
}

impl NoisedClassifierConfig {
    /// Digits on the schedule of Ho et al. 2020, by a network that costs a small share of the one it guides.
    pub fn mnist() -> Self {
        Self {
            data: Source::Mnist,
            format: Format::MNIST,
            schedule: ScheduleConfig::default(),
            network: UnetConfig {
                out_channels: 10,
                channels: vec![16, 32],
                attention: vec![],
                groups: 4,
                ..UnetConfig::mnist()
            },
            noised: true,
            batch: 64,
            train: TrainConfig { lr: 2e-3, warmup: 200, ema_decay: 0.995, ..Default::default() },
        }
    }

    /// Refuses what describes no classifier, or no training of one, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.schedule.check()?;
        UnetClassifier::check(&self.network).map_err(|error| error.to_string())?;
        self.train.check().map_err(|error| error.to_string())?;
        super::check_reads(self.format, &self.network, "network")?;
        super::check_batch(self.batch, 1)
    }

    /// A new classifier in `vs`.
    pub fn build(&self, vs: &nn::Path) -> NoisedClassifier {
        let reading = Reading { schedule: self.schedule.build(), noised: self.noised };
        NoisedClassifier { net: Rc::new(UnetClassifier::new(vs, &self.network)), reading }
    }
}

/// `p(y | x_t, t)`: a network that classifies noised images, and the schedule whose `t` it is told.
/// Cloning shares the network.
#[derive(Debug, Clone)]
pub struct NoisedClassifier {
    net: Rc<UnetClassifier>,
    reading: Reading,
}

impl NoisedClassifier {
    /// The levels at which a batch is taught: uniform over the schedule, or all of them clean.
    pub fn draw_levels(&self, batch: usize, device: Device) -> Levels {
        self.reading.draw(batch, device)
    }

    /// Logits of `x_t`, one level for the batch or one per sample. A classifier that was taught by
    /// clean images is told of every image that it is clean: it knows no other `t`.
    ///
    /// # Shapes
    /// `x_t: [B, C, H, W]` -> `[B, classes]`.
    pub fn logits(&self, x_t: &Tensor, levels: &Levels, train: bool) -> Tensor {
        let t = self.reading.t(levels, x_t.device()); // [1] or [B]
        self.net.forward(&x_t.to_kind(self.net.kind()), &t, train)
    }

    // ANCHOR: log_prob
    /// `ln p(y | x_t)` of these labels (`[B]`, i64), as guidance wants it: a function of `x_t` and
    /// its level that gives `[B]`.
    pub fn log_prob(&self, labels: &Tensor) -> impl Fn(&Tensor, Level) -> Tensor + use<> {
        let (classifier, labels) = (self.clone(), labels.unsqueeze(1)); // [B, 1]
        move |x_t, at| {
            let log_p = classifier.logits(x_t, &at.into(), false).log_softmax(1, None::<Kind>);
            log_p.gather(1, &labels.to_device(x_t.device()), false).squeeze_dim(1)
        }
    }
    // ANCHOR_END: log_prob
}

/// A classifier of noised images to guide by. Cloning shares the weights.
#[derive(Debug, Clone)]
pub struct PretrainedClassifier {
    pub config: NoisedClassifierConfig,
    pub classifier: NoisedClassifier,
    /// The first twelve hexadecimal digits of the weights' SHA-256.
    pub hash: String,
}

impl PretrainedClassifier {
    /// Reads `config.json` and the averaged weights, `ema.safetensors`, of the directory `dir`.
    ///
    /// # Errors
    /// Files that are missing, damaged or do not fit each other.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config = checked(dir, NoisedClassifierConfig::check)?;
        let (classifier, _, hash) = averaged(dir, device, |vs| config.build(vs))?;
        Ok(Self { config, classifier, hash })
    }

    /// How many classes it knows.
    pub fn classes(&self) -> i64 {
        self.config.network.out_channels
    }
}
