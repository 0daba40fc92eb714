//! Other networks that guide an image model, and how much.

use super::prompts::Prompts;
use crate::nn::ClassLabels;
use crate::pretrained::{PretrainedClassifier, PretrainedClip};
use crate::sample::GradientAt;
use crate::schedule::Level;
use std::fmt;
use tch::Tensor;

/// A classifier that guides, how much, and by which algorithm of Dhariwal & Nichol 2021.
#[derive(Debug)]
pub(super) struct ByClassifier {
    pub classifier: PretrainedClassifier,
    pub scale: f64,
    /// Algorithm 1, with its gradient there; else Algorithm 2.
    pub mean_shift: Option<GradientAt>,
}

impl ByClassifier {
    /// `log p(y | x_t)` of each sample's own class.
    pub fn log_prob(&self, labels: &ClassLabels) -> impl Fn(&Tensor, Level) -> Tensor + use<> {
        self.classifier.classifier.log_prob(labels.labels())
    }
}

impl fmt::Display for ByClassifier {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { classifier, scale, mean_shift } = self;
        let (way, place) = match mean_shift {
            None => ("classifier guidance", ""),
            Some(GradientAt::Mean) => ("mean shift", ", gradient at the mean"),
            Some(GradientAt::Sample) => ("mean shift", ", gradient at x_t"),
        };
        write!(f, "{way} {scale} by {}{place}", classifier.hash)
    }
}

/// A CLIP that guides to captions, and how much.
#[derive(Debug)]
pub(super) struct ByClip {
    pub clip: PretrainedClip,
    pub scale: f64,
    pub prompts: Prompts,
}

impl fmt::Display for ByClip {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { clip, scale, prompts } = self;
        write!(f, "CLIP guidance {scale} by {} to {}", clip.hash, prompts.name)
    }
}
