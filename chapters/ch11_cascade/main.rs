//! Chapter 11: a cascade: noise to a small image, and the small image to a large one.

mod alone;
mod base;
mod page;
mod pictures;
mod scores;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Split;
use from_noise::evaluate::{CHUNK, Sampler, Sampling};
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, Cost, PictureArgs, ShardArgs, count, images_of_run};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// A cascade of two networks, one that draws small digits and one that enlarges them: against
/// interpolation, with more and less noise on the small image, guided, and against one network that
/// draws the large digits at once. It can be stopped at any time, and goes on when the same command is
/// typed again.
///
/// Examples: cargo chapter 11 --dry-run
///           cargo chapter 11 --samples 100
///           cargo chapter 11 --alone --upsampler runs/mine --out runs/mine-alone
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    shards: ShardArgs,

    /// Run directory of the network that draws the small images
    #[arg(long, value_name = "DIR", default_value = "weights/cascade/base")]
    base: PathBuf,

    /// Run directories of networks that enlarge them; the first one makes the cascade
    #[arg(long, value_name = "DIR", num_args = 1.., default_values = ["weights/cascade/upsampler", "weights/cascade/bilinear", "weights/cascade/bicubic"])]
    upsampler: Vec<PathBuf>,

    /// Run directory of the network that draws the large images at once
    #[arg(long, value_name = "DIR", default_value = "weights/cascade/direct")]
    direct: PathBuf,

    /// Only enlarge test images, and measure how near they come to the real ones
    #[arg(long, conflicts_with_all = ["base", "direct", "classifier", "shard", "collect"])]
    alone: bool,

    /// Run directory of the classifier whose features are compared
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    classifier: PathBuf,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Images for each line of the tables, at least 2 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = count::<u64>().range(2..=10_000))]
    samples: Option<u64>,
}

/// What the tables are made from.
#[derive(Debug, Serialize)]
struct Config {
    /// Of the base and of the upsampler.
    stage: Sampling,
    /// Of the network that draws at once: as many evaluations as both stages.
    direct: Sampling,
    n: u64,
    /// To which `t` the small image is noised.
    noise_levels: Vec<usize>,
    /// The level at which the upsampler is guided.
    guided_at: usize,
    /// Of the upsampler's guidance.
    scales: Vec<f64>,
}

fn config(args: &Args) -> Config {
    let common = &args.common;
    let steps = common.choose(2, 10, 50, 100);
    let along = |steps| Sampling {
        sampler: Sampler::Ddim(0.0),
        path: Path::Trailing,
        steps,
        seed: common.seed,
    };
    let few = vec![0, 100, 200, 400];
    Config {
        stage: along(steps),
        direct: along(2 * steps),
        n: args.samples.unwrap_or(common.choose(40, 500, 2000, 10_000)),
        noise_levels: common.choose(vec![0, 100], few.clone(), few.clone(), few),
        guided_at: 100,
        scales: common.choose(vec![2.0], vec![2.0], vec![1.5, 2.0, 3.0], vec![1.5, 2.0, 3.0]),
    }
}

impl Config {
    /// Evaluations of a network per image, in all tables.
    fn evaluations(&self, upsamplers: usize, alone: bool) -> u64 {
        let (levels, stage) = (self.noise_levels.len(), self.stage.steps);
        let enlarged = 1 + stage * (upsamplers + levels - 1);
        let drawn = stage * (4 + levels + 2 * self.scales.len()) + self.direct.steps;
        (enlarged + if alone { 0 } else { drawn }) as u64
    }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = config(&args);
    let dir = cli::find(&args.upsampler[0]);
    let first = Pretrained::config(&dir)?;
    args.pictures.check(&first.data)?;
    let evaluations = config.evaluations(args.upsampler.len(), args.alone);
    let cost = Cost::sampling(first.network.cost()?, config.n * evaluations, CHUNK);
    for dir in [&args.base, &args.direct].into_iter().filter(|_| !args.alone) {
        Pretrained::config(cli::find(dir))?.needs_no_image()?;
    }
    let Some(mut chapter) = cli::start("ch11-cascade", &args.common, &config, || cost)? else {
        return Ok(());
    };
    let device = chapter.device;
    let load = |dir: &PathBuf| Pretrained::load(cli::find(dir), device);
    let uppers = args.upsampler.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let smoke = args.common.smoke;
    let test = images_of_run(&dir, &first, Split::Test, smoke, &args.pictures)?;
    if args.shards.shard.is_none() {
        alone::show(&config, &uppers, &test, &mut chapter)?;
    }
    if !args.alone {
        let (base, direct) = (load(&args.base)?, load(&args.direct)?);
        let net = FeatureNet::load(cli::find(&args.classifier), chapter.device)?;
        let stages = base::Stages { base, upper: uppers[0].clone(), direct };
        scores::fill(&config, &stages, &net, &test, &args.shards, &mut chapter)?;
        if args.shards.shard.is_none() {
            pictures::show(&config, &stages, &mut chapter)?;
            page::for_the_page(&config, &stages, &mut chapter)?;
        }
    }
    chapter.results.finish();
    Ok(())
}
