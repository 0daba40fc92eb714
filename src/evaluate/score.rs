//! One line of a table: a distance, and all that it depends on.

use super::generator::{Generator, Recipe};
use super::sampling::Sampler;
use crate::data::to_u8;
use crate::guide::Snapshot;
use crate::metrics::{FeatureExtractor, Groups, InceptionNet, class_histogram, frechet_distance};
use crate::schedule::Path;
use crate::util::device::all_finite;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Kind, Tensor};

/// Images drawn at a time. Fixed: libtorch's kernels may differ in the last bits between batch
/// sizes, and a score must not depend on how it was split.
pub const CHUNK: u64 = 500;

/// One line of a table: a distance, and all that it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub sampler: String,
    pub path: String,
    pub steps: usize,
    /// Evaluations of the network per image.
    pub nfe: usize,
    pub n: u64,
    /// What the distance is called: see [`metric`](Self::metric). Empty in tables that were written
    /// before there was more than one.
    #[serde(default)]
    pub metric: String,
    /// From the training images.
    #[serde(alias = "fid_lenet")]
    pub distance: f64,
    /// The jackknife's standard error of the distance; none for fewer than 40 images.
    pub error: Option<f64>,
    /// The distance of as many real test images from the training images.
    #[serde(alias = "floor")]
    pub fid_real: f64,
    /// Hash of the network whose features are compared.
    pub feature_net: String,
    pub seed: u64,
    /// Which weights drew, the averaged ones (`ema`), their step and their hash.
    pub weights: String,
    /// Entropy of the classes found in the samples, in nats: ln 10 = 2.303 if all of ten are as
    /// frequent; 0 if the network does not classify.
    pub class_entropy: f64,
    /// The share of the samples in which the network finds the class that was asked for; none if it
    /// does not classify, or no class was asked for.
    #[serde(default)]
    pub class_accuracy: Option<f64>,
    /// What the images were conditioned on and how they were guided; empty if they were not.
    #[serde(default)]
    pub condition: String,
}

impl Score {
    /// Whether this is a line of `sampler` along `path`.
    pub fn is_by(&self, sampler: Sampler, path: Path) -> bool {
        self.sampler == sampler.to_string() && self.path == path.to_string()
    }

    /// What the distance is called: `FID` by the published weights of Inception alone, `FID-LeNet` by a
    /// classifier of the crate's kind; see [`FeatureExtractor::metric`].
    pub fn metric(&self) -> &str {
        match self.metric.as_str() {
            "" if self.feature_net == InceptionNet::PUBLISHED => "FID",
            "" => "FID-LeNet",
            known => known,
        }
    }

    /// The distance and its error, to a digit behind the point, for a table's cell.
    pub fn in_short(&self) -> String {
        in_short(self.distance, self.error)
    }
}

/// A distance and its error, if it has one, to a digit behind the point.
pub fn in_short(distance: f64, error: Option<f64>) -> String {
    let error = error.map_or(String::new(), |error| format!(" ± {error:.1}"));
    format!("{distance:.1}{error}")
}

impl fmt::Display for Score {
    /// The distance is never printed without what it depends on.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let error = self.error.map_or(String::new(), |error| format!(" +- {error:.2}"));
        let condition = match self.condition.as_str() {
            "" => String::new(),
            condition => format!("{condition}, "),
        };
        write!(
            f,
            "{} {:.2}{error} (n = {}, {}, path {}, {} evaluations, {condition}seed {}, {}, \
             feature net {}; real images {:.2})",
            self.metric(),
            self.distance,
            self.n,
            self.sampler,
            self.path,
            self.nfe,
            self.seed,
            self.weights,
            self.feature_net,
            self.fid_real
        )
    }
}

/// A feature extractor that cannot read what a generator draws.
#[derive(Debug, thiserror::Error)]
#[error(
    "the weights draw images of {drawn:?} (channels, height, width), the classifier reads \
     {read:?}: name one that fits (cargo from-noise train-classifier --help)"
)]
pub struct ShapeError {
    drawn: [i64; 3],
    read: [i64; 3],
}

/// Images that are no numbers: a sampler that ran away.
#[derive(Debug, thiserror::Error)]
#[error("{0} ran away, to infinite pixels: take more steps, or a guidance that is less strong")]
pub struct RanAway(String);

