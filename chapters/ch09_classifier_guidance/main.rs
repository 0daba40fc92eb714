//! Chapter 9: classifier guidance: a model that knows no classes, led by a classifier of noised
//! images.

mod accuracy;
mod cells;
mod learn;
mod mixture;
mod pictures;
mod plan;
mod scores;

use anyhow::Result;
use cells::{Cell, Nets};
use clap::Parser;
use from_noise::data::Split;
use from_noise::evaluate::Sampling;
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::{Pretrained, PretrainedClassifier};
use from_noise::util::cli::{self, Chapter, Common, PictureArgs, count, images_of_run};
use plan::Plan;
use std::path::PathBuf;
use std::process::ExitCode;

/// Classifier guidance of the digits that come with the crate: what two classifiers see in noise, a
/// table of networks and ways to guide them, and what a classifier that has never seen noise does to
/// pixels. The drawing takes an hour on a busy core, can be stopped at any time, and goes on when the
/// same command is typed again.
///
/// Examples: cargo chapter 09 --dry-run
///           cargo chapter 09 --samples 300
///           cargo chapter 09 --train --out runs/classifiers
///           cargo chapter 09 --noised runs/classifiers/noised --clean runs/classifiers/clean
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Learn the two classifiers, into noised/ and clean/ below --out, and draw nothing
    #[arg(long)]
    train: bool,

    /// Optimizer steps of each classifier [default: by preset]
    #[arg(long, value_name = "N", requires = "train", conflicts_with = "preset", value_parser = count::<u64>())]
    steps: Option<u64>,

    /// Go on with an interrupted training; drawing goes on without it
    #[arg(long)]
    resume: bool,

    /// Run directory of the classifier that was taught in noise
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weights/mnist-noised-classifier",
        conflicts_with = "train"
    )]
    noised: PathBuf,

    /// Run directory of the classifier that was taught by clean images
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weights/mnist-clean-classifier",
        conflicts_with = "train"
    )]
    clean: PathBuf,

    /// Run directory of the unconditional network
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weights/mnist-unet-v",
        conflicts_with = "train"
    )]
    weights: PathBuf,

    /// Run directory of the network that is told the class
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weights/mnist-unet-class",
        conflicts_with = "train"
    )]
    conditional: PathBuf,

    /// Run directory of the independent classifier, which measures
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weights/mnist-classifier",
        conflicts_with = "train"
    )]
    classifier: PathBuf,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Images a line of the table, at least 10 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", conflicts_with_all = ["train", "preset"],
        value_parser = count::<u64>().range(10..=1_000_000_000))]
    samples: Option<u64>,
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = Args::parse();
    let plan = plan::plan(&args);
    let cost = plan::cost(&plan, &args)?;
    let Some(mut chapter) = cli::start("ch09-classifier-guidance", &args.common, &plan, || cost)?
    else {
        return Ok(());
    };
    match plan {
        Plan::Train { steps, classifier } => {
            for (name, config) in learn::both(&classifier) {
                learn::learn(name, &config, steps, &args, &chapter)?;
            }
        }
        Plan::Guide { sampling, samples, cells } => {
            guide(&args, sampling, samples, &cells, &mut chapter)?
        }
    }
    chapter.results.finish();
    Ok(())
}

fn guide(
    args: &Args,
    sampling: Sampling,
    samples: u64,
    cells: &[Cell],
    chapter: &mut Chapter,
) -> Result<()> {
    let (device, smoke) = (chapter.device, args.common.smoke);
    let nets = Nets {
        unconditional: Pretrained::load(cli::find(&args.weights), device)?,
        conditional: Pretrained::load(cli::find(&args.conditional), device)?,
        noised: PretrainedClassifier::load(cli::find(&args.noised), device)?,
        clean: PretrainedClassifier::load(cli::find(&args.clean), device)?,
    };
    let lenet = FeatureNet::load(cli::find(&args.classifier), device)?;
    let (dir, config) = (cli::find(&args.weights), &nets.unconditional.config);
    let test = images_of_run(&dir, config, Split::Test, smoke, &args.pictures)?;
    mixture::show(smoke, chapter)?;
    accuracy::show(&nets, &test.first(if smoke { 50 } else { 2000 }), chapter)?;
    pictures::gradients(&nets, &test, chapter)?;
    pictures::fooled(&nets, &test.first(if smoke { 10 } else { 200 }), &lenet, chapter)?;
    pictures::samples(&nets, sampling, chapter)?;
    let judge = scores::Judge { net: &lenet, test: &test };
    scores::show(cells, &nets, sampling, samples, &judge, chapter)
}
