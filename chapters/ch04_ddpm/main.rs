//! Chapter 4: DDPM on images: Algorithm 1 learns digits, Algorithm 2 draws them.

mod draw;
mod learn;
mod measure;

use anyhow::Result;
use clap::Parser;
use from_noise::data::{Color, Format, Source};
use from_noise::evaluate::{CHUNK, Sampler, Sampling, check_shape};
use from_noise::metrics::FeatureNet;
use from_noise::nn::UnetConfig;
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::schedule::Path;
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Common, Cost};
use serde::Serialize;
use std::path::PathBuf;

/// DDPM on images: draws digits with the weights that come with the crate (Algorithm 2), every
/// one of the 1000 steps visible; with --train, learns them again (Algorithm 1).
///
/// Examples: cargo chapter 04
///           cargo chapter 04 --score 10000
///           cargo chapter 04 --train --out runs/mnist
///           cargo chapter 04 --weights runs/mnist
///           cargo chapter 04 --train --data ./pets --size 32 --rgb --preset gpu --out runs/pets
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Learn instead of drawing; the run directory is --out
    #[arg(long)]
    train: bool,

    /// What to learn: mnist, fashion, cifar10 or a folder of pictures
    #[arg(long, default_value = "mnist", value_name = "DATA")]
    data: Source,

    /// Side of a folder's pictures: a multiple of 4
    #[arg(long, default_value_t = 32)]
    size: u32,

    /// Take a folder's pictures in colour
    #[arg(long)]
    rgb: bool,

    /// Learn what the config.json in this folder describes: its data, network, target and steps
    #[arg(long, value_name = "DIR", requires = "train", conflicts_with_all = ["data", "size", "rgb"])]
    config: Option<PathBuf>,

    /// Begin with the averaged weights of this run directory, to train it further
    #[arg(long, value_name = "DIR", requires = "train")]
    start_from: Option<PathBuf>,

    /// Score 2000 samples every K steps (scores.csv): FID-LeNet, DDIM, 20 steps
    #[arg(long, value_name = "K", requires = "train")]
    score_every: Option<u64>,

    /// Optimizer steps [default: by preset]
    #[arg(long)]
    steps: Option<u64>,

    /// Run directory whose weights draw [default: weights/mnist-ddpm, which comes with the crate]
    #[arg(long, value_name = "DIR", conflicts_with = "train")]
    weights: Option<PathBuf>,

    /// How many images to draw
    #[arg(long, default_value_t = 64, value_name = "N")]
    samples: u64,

    /// Show every K-th step in the GIF
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: usize,

    /// Run directory of the classifier that --score compares by
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    classifier: PathBuf,

    /// Measure FID-LeNet of N images (DDIM, 100 steps) instead of drawing
    #[arg(long, value_name = "N", conflicts_with = "train")]
    score: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Plan {
    Train { steps: u64, image: Box<ImageConfig> },
    Draw { weights: PathBuf, samples: u64, steps: usize },
    Score { weights: PathBuf, samples: u64, sampling: Sampling },
}

fn plan(args: &Args) -> Result<Plan> {
    let common = &args.common;
    let weights = args.weights.clone().unwrap_or_else(|| "weights/mnist-ddpm".into());
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
        let (samples, steps) = if common.smoke { (4, 10) } else { (samples, steps) };
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

fn cost(plan: &Plan) -> Result<Cost> {
    let of = |net: &UnetConfig, evaluations: f64, batch: f64| -> Result<Cost> {
        let net = net.cost()?;
        println!("{:.1} MFLOP a forward pass a sample", net.flops as f64 / 1e6);
        // a batch's activations, kept for the backward pass: some 30 numbers an operation's output
        let memory = 4.0 * (5.0 * net.params as f64 + batch * net.flops as f64 / 500.0);
        let flops = evaluations * net.flops as f64;
        Ok(Cost { parameters: net.params as u64, flops, memory })
    };
    match plan {
        Plan::Train { steps, image } => {
            let batch = image.batch as f64;
            of(&image.network, 3.0 * *steps as f64 * batch, batch)
        }
        Plan::Draw { weights, samples, steps } => {
            let image = Pretrained::config(cli::find(weights))?;
            of(&image.network, *samples as f64 * *steps as f64, 16.0)
        }
        Plan::Score { weights, samples, sampling } => {
            let image = Pretrained::config(cli::find(weights))?;
            of(&image.network, (*samples * sampling.steps as u64) as f64, CHUNK as f64)
        }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = plan(&args)?;
    let cost = cost(&plan)?;
    let Some(mut chapter) = cli::start("ch04-ddpm", &args.common, &plan, cost)? else {
        return Ok(());
    };
    match &plan {
        Plan::Train { steps, image } => {
            let net = match args.score_every {
                Some(_) => Some(FeatureNet::load(cli::find(&args.classifier), chapter.device)?),
                None => None,
            };
            net.as_ref().map_or(Ok(()), |net| check_shape(image.format.shape(), net))?;
            let judged_by = args.score_every.zip(net.as_ref());
            let start = args.start_from.as_deref().map(cli::find);
            learn::learn(image, *steps, start, judged_by, &args.common, &chapter)?;
        }
        Plan::Draw { weights, samples, steps } => {
            let trained = Pretrained::load(cli::find(weights), chapter.device)?;
            let log = cli::find(weights).join("log.csv");
            draw::draw(&trained, &log, (*samples, *steps, args.every), &mut chapter)?;
        }
        Plan::Score { weights, samples, sampling } => {
            let trained = Pretrained::load(cli::find(weights), chapter.device)?;
            let net = FeatureNet::load(cli::find(&args.classifier), chapter.device)?;
            check_shape(trained.config.format.shape(), &net)?;
            measure::measure(&trained, &net, sampling, *samples, args.common.smoke, &mut chapter)?;
        }
    }
    chapter.results.finish();
    Ok(())
}
