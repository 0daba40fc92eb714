//! Chapter 15: CLIP, and guidance by what it says of noised images.

mod dream;
mod figures;
mod learn;
mod lines;
mod pictures;
mod plan;
mod retrieval;
mod scores;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Split;
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::{Pretrained, PretrainedClip};
use from_noise::util::cli::{self, Chapter, Common, ShardArgs, count};
use lines::{Line, Nets};
use plan::Plan;
use std::path::PathBuf;
use std::process::ExitCode;

/// CLIP guidance against guidance without a classifier: what of the captions is in the pictures, read
/// by rule, what the CLIP that guides says of them, and what another CLIP says that guided nothing.
/// The drawing can be stopped at any time, and goes on when the same command is typed again.
///
/// Examples: cargo chapter 15 --dry-run
///           cargo chapter 15 --samples 50
///           cargo chapter 15 --train --out runs/clip
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    shards: ShardArgs,

    /// Learn the three CLIPs, into noised/, clean/ and held-out/ below --out, and draw nothing
    #[arg(long, conflicts_with_all = TABLE)]
    train: bool,

    /// Optimizer steps of each CLIP [default: by preset]
    #[arg(long, value_name = "N", requires = "train", conflicts_with = "preset", conflicts_with_all = TABLE, value_parser = count::<u64>())]
    steps: Option<u64>,

    /// Go on where an interrupted training stopped
    #[arg(long, requires = "train", conflicts_with_all = TABLE)]
    resume: bool,

    /// Run directory of the network that draws
    #[arg(long, value_name = "DIR", default_value = "weights/glide/base")]
    base: PathBuf,

    /// Run directory of the CLIP that was taught in noise
    #[arg(long, value_name = "DIR", default_value = "weights/clip/noised")]
    noised: PathBuf,

    /// Run directory of the CLIP that was taught by clean images
    #[arg(long, value_name = "DIR", default_value = "weights/clip/clean")]
    clean: PathBuf,

    /// Run directory of a CLIP that guides nothing, and scores
    #[arg(long, value_name = "DIR", default_value = "weights/clip/held-out")]
    held_out: PathBuf,

    /// Run directory of the classifier whose features are compared
    #[arg(long, value_name = "DIR", default_value = "weights/captions-classifier")]
    classifier: PathBuf,

    /// Captions of each line of the tables, at least 4 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = count::<u64>().range(4..=10_000))]
    samples: Option<u64>,
}

/// Flags of the table, which mean nothing in training. clap does not ask for --train any more where one
/// of them is given.
const TABLE: [&str; 8] =
    ["base", "noised", "clean", "held_out", "classifier", "samples", "shard", "collect"];

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let plan = plan::plan(&args);
    let cost = plan::cost(&plan, &args)?;
    let Some(mut chapter) = cli::start("ch15-clip", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    match plan {
        Plan::Train { steps, clip } => {
            for (name, config) in learn::three(&clip) {
                learn::learn(name, &config, steps, &args, &chapter)?;
            }
        }
        Plan::Guide { samples, lines } => guide(&args, samples, &lines, &mut chapter)?,
    }
    chapter.results.finish();
    Ok(())
}

fn guide(args: &Args, samples: u64, lines: &[Line], chapter: &mut Chapter) -> Result<()> {
    let (device, smoke) = (chapter.device, args.common.smoke);
    let clip = |flag: &str, dir: &PathBuf, noised: bool| {
        let clip = PretrainedClip::load(cli::find(dir), device)?;
        cli::taught(flag, dir, noised, clip.config.noised)?;
        Ok::<_, anyhow::Error>(clip)
    };
    let nets = Nets {
        base: Pretrained::load(cli::find(&args.base), device)?,
        noised: clip("--noised", &args.noised, true)?,
        clean: clip("--clean", &args.clean, false)?,
        held_out: clip("--held-out", &args.held_out, false)?,
    };
    let net = FeatureNet::load(cli::find(&args.classifier), device)?;
    let config = &nets.base.config;
    let test = config.data.load(Split::Test, config.format)?;
    let test = test.first(if smoke { 40 } else { 5000 });
    let rows = scores::fill(lines, &nets, samples, (&net, &test), &args.shards, chapter)?;
    if !rows.is_empty() {
        figures::against_each_other(&rows, chapter)?;
        pictures::samples(&nets, lines[0].sampling, chapter)?;
        dream::show(&nets, smoke, chapter)?;
        retrieval::show(&nets, smoke, chapter)?;
    }
    Ok(())
}
