//! Chapter 8: learned variance: what it does for the likelihood, and for sampling in few steps.

mod bound;
mod figures;
mod nets;
mod terms;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Score, Sweep, SweepGrid};
use from_noise::guide::Guidance;
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, TableArgs, count};
use nets::{Net, samplers};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Learned variance, measured on networks that differ in their objective and schedule alone: the
/// variational bound in bits per dimension, term by term, and FID-LeNet with few steps. It takes
/// an hour or more, can be stopped at any time, and goes on when the same command is typed again.
///
/// Examples: cargo chapter 08 --dry-run
///           cargo chapter 08 --samples 500 --images 16
///           cargo chapter 08 --out runs/improved --shard 1/2
///           cargo chapter 08 --out runs/improved --collect
///           cargo chapter 08 --weights weights/adm
///           cargo chapter 08 --weights runs/mine
///
/// The networks are trained one by one:
///           cargo chapter 04 --train --config weights/improved/hybrid-cosine --steps 1200 --out runs/mine/hybrid-cosine
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
#[command(mut_arg("weights", |arg| arg
    .default_value("weights/improved")
    .help("Folder of run directories, one for each network that is compared")))]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    table: TableArgs,

    /// Test images whose bound is computed, at every t, at least 2 [default: by preset]
    #[arg(long, value_name = "N", value_parser = count::<usize>().range(2..))]
    images: Option<usize>,
}

/// What the tables are made from.
#[derive(Debug, Serialize)]
struct Config {
    nets: Vec<Net>,
    images: usize,
}

fn config(args: &Args) -> Result<Config> {
    let common = &args.common;
    let (steps, path) = (if common.smoke { vec![2] } else { vec![10, 25, 100] }, Path::Linspace);
    let n = args.table.samples.unwrap_or(common.choose(40, 2000, 10_000, 50_000));
    let net = |dir: PathBuf| {
        let config = Pretrained::config(&dir)?;
        config.needs_no_caption()?;
        let grid = SweepGrid {
            samplers: samplers(config.parameterization.head),
            paths: vec![path],
            steps: steps.clone(),
            evaluations: Vec::new(),
            n,
        };
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let sweep = Sweep { seed: common.seed, grid: vec![grid] };
        Ok(Net { name: name.unwrap_or_default(), dir, config, sweep })
    };
    let few = if common.smoke { 1 } else { usize::MAX };
    Ok(Config {
        nets: cli::runs_in(&args.table.weights)?
            .into_iter()
            .take(few)
            .map(net)
            .collect::<Result<_>>()?,
        images: args.images.unwrap_or(common.choose(2, 256, 256, 10_000)),
    })
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = config(&args)?;
    let costs = config.nets.iter().map(|net| net.cost(&args, config.images));
    let cost = costs.reduce(|a, b| Ok(a? + b?)).expect("at least one network")?;
    let Some(mut chapter) = cli::start("ch08-improved", &args.common, &config, || cost)? else {
        return Ok(());
    };
    let smoke = args.common.smoke;
    let (mut scores, mut bounds) = (Vec::new(), Vec::new());
    for net in &config.nets {
        let (trained, _, rows) =
            net.table(&args).fill(&net.sweep, &[Guidance::NONE], smoke, &mut chapter)?;
        scores.extend(rows.into_iter().map(|row: Score| (net.name.clone(), row)));
        if args.table.shards.shard.is_none() {
            bounds.push(bound::of(net, &trained, config.images, &args, &mut chapter)?);
        }
    }
    if !bounds.is_empty() {
        terms::show(&bounds, config.images, &mut chapter)?;
        figures::fid(&scores, &mut chapter)?;
        figures::samples(&config.nets, if smoke { 2 } else { 10 }, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}
