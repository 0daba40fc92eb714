//! The network behind FID-LeNet: a classifier whose penultimate layer is the ruler.

use super::{ClassifierConfig, Moments};
use crate::checkpoint::{CheckpointError, fingerprint, load_weights, read_config};
use crate::data::{Dataset, from_u8};
use crate::nn::lenet::LeNet;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// A trained classifier, and the moments of its features over the training images.
#[derive(Debug)]
pub struct FeatureNet {
    net: LeNet,
    /// What it reads and was taught.
    pub config: ClassifierConfig,
    device: Device,
    /// The first twelve hexadecimal digits of the weights' SHA-256: distances measured by another
    /// network are other numbers.
    pub hash: String,
    /// Of all training images: what samples are compared with.
    pub reference: Moments,
    /// The Frechet distance between the test and the training images: no model does better.
    pub floor: f64,
}

impl FeatureNet {
    /// Reads `ema.safetensors`, `train-moments.safetensors` and `test-moments.safetensors` of the
    /// directory that the example `classifier` wrote.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config: ClassifierConfig = read_config(dir)?; // refuses another network's directory
        let weights = dir.join("ema.safetensors");
        let mut vs = nn::VarStore::new(device);
        let net = config.build(&vs.root());
        load_weights(&vs, &weights)?;
        vs.freeze();
        let hash = fingerprint(&weights)?;
        let reference = Moments::load(dir.join("train-moments.safetensors"))?;
        let test = Moments::load(dir.join("test-moments.safetensors"))?;
        let floor = super::frechet_distance(&test, &reference);
        Ok(Self { net, config, device, hash, reference, floor })
    }

    /// `[B, 128]` of pictures `[B, C, H, W]`. They are u8, so that what is scored is what a
    /// saved picture holds.
    pub fn features(&self, pixels: &Tensor) -> Tensor {
        assert_eq!(pixels.kind(), Kind::Uint8, "scores are of u8 pictures: see data::to_u8");
        let _guard = tch::no_grad_guard();
        self.net.features(&from_u8(&pixels.to_device(self.device)))
    }

    /// The distance of the first `n` images of `test` from the training images: what samples of
    /// that number can hope for, since a distance grows as its samples get fewer.
    pub fn floor_of(&self, test: &Dataset, n: u64) -> f64 {
        let few = test.first((n as usize).min(test.len()));
        super::frechet_distance(&feature_moments(&self.net, &few, self.device), &self.reference)
    }

    /// The classes `[B]` (i64) of pictures `[B, C, H, W]`, u8.
    pub fn classify(&self, pixels: &Tensor) -> Tensor {
        self.classes(&self.features(pixels))
    }

    /// The classes `[B]` (i64) of pictures with these [`features`](Self::features).
    pub fn classes(&self, features: &Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        self.net.logits(features).argmax(-1, false)
    }
}

/// The moments of a classifier's features over all of `data`, 500 images at a time.
pub fn feature_moments(net: &LeNet, data: &Dataset, device: Device) -> Moments {
    let _guard = tch::no_grad_guard();
    let mut moments = Moments::new(LeNet::FEATURES);
    for pixels in data.images.split(500, 0) {
        moments.add(&net.features(&from_u8(&pixels.to_device(device))));
    }
    moments
}
