//! Algorithm 1 on CIFAR-10: the paper's recipe, and one for an hour on two cores.

use super::{Args, SMALL};
use anyhow::Result;
use from_noise::checkpoint::Run;
use from_noise::data::{Color, Format, Source, Split, batch_indices};
use from_noise::denoiser::Parameterization;
use from_noise::nn::{Conditions, UnetConfig};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::say;
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Chapter, Preset};
use std::path::Path;
use tch::Kind;

// ANCHOR: recipe
/// What is learned, and until which step: Ho et al. 2020, appendix B, or the small network that comes
/// with the crate. The preset `gpu` is an eighth of the paper's training, with a learning rate that
/// falls to 0 at its end.
pub fn recipe(args: &Args) -> Result<(u64, ImageConfig)> {
    let paper = ImageConfig {
        data: Source::Cifar10,
        format: Format { color: Color::Rgb, size: 32 },
        flip: true,
        network: UnetConfig::cifar10(), // 35.7 million parameters, dropout 0.1
        parameterization: Parameterization::default(), // predicts the noise
        batch: 128,
        train: TrainConfig { warmup: 5000, ..TrainConfig::default() }, // lr 2e-4, EMA 0.9999
        ..ImageConfig::mnist()
    };
    // ANCHOR_END: recipe
    let small = || Pretrained::config(cli::find(Path::new(SMALL)));
    let (until, mut image) = match args.common.preset {
        _ if args.common.smoke => {
            let network = UnetConfig { in_channels: 3, out_channels: 3, ..UnetConfig::tiny() };
            let network = UnetConfig { image_size: 32, ..network };
            (4, ImageConfig { network, batch: 4, ..small()? })
        }
        Preset::Cpu => (8_000, small()?), // an hour on two cores
        Preset::Gpu => {
            let train = TrainConfig { cooldown: Some([60_000, 100_000]), ..paper.train.clone() };
            (100_000, ImageConfig { train, ..paper })
        }
        Preset::Paper => (800_000, paper),
    };
    let until = args.until.unwrap_or(until);
    image.train = TrainConfig { seed: args.common.seed, ..image.train.lasting(until) };
    image.data = args.data.clone().unwrap_or(Source::Cifar10);
    image.precision = args.precision.unwrap_or(image.precision);
    args.pictures.check(&image.data)?;
    Ok((until, image))
}

/// Learns, resumably. What the weights draw on the way, `cargo chapter 13 --run` shows.
pub fn learn(config: &ImageConfig, until: u64, args: &Args, chapter: &Chapter) -> Result<()> {
    let (device, dir) = (chapter.device, chapter.results.dir());
    let data = args.images(config, Split::Train)?.to_device(device);
    let schedule = config.schedule.build();
    let mut trainer = config.trainer(device);
    let may_change = ["train.cooldown"]; // with more steps the learning rate falls later
    let mut run = Run::create_or_resume_with(dir, config, args.resume, &may_change, &mut trainer)?;
    for change in run.changes() {
        say!("goes on from step {} with another {change} (config.json)", trainer.step);
    }
    cli::train("the network", &mut trainer, &mut run, until, |model, batch| {
        let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
        let x0 = config.mirrored(data.batch(&chosen, device).0); // [B, 3, 32, 32]
        let t = schedule.draw_t(config.batch as i64, device);
        let (eps, free) = (x0.randn_like(), Conditions::default());
        config.loss(model, &schedule, &t, &x0, &free, &eps).mean(Kind::Float)
    })?;
    say!("wrote the weights and their average to {}", dir.display());
    say!("draw with them: cargo chapter 13 --run {}", cli::quoted(dir));
    Ok(())
}
