//! What chapter 4 is asked for, from its flags.

use super::Args;
use anyhow::Result;
use from_noise::data::{Color, Format, Source};
use from_noise::evaluate::{Sampler, Sampling, check_shape};
use from_noise::metrics::FeatureNet;
use from_noise::nn::UnetConfig;
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::schedule::Path;
use from_noise::train::TrainConfig;
use from_noise::util::cli;
use serde::Serialize;
use std::path::PathBuf;
use tch::Device;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { steps: u64, image: Box<ImageConfig> },
    Draw { weights: PathBuf, samples: u64, steps: usize },
    Score { weights: PathBuf, samples: u64, sampling: Sampling },
}

impl Args {
    /// The classifier that scores compare by, if it reads the images of `config`.
    pub fn feature_net(&self, config: &ImageConfig, device: Device) -> Result<FeatureNet> {
        let net = FeatureNet::load(cli::find(&self.classifier), device)?;
        check_shape(config.format.shape(), &net)?;
        Ok(net)
    }
}

pub fn plan(args: &Args) -> Result<Plan> {
    let common = &args.common;
    let weights = args.weights.clone().unwrap_or_else(|| "weights/mnist-unet-v".into());
    Ok(if args.train {
        let steps = args.steps.unwrap_or(common.choose(4, 50_000, 100_000, 800_000));
        let (steps, image) = match &args.config {
            Some(dir) => {
                let image = Pretrained::config(cli::find(dir))?;
                (args.steps.or(image.train.cooldown.map(|[_, end]| end)).unwrap_or(steps), image)
            }
            None => (steps, image_config(args, steps)),
        };
        Plan::Train { steps, image: Box::new(image) }
    } else if let Some(samples) = args.score {
        let steps = if common.smoke { 2 } else { 100 };
        let sampler = Sampler::Ddim(0.0);
        let sampling = Sampling { sampler, path: Path::Uniform, steps, seed: common.seed };
        Plan::Score { weights, samples, sampling }
    } else {
        let (samples, steps) = (args.samples, 1000);
        let (samples, steps) = if common.smoke { (samples.min(4), 10) } else { (samples, steps) };
        Plan::Draw { weights, samples, steps }
    })
}

/// What is learned, and by which network: one for two cores, one for a GPU, the paper's own.
///
/// On two cores the learning rate falls to 0 over the last two fifths: the paper's constant one
/// needs far more steps to average out.
fn image_config(args: &Args, steps: u64) -> ImageConfig {
    let format = match args.data {
        Source::Mnist | Source::Fashion => Format { color: Color::Gray, size: 28 },
        Source::Cifar10 => Format { color: Color::Rgb, size: 32 },
        Source::Folder(_) if args.rgb => Format { color: Color::Rgb, size: args.size },
        Source::Folder(_) => Format { color: Color::Gray, size: args.size },
    };
    let levels = if format.size.is_multiple_of(8) { 4 } else { 3 };
    let paper = UnetConfig {
        channels: vec![128, 256, 256, 256][..levels].to_vec(),
        ..UnetConfig::cifar10()
    };
    let gpu = UnetConfig { channels: vec![64, 128, 128], dropout: 0.0, ..paper.clone() };
    let network = UnetConfig {
        in_channels: format.color.channels(),
        out_channels: format.color.channels(),
        image_size: format.size as i64,
        ..args.common.choose(UnetConfig::tiny(), UnetConfig::mnist(), gpu, paper)
    };
    let mnist = ImageConfig::mnist();
    let quick = TrainConfig { seed: args.common.seed, ..mnist.train.clone() };
    let cooled = TrainConfig { cooldown: Some([steps * 3 / 5, steps]), ..quick.clone() };
    let paper = TrainConfig { seed: quick.seed, warmup: 5000, ..TrainConfig::default() };
    ImageConfig {
        data: args.data.clone(),
        format,
        flip: args.data == Source::Cifar10,
        network,
        batch: args.common.choose(4, 64, 128, 128),
        train: args.common.choose(quick.clone(), cooled, quick, paper),
        ..mnist
    }
}
