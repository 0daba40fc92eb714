//! What is drawn for the tables: two networks, unguided and guided in several ways.

use anyhow::Result;
use from_noise::evaluate::{ImageSampler, Sampler, Sampling, TableEntry};
use from_noise::forward::Variance;
use from_noise::guide::Guidance;
use from_noise::pretrained::{Pretrained, PretrainedClassifier};
use from_noise::sample::GradientAt;
use from_noise::schedule::Path;
use serde::Serialize;

/// The networks that draw, and the classifiers that guide.
pub struct Nets {
    pub unconditional: Pretrained,
    pub conditional: Pretrained,
    pub noised: PretrainedClassifier,
    pub clean: PretrainedClassifier,
}

/// What guides, and how much: the `s` of Dhariwal and Nichol, by which `gamma` grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guide {
    Nothing,
    /// The classifier that was taught at all levels of noise, by Algorithm 2.
    Noised(f64),
    /// The same by Algorithm 1.
    MeanShift(f64, GradientAt),
    /// The one that was taught by clean images, by Algorithm 2.
    Clean(f64),
    /// No classifier.
    Free(f64),
}

/// A line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    pub conditional: bool,
    pub sampling: Sampling,
    pub guide: Guide,
}

impl Line {
    pub fn images(self, nets: &Nets) -> Result<ImageSampler> {
        let net = if self.conditional { &nets.conditional } else { &nets.unconditional };
        let images = ImageSampler::new(net, self.sampling)?;
        Ok(match self.guide {
            Guide::Nothing => images,
            Guide::Noised(s) => images.guided_by(&nets.noised, s)?,
            Guide::MeanShift(s, at) => images.mean_shifted_by(&nets.noised, s, at)?,
            Guide::Clean(s) => images.guided_by(&nets.clean, s)?,
            Guide::Free(s) => images.guided(Guidance::scale(1.0 + s), None)?,
        })
    }

    /// As a table draws it, the images kept: the classifiers that guide are asked about them.
    pub fn entry(self, nets: &Nets, n: u64) -> Result<TableEntry> {
        Ok(TableEntry::new(self.images(nets)?, n).keeping_images())
    }

    pub fn network(self) -> &'static str {
        if self.conditional { "conditional" } else { "unconditional" }
    }

    /// The name of what guides.
    pub fn guide(self) -> &'static str {
        match self.guide {
            Guide::Nothing => "nothing",
            Guide::Noised(_) | Guide::MeanShift(..) => "noised classifier",
            Guide::Clean(_) => "clean classifier",
            Guide::Free(_) => "classifier-free",
        }
    }

    /// The algorithm by which a classifier guides.
    pub fn algorithm(self) -> &'static str {
        match self.guide {
            Guide::Nothing | Guide::Free(_) => "none",
            Guide::Noised(_) | Guide::Clean(_) => "2",
            Guide::MeanShift(_, GradientAt::Mean) => "1, at the mean",
            Guide::MeanShift(_, GradientAt::Sample) => "1, at x_t",
        }
    }

    /// How often the gradient of `log p(y | x_t)` is in the score: once by itself if the network is
    /// told the class.
    pub fn gamma(self) -> f64 {
        let told = if self.conditional { 1.0 } else { 0.0 };
        told + match self.guide {
            Guide::Nothing => 0.0,
            Guide::Noised(s) | Guide::MeanShift(s, _) | Guide::Clean(s) | Guide::Free(s) => s,
        }
    }
}

/// The lines of all tables: of the two by two, of the algorithms, of the sweep of scales, and of
/// the conditional network with `fewer` steps.
pub fn lines(steps: usize, fewer: &[usize], seed: u64) -> Vec<Line> {
    let line = |sampler, steps, conditional, guide| {
        let sampling = Sampling { sampler, path: Path::Trailing, steps, seed };
        Line { conditional, sampling, guide }
    };
    let ddim = |conditional, guide| line(Sampler::Ddim(0.0), steps, conditional, guide);
    let ddpm = |guide| line(Sampler::Ddpm(Variance::Small), steps, false, guide);
    let mut lines = vec![
        ddim(false, Guide::Nothing),
        ddim(true, Guide::Nothing),
        ddim(false, Guide::Noised(5.0)),
        ddim(true, Guide::Noised(1.0)),
        ddpm(Guide::Nothing),
        ddpm(Guide::Noised(5.0)),
        ddpm(Guide::MeanShift(5.0, GradientAt::Mean)),
        ddpm(Guide::MeanShift(5.0, GradientAt::Sample)),
        ddim(true, Guide::Free(1.0)),
        ddim(false, Guide::Noised(1.0)),
        ddim(false, Guide::Noised(2.0)),
        ddim(false, Guide::Noised(10.0)),
        ddim(false, Guide::Clean(5.0)),
        ddim(false, Guide::Clean(1.0)),
    ];
    for &steps in fewer {
        for guide in [Guide::Nothing, Guide::Noised(1.0), Guide::Free(1.0)] {
            lines.push(line(Sampler::Ddim(0.0), steps, true, guide));
        }
    }
    lines
}
