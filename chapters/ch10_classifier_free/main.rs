//! Chapter 10: classifier-free guidance: more of the condition than the condition asks for.

mod labels;
mod mixture;
mod page;
mod pictures;
mod scores;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Sampler, Sampling, ScoreTable, Sweep, SweepGrid, TableEntry};
use from_noise::guide::Guidance;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, TableArgs};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Classifier-free guidance of the digits that come with the crate: the same noise at growing
/// scales, what guidance draws where everything is known, and a table of scales against FID-LeNet,
/// variety and accuracy. The table takes minutes to hours, can be stopped at any time, and goes on
/// when the same command is typed again.
///
/// Examples: cargo chapter 10 --dry-run
///           cargo chapter 10 --samples 500
///           cargo chapter 10 --out runs/guidance --shard 1/2
///           cargo chapter 10 --out runs/guidance --collect
///           cargo chapter 10 --weights runs/mine --classifier runs/my-classifier
///           cargo chapter 10 --labels --samples 500 --out runs/labels
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
#[command(mut_arg("weights", |arg| arg.default_value("weights/mnist-unet-class")))]
#[command(mut_arg("samples", |arg| arg.conflicts_with("preset")))]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    table: TableArgs,

    /// Instead, compare the run directories in this folder, whose networks were told different shares
    /// of the labels [default: weights/labels]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "weights/labels",
        conflicts_with = "weights")]
    labels: Option<PathBuf>,
}

/// The scales of the table, 0 and 1 among them: without the condition, and without guidance.
const SCALES: [f64; 7] = [0.0, 1.0, 1.1, 1.5, 2.0, 3.0, 5.0];

/// What the table is made from.
#[derive(Debug, Serialize)]
struct Config {
    sweep: Sweep,
    guidances: Vec<Guidance>,
}

fn config(args: &Args) -> Config {
    let common = &args.common;
    let grid = SweepGrid {
        samplers: vec![Sampler::Ddim(0.0)],
        paths: vec![Path::Trailing],
        steps: vec![if common.smoke { 2 } else { 20 }],
        evaluations: Vec::new(),
        n: args.table.samples.unwrap_or(common.choose(40, 2000, 10_000, 50_000)),
    };
    let sweep = Sweep { seed: common.seed, grid: vec![grid] };
    let scales = if args.labels.is_some() { &labels::SCALES[..] } else { &SCALES };
    Config { sweep, guidances: scales.iter().copied().map(Guidance::scale).collect() }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = config(&args);
    let Config { sweep, guidances } = &config;
    let cost = match &args.labels {
        Some(folder) => labels::cost(folder, sweep, guidances, &args)?,
        None => args.table.cost(sweep, guidances)?,
    };
    let Some(mut chapter) = cli::start("ch10-classifier-free", &args.common, &config, || cost)?
    else {
        return Ok(());
    };
    let smoke = args.common.smoke;
    if let Some(folder) = &args.labels {
        labels::show(folder, sweep, guidances, &args, &mut chapter)?;
        chapter.results.finish();
        return Ok(());
    }
    let quality = |table: &ScoreTable, line: &TableEntry| Ok(table.quality(line)?);
    let (trained, net, rows) =
        args.table.fill_each(sweep, guidances, smoke, &mut chapter, quality)?;
    if !rows.is_empty() {
        let (sampling, _): (Sampling, u64) = sweep.samplings()[0];
        scores::show(&rows, guidances, &trained, sampling, &mut chapter)?;
        pictures::scales(&trained, sampling, &mut chapter)?;
        pictures::one_class(&trained, sampling, &mut chapter)?;
        pictures::variants(&trained, sampling, &mut chapter)?;
        mixture::show(smoke, &mut chapter)?;
        page::for_the_page(smoke, &trained, &net, sampling, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}
