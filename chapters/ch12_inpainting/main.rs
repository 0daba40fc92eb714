//! Chapter 12: inpainting: what is missing of a picture, drawn by a network that never saw a mask,
//! and by one that was trained on masks.

mod networks;
mod page;
mod pictures;
mod scores;

use anyhow::Result;
use clap::Parser;
use from_noise::data::{Mask, Split, from_u8};
use from_noise::evaluate::{CHUNK, Inpainting, Known, Sampler, Sampling};
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::Pretrained;
use from_noise::sample::Resampling;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, Cost, PictureArgs, ShardArgs, count, images_of_run};
use networks::Networks;
use serde::Serialize;
use std::path::{Path as FilePath, PathBuf};
use std::process::ExitCode;

/// Inpainting by projection, by replacement, by RePaint and by a network that was trained for it:
/// test digits of which a half, a box, a few strokes or all but the middle is missing, completed and
/// measured; and digits drawn anew from more and more noise (SDEdit). It can be stopped at any time,
/// and goes on when the same command is typed again.
///
/// Examples: cargo chapter 12 --dry-run
///           cargo chapter 12 --samples 100
///           cargo chapter 12 --weights runs/mine --classifier runs/my-classifier
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    shards: ShardArgs,

    /// Run directory whose weights draw
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-ddpm")]
    weights: PathBuf,

    /// Run directory of a network trained to inpaint (its "image_condition" is "masked") [default:
    /// weights/mnist-inpainting beside the default weights, or none]
    #[arg(long, value_name = "DIR")]
    trained: Option<PathBuf>,

    /// Run directory of the classifier whose features are compared
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    classifier: PathBuf,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Images to complete for each line of the table, at least 2 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = count::<u64>().range(2..=10_000))]
    samples: Option<u64>,
}

/// What the table is made from.
#[derive(Debug, Serialize)]
struct Config {
    sampling: Sampling,
    n: u64,
    masks: [Mask; 4],
    /// The ways to inpaint, the rows of every table.
    ways: Vec<Inpainting>,
}

fn config(args: &Args) -> Config {
    let common = &args.common;
    let steps = common.choose(4, 50, 250, 250);
    let sampling =
        Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps, seed: common.seed };
    let times = common.choose(2, 5, 10, 10);
    let back = Resampling { jump: times, times };
    let mut ways =
        vec![Inpainting::Project, Inpainting::Repaint(Resampling::NONE), Inpainting::Repaint(back)];
    ways.extend(args.trained().map(|_| Inpainting::Trained));
    Config {
        sampling,
        n: args.samples.unwrap_or(common.choose(40, 500, 2000, 10_000)),
        masks: Mask::ALL,
        ways,
    }
}

impl Args {
    /// The network that was trained to inpaint, if there is one.
    fn trained(&self) -> Option<PathBuf> {
        let usual = self.weights == FilePath::new("weights/mnist-ddpm");
        let usual = usual.then(|| PathBuf::from("weights/mnist-inpainting"));
        self.trained.clone().or(usual).map(|dir| cli::find(&dir))
    }
}

impl Config {
    fn evaluations(&self) -> usize {
        let steps = self.sampling.steps;
        let each = |way: &Inpainting| match way {
            Inpainting::Repaint(resampling) => resampling.evaluations(steps),
            _ => steps,
        };
        self.masks.len() * self.ways.iter().map(each).sum::<usize>()
    }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = config(&args);
    let dir = cli::find(&args.weights);
    let image = Pretrained::config(&dir)?;
    image.needs_no_image()?;
    image.needs_no_caption()?;
    args.pictures.check(&image.data)?;
    config.sampling.check(&image.schedule.build(), image.parameterization)?;
    let cost = Cost::sampling(image.network.cost()?, config.n * config.evaluations() as u64, CHUNK);
    let Some(mut chapter) = cli::start("ch12-inpainting", &args.common, &config, || cost)? else {
        return Ok(());
    };
    let load = |dir| Pretrained::load(dir, chapter.device);
    let trained = args.trained().map(load).transpose()?;
    let networks = Networks { free: load(dir.clone())?, trained };
    let net = FeatureNet::load(cli::find(&args.classifier), chapter.device)?;
    let test = images_of_run(&dir, &image, Split::Test, args.common.smoke, &args.pictures)?;
    let few = test.first(config.n as usize);
    let known = |mask: Mask| Known {
        images: from_u8(&few.images),
        mask: mask.of(image.format.size as i64),
        name: mask.to_string(),
        classes: Some(few.labels.shallow_clone()),
    };
    let rows = scores::fill(&config, &networks, &net, &test, &known, &args.shards, &mut chapter)?;
    if !rows.is_empty() {
        pictures::completions(&config, &networks, &known, &mut chapter)?;
        pictures::strengths(&config, &networks.free, &few, &mut chapter)?;
        page::for_the_page(&test, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}
