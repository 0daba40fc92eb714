//! Chapter 4: DDPM on images: Algorithm 1 learns digits, Algorithm 2 draws them.

mod compare;
mod curves;
mod draw;
mod learn;
mod levels;
mod measure;
mod plan;
mod recipe;
mod samples;
mod timing;
mod variants;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::Shard;
use from_noise::pretrained::Pretrained;
use from_noise::train::Precision;
use from_noise::util::cli::{self, Common, DataArgs, count};
use plan::Plan;
use std::path::PathBuf;
use std::process::ExitCode;

/// DDPM on images: draws digits with the weights that come with the crate (Algorithm 2), every
/// one of the 1000 steps visible; with --train, learns them again (Algorithm 1).
///
/// Examples: cargo chapter 04
///           cargo chapter 04 --score 10000
///           cargo chapter 04 --score 10000 --eta 1
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

    #[command(flatten)]
    data: DataArgs,

    /// Learn what the config.json in this folder describes: its data, network, target and steps
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "size", "rgb", "seed", "preset"])]
    config: Option<PathBuf>,

    /// Begin with the averaged weights of this run directory, to train it further; input channels
    /// that it lacks begin at zero
    #[arg(long, value_name = "DIR")]
    start_from: Option<PathBuf>,

    /// Score 2000 samples every K steps and at the end (scores.csv): FID-LeNet, DDIM, 20 steps
    #[arg(long, value_name = "K", value_parser = count::<u64>())]
    score_every: Option<u64>,

    /// Optimizer steps [default: by preset]
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    steps: Option<u64>,

    /// In which numbers the network is computed while it learns [default: f32]
    #[arg(long, value_parser = cli::one_of(&cli::PRECISIONS))]
    precision: Option<Precision>,

    /// Go on with an interrupted run; with more --steps than it had, train it longer
    #[arg(long)]
    resume: bool,

    /// Run directory whose weights draw [default: weights/mnist-unet-v, which comes with the crate]
    #[arg(long, value_name = "DIR", conflicts_with = "train")]
    weights: Option<PathBuf>,

    /// How many images to draw [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", conflicts_with_all = ["train", "preset"], value_parser = count::<u64>())]
    samples: Option<u64>,

    /// Show every K-th step in the GIF [default: 1]
    #[arg(long, value_name = "K", conflicts_with = "train", value_parser = count::<usize>())]
    every: Option<usize>,

    /// Run directory of the classifier that scores compare by [default: weights/mnist-classifier]
    #[arg(long, value_name = "DIR")]
    classifier: Option<PathBuf>,

    /// Measure FID-LeNet of N images (DDIM, 100 steps) instead of drawing
    #[arg(long, value_name = "N", conflicts_with_all = ["train", "preset", "samples", "every"], value_parser = count::<u64>())]
    score: Option<u64>,

    /// Fresh noise of the samples that are measured: DDIM's, from 0 to DDPM's 1 [default: 0]
    #[arg(long, requires = "score", conflicts_with_all = ["train", "preset", "samples", "every", "from_levels", "variants"])]
    eta: Option<f64>,

    /// Measure FID-LeNet of N test images that are noised to a level and denoised again, by level,
    /// for --weights or for the networks that come with the crate
    #[arg(long, value_name = "N", conflicts_with_all = ["train", "preset", "samples", "every", "score"], value_parser = count::<u64>())]
    from_levels: Option<u64>,

    /// Train a network and others that differ from it in one thing, and score N samples of each: which
    /// choice bought what. It goes on when the same command is typed again
    #[arg(long, value_name = "N", conflicts_with_all = ["train", "samples", "every", "score", "from_levels", "weights", "data", "size", "rgb"], value_parser = count::<u64>())]
    variants: Option<u64>,

    /// Train the I-th of N shares of them, for N processes with one --out; no table is written
    #[arg(long, value_name = "I/N", requires = "variants", conflicts_with_all = ["train", "samples", "every", "score", "from_levels", "weights", "data", "size", "rgb"])]
    shard: Option<Shard>,
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let plan = plan::plan(&args)?;
    let cost = plan.cost(&args)?;
    let Some(mut chapter) = cli::start("ch04-ddpm", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    match &plan {
        Plan::Train { steps, image } => {
            let dir = chapter.results.dir();
            learn::learn(image, *steps, dir, args.resume, &args, &chapter)?
        }
        Plan::Draw { weights, samples, steps } => {
            let dir = cli::find(weights);
            let trained = Pretrained::load(&dir, chapter.device)?;
            let counts = (*samples, *steps, args.every.unwrap_or(1));
            draw::draw(&trained, &dir, &args.data.pictures, counts, &mut chapter)?;
        }
        Plan::Score { weights, samples, sampling } => {
            let dir = cli::find(weights);
            let trained = Pretrained::load(&dir, chapter.device)?;
            measure::measure(&trained, &dir, sampling, *samples, &args, &mut chapter)?;
        }
        Plan::Levels { weights, samples } => {
            levels::levels(weights, *samples, &args, &mut chapter)?
        }
        Plan::Variants { samples, length } => {
            compare::compare(*length, *samples, &args, &mut chapter)?
        }
    }
    chapter.results.finish();
    Ok(())
}
