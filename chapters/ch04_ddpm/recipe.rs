//! What `--train` learns, and how.

use super::Args;
use anyhow::Result;
use from_noise::data::{Format, Source};
use from_noise::denoiser::Parameterization;
use from_noise::nn::UnetConfig;
use from_noise::pretrained::ImageConfig;
use from_noise::train::{Precision, TrainConfig};
use from_noise::util::cli::Preset;

/// What is learned, for how many steps and by which network.
///
/// Digits are learned as `weights/mnist-unet-v` was, on two cores in smaller batches and in f32; larger
/// or coloured pictures on a GPU by a wider network. The learning rate falls to 0 over the second
/// half: the constant one of the paper, which `--preset paper` follows in all, needs far more steps
/// to average out.
pub fn recipe(args: &Args) -> Result<(u64, ImageConfig)> {
    let (data, format, common) = (args.data.source(), args.data.format()?, &args.common);
    let digits = ImageConfig::mnist();
    let quick = TrainConfig { lr: 1e-3, warmup: 500, ..digits.train.clone() };
    let levels = if format.size.is_multiple_of(8) { 4 } else { 3 };
    let channels = vec![128, 256, 256, 256][..levels].to_vec();
    let paper = UnetConfig { channels, ..UnetConfig::cifar10() };
    let wide = UnetConfig { channels: vec![64, 128, 128], dropout: 0.0, ..paper.clone() };
    let (steps, mut image) = match common.preset {
        _ if common.smoke => {
            (4, ImageConfig { network: UnetConfig::tiny(), batch: 4, train: quick, ..digits })
        }
        Preset::Cpu => (20_000, ImageConfig { batch: 64, train: quick, ..digits }),
        Preset::Gpu if format == Format::MNIST => {
            (7500, ImageConfig { precision: Precision::Bf16, ..digits })
        }
        Preset::Gpu => (100_000, ImageConfig { network: wide, batch: 128, train: quick, ..digits }),
        Preset::Paper => {
            let train = TrainConfig { warmup: 5000, ..Default::default() };
            let parameterization = Parameterization::default();
            let network = paper;
            (800_000, ImageConfig { network, parameterization, batch: 128, train, ..digits })
        }
    };
    let steps = args.steps.unwrap_or(steps);
    image.train.seed = common.seed;
    image.train.cooldown = (common.preset != Preset::Paper).then_some([steps / 2, steps]);
    image.network.in_channels = format.color.channels();
    image.network.out_channels = format.color.channels();
    image.network.image_size = format.size as i64;
    Ok((steps, ImageConfig { flip: data == Source::Cifar10, data, format, ..image }))
}
