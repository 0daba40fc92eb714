//! Chapter 9: classifier guidance: a model that knows no classes, led by a classifier of noised images.

mod learn;

use anyhow::Result;
use clap::Parser;
use from_noise::nn::UnetClassifier;
use from_noise::pretrained::NoisedClassifierConfig;
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Common, Cost, count};
use serde::Serialize;
use std::process::ExitCode;

/// Classifier guidance of the digits that come with the crate.
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Learn the two classifiers, into noised/ and clean/ below --out, and draw nothing
    #[arg(long)]
    train: bool,

    /// Optimizer steps of each classifier [default: by preset]
    #[arg(long, value_name = "N", requires = "train", value_parser = count::<u64>())]
    steps: Option<u64>,

    /// Go on with an interrupted training
    #[arg(long)]
    resume: bool,
}

#[derive(Debug, Serialize)]
struct Plan {
    steps: u64,
    classifier: NoisedClassifierConfig,
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = Args::parse();
    let steps = args.steps.unwrap_or(args.common.choose(4, 2500, 10_000, 100_000));
    let mut classifier = NoisedClassifierConfig::mnist();
    let cooldown = Some([steps * 3 / 5, steps]);
    classifier.train = TrainConfig { seed: args.common.seed, cooldown, ..classifier.train };
    let plan = Plan { steps, classifier };
    let net = UnetClassifier::cost(&plan.classifier.network)?;
    let cost = || Cost::training(net, plan.steps, plan.classifier.batch as u64);
    let Some(chapter) = cli::start("ch09-classifier-guidance", &args.common, &plan, cost)? else {
        return Ok(());
    };
    for (name, config) in learn::both(&plan.classifier) {
        learn::learn(name, &config, plan.steps, args.resume, args.common.smoke, &chapter)?;
    }
    Ok(())
}
