//! Feature extractors, whose features a Frechet distance compares; among them the classifier behind
//! FID-LeNet.

use super::{ClassifierConfig, Moments, frechet_distance};
use crate::checkpoint::{CheckpointError, fingerprint, load_weights, read_config};
use crate::data::{Dataset, batch_indices, from_u8};
use crate::nn::lenet::LeNet;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// A network whose features are compared, and the features of real data: all that a Frechet
/// distance needs.
pub trait FeatureExtractor {
    /// The hash of its weights: distances measured by another network are other numbers.
    fn hash(&self) -> &str;

    /// What its metrics are called after the names that they have with Inception: FID, KID and IS
    /// are of that network alone.
    fn suffix(&self) -> &str;

    /// What the Frechet distance between its features is called.
    fn metric(&self) -> String {
        format!("FID{}", self.suffix())
    }

    /// `[C, H, W]` of the images that it reads.
    fn shape(&self) -> [i64; 3];

    /// Length of a feature vector.
    fn dim(&self) -> i64;

    /// `[B, dim]` of pictures `[B, C, H, W]`, as many as one likes: the network sees some at a time.
    /// They are u8, so that what is scored is what a saved picture holds.
    fn features(&self, pixels: &Tensor) -> Tensor;

    /// The moments of the features of the training images, with which samples are compared.
    fn reference(&self) -> &Moments;

    /// Logits `[B, classes]` of pictures with these features; none if the network does not classify.
    fn logits(&self, _features: &Tensor) -> Option<Tensor> {
        None
    }

    /// The classes `[B]` (i64, below [`classes`](Self::classes)) of pictures with these features;
    /// none if the network does not classify.
    fn classify(&self, features: &Tensor) -> Option<Tensor> {
        self.logits(features).map(|logits| logits.argmax(-1, false))
    }

    /// How many classes [`classify`](Self::classify) knows.
    fn classes(&self) -> usize {
        0
    }

    /// The distance from the training images that `n` images can hope for: that of `n` of the
    /// `test` images, drawn at random by `seed`. A distance grows as its images get fewer, and the
    /// first images of a test set need not be like the rest (MNIST's are cleaner).
    fn distance_of_real(&self, test: &Dataset, n: u64, seed: u64) -> f64 {
        let n = (n as usize).min(test.len());
        let chosen = batch_indices(seed, 0, n, test.len()).to_device(test.images.device());
        let pixels = test.images.index_select(0, &chosen);
        let moments = Moments::of(self.dim(), &pixels, |pixels| self.features(pixels));
        frechet_distance(&moments, self.reference())
    }
}

/// What a classifier's run directory keeps of the training images.
pub const TRAIN_MOMENTS: &str = "train-moments.safetensors";
/// And of the test images.
pub const TEST_MOMENTS: &str = "test-moments.safetensors";

/// Pictures that go through it at a time.
const BATCH: i64 = 500;

/// The network behind FID-LeNet: a trained classifier, and the moments of its penultimate layer
/// over the training images.
#[derive(Debug)]
pub struct FeatureNet {
    net: LeNet,
    /// What it reads and was taught.
    pub config: ClassifierConfig,
    device: Device,
    hash: String,
    reference: Moments,
    /// The Frechet distance between all test images and the training images.
    pub fid_real: f64,
}

impl FeatureNet {
    /// Reads `ema.safetensors`, `train-moments.safetensors` and `test-moments.safetensors` of the
    /// directory that `from-noise train-classifier` wrote.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config: ClassifierConfig = read_config(dir)?; // refuses another network's directory
        let path = || dir.join("config.json");
        config.check().map_err(|why| CheckpointError::Config { path: path(), why })?;
        let weights = dir.join("ema.safetensors");
        let mut vs = nn::VarStore::new(device);
        let net = config.build(&vs.root());
        load_weights(&vs, &weights)?;
        vs.freeze();
        let hash = fingerprint(&weights)?;
        let reference = Moments::load(dir.join(TRAIN_MOMENTS))?;
        let test = Moments::load(dir.join(TEST_MOMENTS))?;
        let fid_real = frechet_distance(&test, &reference);
        Ok(Self { net, config, device, hash, reference, fid_real })
    }
}

impl FeatureExtractor for FeatureNet {
    fn hash(&self) -> &str {
        &self.hash
    }

    fn suffix(&self) -> &str {
        "-LeNet"
    }

    fn shape(&self) -> [i64; 3] {
        self.config.format.shape()
    }

    fn dim(&self) -> i64 {
        LeNet::FEATURES
    }

    fn features(&self, pixels: &Tensor) -> Tensor {
        assert_eq!(pixels.kind(), Kind::Uint8, "scores are of u8 pictures: see data::to_u8");
        let _guard = tch::no_grad_guard();
        let some = |pixels: &Tensor| self.net.features(&from_u8(&pixels.to_device(self.device)));
        Tensor::cat(&pixels.split(BATCH, 0).iter().map(some).collect::<Vec<_>>(), 0)
    }

    fn reference(&self) -> &Moments {
        &self.reference
    }

    fn logits(&self, features: &Tensor) -> Option<Tensor> {
        let _guard = tch::no_grad_guard();
        Some(self.net.logits(&features.to_device(self.device)))
    }

    fn classes(&self) -> usize {
        self.config.classes
    }
}
