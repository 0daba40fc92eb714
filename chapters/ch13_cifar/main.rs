//! Chapter 13: CIFAR-10 as the papers ran it: published weights, the whole table, and what that costs.

mod learn;
mod pictures;
mod plan;
mod table;
mod times;

use anyhow::{Result, ensure};
use clap::Parser;
use from_noise::data::{Dataset, Source, Split, sample};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::say;
use from_noise::train::Precision;
use from_noise::util::cli::{self, Common, PictureArgs, ShardArgs, count, images_of_run};
use plan::Plan;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// CIFAR-10: draws by a small network that comes with the crate, or by the published one once it is
/// imported; fills Table 1 of the DDIM paper (S x eta) by it, and says about how long that takes on a
/// GPU. With --train, learns a network. A table can be stopped at any time, and goes on when the same
/// command is typed again.
///
/// Examples: cargo chapter 13
///           cargo chapter 13 --run runs/ddpm-cifar10-32 --inception FILE.pth --preset paper --out runs/table1
///           cargo chapter 13 --train --preset cpu --out runs/small
///           cargo chapter 13 --train --preset paper --device cuda:0 --out runs/cifar10
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    shards: ShardArgs,

    /// Run directory whose weights draw
    #[arg(long, value_name = "DIR", default_value = SMALL, conflicts_with = "train")]
    run: PathBuf,

    /// Weights of Inception, whose features are compared: FID
    #[arg(long, value_name = "FILE.pth", conflicts_with_all = ["train", "classifier"])]
    inception: Option<PathBuf>,

    /// Run directory of the classifier whose features are compared instead: FID-LeNet
    #[arg(long, value_name = "DIR", default_value = "weights/cifar10-jpeg-classifier")]
    classifier: PathBuf,

    /// Images to learn or to compare with: cifar10 or a folder with train/ and test/ [default:
    /// cifar10 to learn, the run's own to compare with]
    #[arg(long, value_name = "DATA")]
    data: Option<Source>,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Images for each cell of the table, at least 4 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", conflicts_with = "train", value_parser = count::<u64>().range(4..=1_000_000_000))]
    samples: Option<u64>,

    /// Numbers of steps, S [default: by preset]
    #[arg(long, value_name = "S", conflicts_with = "train", value_delimiter = ',', value_parser = count::<usize>())]
    steps: Vec<usize>,

    /// Learn instead of drawing; the run directory is --out
    #[arg(long, conflicts_with_all = TABLE)]
    train: bool,

    /// The optimizer step at which --train ends [default: by preset]
    #[arg(long, value_name = "N", requires = "train", conflicts_with_all = TABLE, value_parser = count::<u64>())]
    until: Option<u64>,

    /// In which numbers the network is computed while it learns [default: f32]
    #[arg(long, requires = "train", conflicts_with_all = TABLE, value_parser = cli::one_of(&cli::PRECISIONS))]
    precision: Option<Precision>,

    /// Go on with an interrupted training; with a later --until than it had, train it longer
    #[arg(long, requires = "train", conflicts_with_all = TABLE)]
    resume: bool,
}

/// Flags of the table, which mean nothing in training. clap does not ask for --train any more where one
/// of them is given.
const TABLE: [&str; 7] = ["run", "inception", "classifier", "samples", "steps", "shard", "collect"];

/// The run that comes with the crate; it learned from re-encoded images.
const SMALL: &str = "weights/cifar10-jpeg";

impl Args {
    /// The images that the run of this configuration was trained on, or kept from, if `--data` names
    /// no others. A smoke run needs none: it takes digits in their place.
    fn images(&self, config: &ImageConfig, split: Split) -> Result<Dataset> {
        if self.common.smoke && self.data.is_none() {
            let digits = sample::dataset();
            let images = digits.images.constant_pad_nd([2; 4]).repeat([1, 3, 1, 1]); // 28 -> 32
            return Ok(Dataset { images, ..digits });
        }
        match &self.data {
            Some(data) => self.pictures.load(data, split, config.format),
            None => images_of_run(&cli::find(&self.run), config, split, false, &self.pictures),
        }
    }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let plan = args.plan()?;
    let cost = plan.cost()?;
    let Some(mut chapter) = cli::start("ch13-cifar", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    match &plan {
        Plan::Train { until, image } => learn::learn(image, *until, &args, &chapter)?,
        Plan::Draw { run, sweep } => {
            let trained = Pretrained::load(cli::find(run), chapter.device)?;
            if args.shards.shard.is_none() {
                times::estimate(&mut chapter)?;
                pictures::show(&trained, sweep, &mut chapter)?;
            }
            match args.images(&trained.config, Split::Test) {
                Ok(test) => table::fill(&args, sweep, &trained, &test, &mut chapter)?,
                Err(why) => {
                    ensure!(args.data.is_none() && *run == Path::new(SMALL), why);
                    say!("no table of scores, for want of images: {why}");
                    say!(
                        "or compare with CIFAR-10 itself: cargo xtask data cifar10, then --data cifar10"
                    );
                }
            }
        }
    }
    chapter.results.finish();
    Ok(())
}
