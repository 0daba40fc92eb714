//! Chapter 9: classifier guidance: a model that knows no classes, led by a classifier of noised
//! images.

mod accuracy;
mod figures;
mod learn;
mod lines;
mod mixture;
mod pictures;
mod plan;
mod scores;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Split;
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::{Pretrained, PretrainedClassifier};
use from_noise::util::cli::{self, Chapter, Common, TableArgs, count, images_of_run};
use lines::{Line, Nets};
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
#[command(mut_arg("weights", |arg| arg.conflicts_with("train")))]
#[command(mut_arg("classifier", |arg| arg.conflicts_with("train")))]
#[command(mut_arg("shard", |arg| arg.conflicts_with("train")))]
#[command(mut_arg("collect", |arg| arg.conflicts_with("train")))]
#[command(mut_arg("samples", |arg| arg.conflicts_with_all(["train", "preset"])))]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Learn the two classifiers, into noised/ and clean/ below --out, and draw nothing
    #[arg(long)]
    train: bool,

    /// Optimizer steps of each classifier [default: by preset]
    #[arg(long, value_name = "N", requires = "train", conflicts_with = "preset", conflicts_with_all = ["weights", "classifier", "samples", "shard", "collect", "noised", "clean", "conditional"], value_parser = count::<u64>())]
    steps: Option<u64>,

    /// Run directory of the classifier that was taught in noise
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-noised-classifier")]
    #[arg(conflicts_with = "train")]
    noised: PathBuf,

    /// Run directory of the classifier that was taught by clean images
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-clean-classifier")]
    #[arg(conflicts_with = "train")]
    clean: PathBuf,

    /// Run directory of the network that is told the class
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-unet-class")]
    #[arg(conflicts_with = "train")]
    conditional: PathBuf,

    #[command(flatten)]
    table: TableArgs,
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let plan = plan::plan(&args)?;
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
        Plan::Guide { samples, lines } => guide(&args, samples, &lines, &mut chapter)?,
    }
    chapter.results.finish();
    Ok(())
}

fn guide(args: &Args, samples: u64, lines: &[Line], chapter: &mut Chapter) -> Result<()> {
    let (device, smoke, table) = (chapter.device, args.common.smoke, &args.table);
    let nets = Nets {
        unconditional: Pretrained::load(cli::find(&table.weights), device)?,
        conditional: Pretrained::load(cli::find(&args.conditional), device)?,
        noised: PretrainedClassifier::load(cli::find(&args.noised), device)?,
        clean: PretrainedClassifier::load(cli::find(&args.clean), device)?,
    };
    cli::taught("--noised", &args.noised, true, nets.noised.config.noised)?;
    cli::taught("--clean", &args.clean, false, nets.clean.config.noised)?;
    let lenet = FeatureNet::load(cli::find(&table.classifier), device)?;
    let (dir, config) = (cli::find(&table.weights), &nets.unconditional.config);
    let test = images_of_run(&dir, config, Split::Test, smoke, &table.pictures)?;
    let rows = scores::fill(lines, &nets, samples, (&lenet, &test), &table.shards, chapter)?;
    if !rows.is_empty() {
        let sampling = lines[0].sampling;
        figures::scales(&rows, sampling.steps, chapter)?;
        figures::compute(&rows, &nets, sampling, smoke, chapter)?;
        pictures::samples(&nets, sampling, chapter)?;
        pictures::gradients(&nets, &test, chapter)?;
        pictures::fooled(&nets, &test.first(if smoke { 10 } else { 200 }), &lenet, chapter)?;
        accuracy::show(&nets, &test.first(if smoke { 50 } else { 2000 }), chapter)?;
        mixture::show(smoke, chapter)?;
    }
    Ok(())
}
