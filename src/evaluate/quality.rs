//! What a Fréchet distance mixes: how good samples are, and how much of the data they cover.

use crate::data::{Dataset, batch_indices};
use crate::metrics::{FeatureExtractor, PrecisionRecall, inception_score, precision_recall};
use crate::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

/// Scores of samples by the features and classes of one network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// In one split; none if the network does not classify.
    pub inception_score: Option<f64>,
    /// The share of samples among the real images: their quality.
    pub precision: f64,
    /// The share of real images among the samples: their variety.
    pub recall: f64,
}

impl Quality {
    /// Neighbours of precision and recall, as published (Kynkäänniemi et al. 2019).
    pub const NEIGHBORS: usize = 3;
    /// How many samples, and test images, have so many neighbours.
    pub const LEAST: usize = Self::NEIGHBORS + 1;

    /// Of samples with these `features` (`[n, D]`), beside as many of the `test` images, chosen at
    /// random by seed 0.
    pub fn of(net: &dyn FeatureExtractor, features: &Tensor, test: &Dataset) -> Self {
        let n = (features.size()[0] as usize).min(test.len());
        let chosen = batch_indices(0, 0, n, test.len()).to_device(test.images.device());
        let real = net.features(&test.images.index_select(0, &chosen));
        let features = features.to_device(real.device());
        let logits = net.logits(&features);
        let score =
            |logits: Tensor| inception_score(&on_cpu(&logits).softmax(-1, None::<Kind>), 1).mean;
        let PrecisionRecall { precision, recall } =
            precision_recall(&features, &real, Self::NEIGHBORS);
        Self { inception_score: logits.map(score), precision, recall }
    }
}