/// These images, if all their pixels are finite: as a picture NaN would be a colour like any other.
pub fn finite(x0: Tensor, by: &Recipe) -> Result<Tensor, RanAway> {
    match all_finite(&x0) {
        true => Ok(x0),
        false => {
            Err(RanAway(format!("{}, {} steps on the path {}", by.sampler, by.steps, by.path)))
        }
    }
}

/// Whether `extractor` can read images of this shape, `[C, H, W]`.
pub fn check_shape(drawn: [i64; 3], extractor: &dyn FeatureExtractor) -> Result<(), ShapeError> {
    let read = extractor.shape();
    if drawn == read { Ok(()) } else { Err(ShapeError { drawn, read }) }
}

/// What a score is computed from, image by image.
#[derive(Debug)]
pub struct FeatureStats {
    groups: Groups,
    labels: Vec<Tensor>,
    n: u64,
}

impl FeatureStats {
    /// Nothing counted yet, of feature vectors of length `dim`.
    pub fn new(dim: i64) -> Self {
        Self { groups: Groups::new(dim), labels: Vec::new(), n: 0 }
    }

    /// Adds the next images by their features, `[B, dim]`; returns their classes, `[B]`, if the
    /// network classifies.
    pub fn add(&mut self, net: &dyn FeatureExtractor, features: &Tensor) -> Option<Tensor> {
        let labels = net.classify(features).map(|labels| labels.to_device(Device::Cpu));
        self.groups.add(features);
        self.labels.extend(labels.as_ref().map(Tensor::shallow_clone));
        self.n += features.size()[0] as u64;
        labels
    }

    /// How far all that was added is from the training images, and the jackknife's standard error.
    pub fn distance(&self, net: &dyn FeatureExtractor) -> (f64, Option<f64>) {
        let distance = |moments: &_| frechet_distance(moments, net.reference());
        (distance(&self.groups.total()), self.groups.standard_error(distance))
    }

    /// The score of all that was added, the first images of `generator`. `fid_real` is the distance
    /// of as many test images: see `distance_of_real` of [`FeatureExtractor`].
    pub fn score(
        &self,
        generator: &dyn Generator,
        net: &dyn FeatureExtractor,
        fid_real: f64,
    ) -> Score {
        let (distance, error) = self.distance(net);
        let found = (!self.labels.is_empty()).then(|| Tensor::cat(&self.labels, 0)); // [n]
        let asked = generator.classes(0, self.n);
        let right = |(found, asked): (&Tensor, Tensor)| {
            found.eq_tensor(&asked).sum(Kind::Int64).int64_value(&[]) as f64 / self.n as f64
        };
        let Recipe { sampler, path, steps, nfe, seed, weights, hash: _, condition } =
            generator.recipe();
        Score {
            sampler,
            path,
            steps,
            nfe,
            n: self.n,
            metric: net.metric(),
            distance,
            error,
            fid_real,
            feature_net: net.hash().to_owned(),
            seed,
            weights,
            class_entropy: found
                .as_ref()
                .map_or(0.0, |found| class_histogram(found, net.classes()).entropy),
            class_accuracy: found.as_ref().zip(asked).map(right),
            condition,
        }
    }
}

// ANCHOR: score
/// Draws `n` images, [`CHUNK`] at a time, and measures them; `each` is handed the pixels (u8) of
/// every chunk, and their classes if the network classifies; `look` every prediction.
pub fn score(
    generator: &dyn Generator,
    net: &dyn FeatureExtractor,
    n: u64,
    fid_real: f64,
    mut each: impl FnMut(&Tensor, Option<&Tensor>),
    mut look: impl FnMut(&Snapshot),
) -> Score {
    let mut stats = FeatureStats::new(net.dim());
    for first in (0..n).step_by(CHUNK as usize) {
        let x0 = generator.draw(first, CHUNK.min(n - first), &mut look);
        let pixels = to_u8(&x0);
        let labels = stats.add(net, &net.features(&pixels));
        each(&pixels, labels.as_ref());
    }
    stats.score(generator, net, fid_real)
}
// ANCHOR_END: score
