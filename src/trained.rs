//! An image model as it lies on disk: what it was trained on, what its numbers mean, its weights.

use crate::checkpoint::{CheckpointError, fingerprint, load_weights, read_config};
use crate::data::{Color, Format, Source};
use crate::denoiser::{Meaning, Model};
use crate::nn::{Unet, UnetConfig};
use crate::schedule::{Schedule, ScheduleConfig};
use crate::train::TrainConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::{Device, nn};

/// All that fixes an unconditional image model; `config.json` of its run directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    pub data: Source,
    pub format: Format,
    /// Half of the images are mirrored, left and right: not for digits.
    pub flip: bool,
    pub schedule: ScheduleConfig,
    pub network: UnetConfig,
    pub meaning: Meaning,
    pub batch: usize,
    pub train: TrainConfig,
}

impl ImageConfig {
    /// Digits on the ladder of Ho et al. 2020, by a network for two cores.
    pub fn mnist() -> Self {
        Self {
            data: Source::Mnist,
            format: Format { color: Color::Gray, size: 28 },
            flip: false,
            schedule: ScheduleConfig::default(),
            network: UnetConfig::mnist(),
            meaning: Meaning::default(),
            batch: 64,
            train: TrainConfig { lr: 1e-3, warmup: 500, ema_decay: 0.9995, ..Default::default() },
        }
    }

    /// A new network in `vs`.
    pub fn build(&self, vs: &nn::Path) -> Model<Unet> {
        Model::new(Unet::new(vs, &self.network), self.meaning)
    }

    /// `[n, C, H, W]`, the shape of `n` samples.
    pub fn shape(&self, n: i64) -> [i64; 4] {
        let [channels, height, width] = self.format.shape();
        [n, channels, height, width]
    }
}

/// A model to sample from.
#[derive(Debug)]
pub struct Trained {
    pub config: ImageConfig,
    pub schedule: Schedule,
    pub model: Model<Unet>,
    /// Steps it was trained for.
    pub step: u64,
    /// The first twelve hexadecimal digits of the weights' SHA-256.
    pub hash: String,
}

impl Trained {
    /// Reads only `config.json`, and checks that it describes a network.
    pub fn config(dir: impl AsRef<Path>) -> Result<ImageConfig, CheckpointError> {
        let config: ImageConfig = read_config(&dir)?;
        config.network.check().map_err(|e| CheckpointError::Config {
            path: dir.as_ref().join("config.json"),
            why: e.to_string(),
        })?;
        Ok(config)
    }

    /// Reads `config.json` and the averaged weights, `ema.safetensors`, of the directory `dir`.
    ///
    /// # Errors
    /// Files that are missing, damaged or do not fit each other.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config = Self::config(dir)?;
        let mut vs = nn::VarStore::new(device);
        let model = config.build(&vs.root());
        let weights = dir.join("ema.safetensors");
        let (step, hash) = (load_weights(&vs, &weights)?, fingerprint(&weights)?);
        vs.freeze();
        Ok(Self { schedule: config.schedule.build(), config, model, step, hash })
    }
    /// Which weights these are, as tables name them.
    pub fn weights(&self) -> String {
        format!("ema at step {} ({})", self.step, self.hash)
    }
}
