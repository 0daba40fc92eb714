//! Scoring a trained model: draw, round to pixels, measure, forget; the memory does not grow with
//! the number of samples.

use crate::data::to_u8;
use crate::denoiser::Denoiser;
use crate::forward::Variance;
use crate::guide::Adapt;
use crate::metrics::{FeatureNet, Moments, class_histogram, frechet_distance};
use crate::network::Inject;
use crate::nn::lenet::LeNet;
use crate::noise::{Noise, Seeded};
use crate::sample::{ddim, ddpm};
use crate::schedule::{Level, Path};
use crate::trained::Trained;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Tensor};

/// Images drawn at a time. Fixed: libtorch's kernels may differ in the last bits between batch
/// sizes, and a score must not depend on how it was split.
pub const CHUNK: u64 = 500;

/// Which sampler draws, along which levels, from which noise.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sampling {
    pub sampler: Sampler,
    pub path: Path,
    /// Steps; here each is one evaluation of the network.
    pub steps: usize,
    pub seed: u64,
}

/// The samplers of chapters 4 to 6.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// With its `eta`.
    Ddim(f64),
    /// Ancestral, with the variance of its noise.
    Ddpm(Variance),
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Sampler::Ddim(eta) => write!(f, "DDIM, eta = {eta}"),
            Sampler::Ddpm(variance) => write!(f, "DDPM, {} variance", word(*variance)),
        }
    }
}

/// A closed choice as a flag spells it.
fn word(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().expect("no value is hidden").get_name().to_owned()
}

impl Sampling {
    /// The images `first, first + 1, ...` of this sampling, clipped as they are predicted:
    /// `[n, C, H, W]`. Image `i` is the same whatever `first` and `n` are. `look` sees each level.
    #[allow(non_snake_case)]
    pub fn draw(
        &self,
        trained: &Trained,
        first: u64,
        n: u64,
        device: Device,
        look: impl FnMut(Level),
    ) -> Tensor {
        let mut seeded = Seeded::new(self.seed, first);
        let x_T = seeded.start(&trained.config.shape(n as i64)).to_device(device);
        let model = trained.model.given(Inject::default()).clip(1.0).watched(look);
        let path = trained.schedule.path(self.path, self.steps);
        self.run(&model, &path, x_T, &mut |x| seeded.draw(x))
    }

    #[allow(non_snake_case)]
    fn run(&self, model: &dyn Denoiser, path: &[Level], x_T: Tensor, noise: Noise) -> Tensor {
        match self.sampler {
            Sampler::Ddim(eta) => ddim(model, path, x_T, eta, noise),
            Sampler::Ddpm(variance) => ddpm(model, path, x_T, variance, noise),
        }
    }
}

/// One line of a table: a distance, and all that it depends on.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    pub sampler: String,
    pub path: String,
    /// Evaluations of the network a sample.
    pub nfe: usize,
    pub n: u64,
    pub fid_lenet: f64,
    /// The distance of the test images from the training images.
    pub floor: f64,
    /// Hash of the network whose features are compared.
    pub feature_net: String,
    pub seed: u64,
    /// Which weights drew, the averaged ones (`ema`), and their step.
    pub weights: String,
    /// Entropy of the classes found in the samples, in nats: ln 10 = 2.303 if all are as frequent.
    pub class_entropy: f64,
}

impl fmt::Display for Score {
    /// The distance is never printed without what it depends on.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "FID-LeNet {:.2} (n = {}, {}, path {}, {} evaluations, seed {}, {}, feature net {}; \
             floor {:.2})",
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

// ANCHOR: score
/// Draws `n` images, [`CHUNK`] at a time, and measures them; `each` is handed the pixels (u8) of
/// every chunk, `look` every level of every chunk.
pub fn score(
    trained: &Trained,
    sampling: &Sampling,
    net: &FeatureNet,
    n: u64,
    device: Device,
    mut each: impl FnMut(&Tensor),
    mut look: impl FnMut(Level),
) -> Score {
    let mut moments = Moments::new(LeNet::FEATURES);
    let mut labels = Vec::new();
    for first in (0..n).step_by(CHUNK as usize) {
        let x0 = sampling.draw(trained, first, CHUNK.min(n - first), device, &mut look);
        let pixels = to_u8(&x0);
        let features = net.features(&pixels);
        moments.add(&features);
        labels.push(net.classes(&features).to_device(Device::Cpu));
        each(&pixels);
    }
    Score {
        sampler: sampling.sampler.to_string(),
        path: word(sampling.path),
        nfe: sampling.steps,
        n,
        fid_lenet: frechet_distance(&moments, &net.reference),
        floor: net.floor,
        feature_net: net.hash.clone(),
        seed: sampling.seed,
        weights: format!("ema at step {}", trained.step),
        class_entropy: class_histogram(&Tensor::cat(&labels, 0), 10).entropy,
    }
}
// ANCHOR_END: score
