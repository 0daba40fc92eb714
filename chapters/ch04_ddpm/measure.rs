//! How good the digits are: FID-LeNet, their classes, and how well they teach.

use super::Args;
use anyhow::{Result, ensure};
use from_noise::data::{Dataset, Split};
use from_noise::evaluate::{CHUNK, ImageSampler, Sampling, check_shape, score};
use from_noise::metrics::{
    FeatureExtractor, FeatureNet, classification_accuracy_score, confident_share, enough_images,
};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::say;
use from_noise::util::cli::{self, Chapter, images_of_run};
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::path::Path;
use tch::{Device, Tensor};

#[derive(Debug, Serialize)]
struct Cas {
    taught_by: &'static str,
    n: usize,
    /// Of the classifier so taught, on the test images.
    accuracy: f64,
}

/// A classifier is sure of an image whose likeliest class is likelier than this.
const SURE: f64 = 0.9;

#[derive(Debug, Serialize)]
struct Confidence {
    images: &'static str,
    n: usize,
    /// The share of the images that the feature net is sure of.
    sure: f64,
}

/// FID-LeNet, the classes, and how well the samples teach.
pub fn measure(
    trained: &Pretrained,
    dir: &Path,
    sampling: &Sampling,
    n: u64,
    args: &Args,
    chapter: &mut Chapter,
) -> Result<()> {
    let net = args.feature_net(&trained.config, chapter.device)?;
    args.enough(n, &net, "--score")?;
    let smoke = args.common.smoke;
    let data = |split| images_of_run(dir, &trained.config, split, smoke, &args.data.pictures);
    let (train, test) = (data(Split::Train)?, data(Split::Test)?);
    ensure!(
        net.config.classes == test.classes.len(),
        "the classifier knows {} classes, {} has {}: give one that was trained on it",
        net.config.classes,
        trained.config.data,
        test.classes.len()
    );
    let evaluations = n.div_ceil(CHUNK) * sampling.steps as u64;
    let mut progress = Progress::new("drawing", evaluations);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let keep = |chunk: &Tensor, classes: Option<&Tensor>| {
        pixels.push(chunk.to_device(Device::Cpu));
        labels.extend(classes.map(Tensor::shallow_clone));
    };
    let images = ImageSampler::new(trained, *sampling)?;
    let fid_real = net.distance_of_real(&test, n, 0);
    let score = score(&images, &net, n, fid_real, keep, |_| progress.tick(""));
    progress.finish(format_args!("{n} images"));
    say!("{score}");
    let (pixels, labels) = (Tensor::cat(&pixels, 0), Tensor::cat(&labels, 0));
    let samples = Dataset::new("samples", pixels, labels, test.classes.clone());
    let confidence = |(images, data): (&'static str, &Dataset)| {
        let logits = net.logits(&net.features(&data.images)).expect("a classifier");
        Confidence { images, n: data.len(), sure: confident_share(&logits, SURE) }
    };
    let confidence = [("samples", &samples), ("test images", &test)].map(confidence);
    let steps = if smoke { 2 } else { 2000 };
    let mut rows = Vec::new();
    for (taught_by, data) in [("samples", samples), ("real images", train.first(n as usize))] {
        say!("teaching a classifier by {} {taught_by}, {steps} steps", data.len());
        let config = &net.config;
        let device = chapter.device;
        let accuracy = classification_accuracy_score(&data, &test, config, steps, device)?;
        say!("  right on {:.2} % of the test images", 100.0 * accuracy);
        rows.push(Cas { taught_by, n: data.len(), accuracy });
    }
    chapter.results.samples(n);
    chapter.results.table("score.csv", &[score])?;
    chapter.results.table("confidence.csv", &confidence)?;
    Ok(chapter.results.table("classification-accuracy.csv", &rows)?)
}

impl Args {
    /// The classifier that scores compare by, if it reads the images of `config`.
    pub fn feature_net(&self, config: &ImageConfig, device: Device) -> Result<FeatureNet> {
        let usual = std::path::Path::new("weights/mnist-classifier");
        let dir = cli::find(self.classifier.as_deref().unwrap_or(usual));
        let net = FeatureNet::load(dir, device)?;
        check_shape(config.format.shape(), &net)?;
        Ok(net)
    }

    /// Refuses to measure so few images that a distance is mostly bias; `flag` asks for them.
    pub fn enough(&self, n: u64, net: &FeatureNet, flag: &str) -> Result<()> {
        let (dim, enough) = (net.dim(), enough_images(net.dim()));
        ensure!(
            n >= enough,
            "a covariance of {dim} features from {n} images is mostly bias: take {flag} {enough} or more"
        );
        Ok(())
    }
}
