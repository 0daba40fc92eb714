//! One line of a table: a distance, and all that it depends on.

use super::sampling::{Sampler, Sampling};
use crate::data::to_u8;
use crate::metrics::{FeatureNet, Groups, class_histogram, frechet_distance};
use crate::nn::lenet::LeNet;
use crate::schedule::Level;
use crate::schedule::Path;
use crate::trained::Trained;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Tensor};

/// Images drawn at a time. Fixed: libtorch's kernels may differ in the last bits between batch
/// sizes, and a score must not depend on how it was split.
pub const CHUNK: u64 = 500;

/// One line of a table: a distance, and all that it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub sampler: String,
    pub path: String,
    pub steps: usize,
    /// Evaluations of the network a sample.
    pub nfe: usize,
    pub n: u64,
    pub fid_lenet: f64,
    /// The jackknife's standard error of the distance; none for fewer than 40 images.
    pub error: Option<f64>,
    /// The distance of the test images from the training images.
    pub floor: f64,
    /// Hash of the network whose features are compared.
    pub feature_net: String,
    pub seed: u64,
    /// Which weights drew, the averaged ones (`ema`), their step and their hash.
    pub weights: String,
    /// Entropy of the classes found in the samples, in nats: ln 10 = 2.303 if all are as frequent.
    pub class_entropy: f64,
}

impl Score {
    /// Whether this is a line of `sampler` along `path`.
    pub fn is_by(&self, sampler: Sampler, path: Path) -> bool {
        self.sampler == sampler.to_string() && self.path == path.to_string()
    }

    /// The distance and its error, to a digit behind the point, for a table's cell.
    pub fn in_short(&self) -> String {
        let error = self.error.map_or(String::new(), |error| format!(" ± {error:.1}"));
        format!("{:.1}{error}", self.fid_lenet)
    }
}

impl fmt::Display for Score {
    /// The distance is never printed without what it depends on.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let error = self.error.map_or(String::new(), |error| format!(" +- {error:.2}"));
        write!(
            f,
            "FID-LeNet {:.2}{error} (n = {}, {}, path {}, {} evaluations, seed {}, {}, \
             feature net {}; floor {:.2})",
            self.fid_lenet,
            self.n,
            self.sampler,
            self.path,
            self.nfe,
            self.seed,
            self.weights,
            self.feature_net,
            self.floor
        )
    }
}

/// A classifier that cannot read what the weights draw.
#[derive(Debug, thiserror::Error)]
#[error(
    "the weights draw images of {drawn:?} (channels, height, width), the classifier reads \
     {read:?}: name one that fits (cargo run --example classifier -- --help)"
)]
pub struct RulerError {
    drawn: [i64; 3],
    read: [i64; 3],
}

/// Whether `net` can read what `trained` draws.
pub fn check_ruler(trained: &Trained, net: &FeatureNet) -> Result<(), RulerError> {
    let [drawn, read] = [trained.config.format, net.config.format].map(|format| format.shape());
    if drawn == read { Ok(()) } else { Err(RulerError { drawn, read }) }
}

/// What a score is computed from, image by image.
#[derive(Debug)]
pub struct Tally {
    groups: Groups,
    labels: Vec<Tensor>,
    n: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { groups: Groups::new(LeNet::FEATURES), labels: Vec::new(), n: 0 }
    }
}

impl Tally {
    /// Adds the next images by their features, `[B, 128]`; returns their classes, `[B]`.
    pub fn add(&mut self, net: &FeatureNet, features: &Tensor) -> Tensor {
        let labels = net.classes(features).to_device(Device::Cpu);
        self.groups.add(features);
        self.labels.push(labels.shallow_clone());
        self.n += features.size()[0] as u64;
        labels
    }

    /// How far all that was added is from the training images, and the jackknife's standard error.
    pub fn distance(&self, net: &FeatureNet) -> (f64, Option<f64>) {
        let distance = |moments: &_| frechet_distance(moments, &net.reference);
        (distance(&self.groups.total()), self.groups.standard_error(distance))
    }

    /// The score of all that was added. `floor` is the distance of test images from the training
    /// images; fewer samples stand beside [`FeatureNet::floor_of`] as many test images.
    pub fn score(
        &self,
        trained: &Trained,
        sampling: &Sampling,
        net: &FeatureNet,
        floor: f64,
    ) -> Score {
        let (fid_lenet, error) = self.distance(net);
        Score {
            sampler: sampling.sampler.to_string(),
            path: sampling.path.to_string(),
            steps: sampling.steps,
            nfe: sampling.sampler.evaluations(sampling.steps),
            n: self.n,
            fid_lenet,
            error,
            floor,
            feature_net: net.hash.clone(),
            seed: sampling.seed,
            weights: trained.weights(),
            class_entropy: class_histogram(&Tensor::cat(&self.labels, 0), net.config.classes)
                .entropy,
        }
    }
}

// ANCHOR: score
/// Draws `n` images, [`CHUNK`] at a time, and measures them; `each` is handed the pixels (u8) and
/// the classes of every chunk, `look` the level of every evaluation.
pub fn score(
    trained: &Trained,
    sampling: &Sampling,
    net: &FeatureNet,
    n: u64,
    device: Device,
    mut each: impl FnMut(&Tensor, &Tensor),
    mut look: impl FnMut(Level),
) -> Score {
    let mut tally = Tally::default();
    for first in (0..n).step_by(CHUNK as usize) {
        let x0 = sampling.draw(trained, first, CHUNK.min(n - first), device, &mut look);
        let pixels = to_u8(&x0);
        let labels = tally.add(net, &net.features(&pixels));
        each(&pixels, &labels);
    }
    tally.score(trained, sampling, net, net.floor)
}
// ANCHOR_END: score
