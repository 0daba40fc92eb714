//! Chapter 4: DDPM on images: Algorithm 1 learns digits, Algorithm 2 draws them.

mod draw;
mod learn;
mod measure;
mod plan;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Source;
use from_noise::evaluate::CHUNK;
use from_noise::nn::{UnetConfig, cost};
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{self, Common, Cost};
use plan::Plan;
use std::path::{Path, PathBuf};

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
    #[arg(long, value_name = "K", requires = "train", value_parser = clap::value_parser!(u64).range(1..))]
    score_every: Option<u64>,

    /// Optimizer steps [default: by preset]
    #[arg(long)]
    steps: Option<u64>,

    /// Run directory whose weights draw [default: weights/mnist-unet-v, which comes with the crate]
    #[arg(long, value_name = "DIR", conflicts_with = "train")]
    weights: Option<PathBuf>,

    /// How many images to draw
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    samples: u64,

    /// Show every K-th step in the GIF
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: usize,

    /// Run directory of the classifier that --score compares by
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    classifier: PathBuf,

    /// Measure FID-LeNet of N images (DDIM, 100 steps) instead of drawing
    #[arg(long, value_name = "N", conflicts_with = "train", value_parser = clap::value_parser!(u64).range(1..))]
    score: Option<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = plan::plan(&args)?;
    let cost = cost(&plan)?;
    let Some(mut chapter) = cli::start("ch04-ddpm", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    match &plan {
        Plan::Train { steps, image } => learn::learn(image, *steps, &args, &chapter)?,
        Plan::Draw { weights, samples, steps } => {
            let trained = Pretrained::load(cli::find(weights), chapter.device)?;
            let log = cli::find(weights).join("log.csv");
            draw::draw(&trained, &log, (*samples, *steps, args.every), &mut chapter)?;
        }
        Plan::Score { weights, samples, sampling } => {
            let trained = Pretrained::load(cli::find(weights), chapter.device)?;
            measure::measure(&trained, sampling, *samples, &args, &mut chapter)?;
        }
    }
    chapter.results.finish();
    Ok(())
}

fn cost(plan: &Plan) -> Result<Cost> {
    let count = |network: &UnetConfig| -> Result<cost::Cost> {
        let net = network.cost()?;
        println!("{:.1} MFLOP per sample and forward pass", net.flops as f64 / 1e6);
        Ok(net)
    };
    let of = |weights: &Path| count(&Pretrained::config(cli::find(weights))?.network);
    Ok(match plan {
        Plan::Train { steps, image } => {
            Cost::training(count(&image.network)?, *steps, image.batch as u64)
        }
        Plan::Draw { weights, samples, steps } => {
            Cost::sampling(of(weights)?, samples * *steps as u64, draw::BATCH)
        }
        Plan::Score { weights, samples, sampling } => {
            Cost::sampling(of(weights)?, samples * sampling.steps as u64, CHUNK)
        }
    })
}
