//! Chapter 14: GLIDE: a model that draws what a caption says, guided without a classifier.

mod asked;
mod edit;
mod enlarge;
mod figures;
mod lines;
mod page;
mod pictures;
mod scores;

use anyhow::{Result, ensure};
use asked::{Asked, Which};
use clap::Parser;
use from_noise::data::Split;
use from_noise::evaluate::{CHUNK, Sampler, Sampling};
use from_noise::guide::Guidance;
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::{ImageCondition, Pretrained};
use from_noise::schedule::{Level, Path};
use from_noise::util::cli::{self, Common, Cost, ShardArgs, count};
use lines::Line;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// A network that reads captions, guided by growing scales: what of a caption is in the picture, read
/// by rule; compositions that training never saw; and guidance away from the caption of the objects
/// exchanged. It can be stopped at any time, and goes on when the same command is typed again.
///
/// Examples: cargo chapter 14 --dry-run
///           cargo chapter 14 --samples 50
///           cargo chapter 04 --train --config weights/glide/base --out runs/glide
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    shards: ShardArgs,

    /// Run directory of the network that reads captions
    #[arg(long, value_name = "DIR", default_value = "weights/glide/base")]
    base: PathBuf,

    /// Run directory of the network that was trained to complete pictures by captions
    #[arg(long, value_name = "DIR", default_value = "weights/glide/inpainting")]
    inpainting: PathBuf,

    /// Run directory of the network that was trained to enlarge pictures by captions
    #[arg(long, value_name = "DIR", default_value = "weights/glide/upsampler")]
    upsampler: PathBuf,

    /// Run directory of the classifier whose features are compared
    #[arg(long, value_name = "DIR", default_value = "weights/captions-classifier")]
    classifier: PathBuf,

    /// Captions of each line of the tables, at least 4 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = count::<u64>().range(4..=10_000))]
    samples: Option<u64>,
}

/// What the tables are made from.
#[derive(Debug, Serialize)]
struct Config {
    sampling: Sampling,
    n: u64,
    /// Of guidance, where 0 is no caption and 1 the caption alone.
    scales: Vec<f64>,
    /// Of guidance away from the empty caption and from that of the objects exchanged.
    of_relations: Vec<f64>,
}

fn config(args: &Args) -> Config {
    let common = &args.common;
    let steps = common.choose(2, 20, 50, 100);
    let all = vec![0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0];
    Config {
        sampling: Sampling {
            sampler: Sampler::Ddim(0.0),
            path: Path::Trailing,
            steps,
            seed: common.seed,
        },
        n: args.samples.unwrap_or(common.choose(4, 200, 2000, 10_000)),
        scales: if common.smoke { vec![0.0, 2.0] } else { all },
        of_relations: if common.smoke { vec![2.0] } else { vec![1.5, 2.0, 3.0, 5.0] },
    }
}

impl Config {
    fn lines(&self) -> Vec<Line> {
        lines::lines(&self.scales, &self.of_relations)
    }

    /// What each kind of line asks for.
    fn asked(&self, which: Which) -> Asked {
        Asked::new(which, self.n)
    }

    /// Evaluations of the network per caption, in all tables.
    fn evaluations(&self) -> u64 {
        let each = |line: &Line| Guidance::scale(line.scale).evaluations(Level::CLEAN);
        (self.lines().iter().map(each).sum::<usize>() * self.sampling.steps) as u64
    }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = config(&args);
    let network = Pretrained::config(cli::find(&args.base))?;
    let inpainting = Pretrained::config(cli::find(&args.inpainting))?;
    ensure!(
        inpainting.image_condition == Some(ImageCondition::Masked),
        "--inpainting {} was not trained to complete images: give one such as weights/glide/inpainting",
        args.inpainting.display()
    );
    let cost = Cost::sampling(network.network.cost()?, config.n * config.evaluations(), CHUNK);
    let Some(mut chapter) = cli::start("ch14-glide", &args.common, &config, || cost)? else {
        return Ok(());
    };
    let base = Pretrained::load(cli::find(&args.base), chapter.device)?;
    let net = FeatureNet::load(cli::find(&args.classifier), chapter.device)?;
    let test = network.data.load(Split::Test, network.format)?;
    let test = test.first(if args.common.smoke { 40 } else { 5000 });
    let rows = scores::fill(&config, &base, (&net, &test), &args.shards, &mut chapter)?;
    if !rows.is_empty() {
        figures::scales(&rows, &mut chapter)?;
        figures::relations(&rows, &mut chapter)?;
        pictures::prompts(&config, &base, &mut chapter)?;
        let inpainting = Pretrained::load(cli::find(&args.inpainting), chapter.device)?;
        edit::show(&config, &base, &inpainting, &mut chapter)?;
        let upsampler = Pretrained::load(cli::find(&args.upsampler), chapter.device)?;
        enlarge::show(&config, &base, &upsampler, &mut chapter)?;
        page::for_the_page(&config, &base, args.common.smoke, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}
