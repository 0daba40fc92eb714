//! Chapter 5: DDIM: fewer steps, no noise, and a way back.

mod figures;
mod inversion;

use anyhow::{Result, ensure};
use clap::Parser;
use from_noise::data::Split;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter, Common, Cost, PictureArgs};
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// DDIM on the digits that come with the crate: from eta = 1 to eta = 0, the same latent with few
/// and with many steps, between two latents, and from a digit to its latent and back.
///
/// Examples: cargo chapter 05
///           cargo chapter 05 --images 256 --out runs/ddim
///           cargo chapter 05 --weights runs/mine --device cuda:0
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Run directory whose weights draw
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-unet-v")]
    weights: PathBuf,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Test images that are encoded and decoded, at most 256 [default: by preset]
    #[arg(long, value_name = "N", conflicts_with = "preset", value_parser = clap::value_parser!(u64).range(1..=256))]
    images: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct Plan {
    weights: PathBuf,
    /// Of the first picture, from DDPM to the deterministic sampler: closest where most digits change.
    etas: Vec<f64>,
    /// Steps of the first and of the third picture.
    steps: usize,
    /// Steps for one and the same latent.
    counts: Vec<usize>,
    /// Stops on the way between two latents, both ends included.
    stops: usize,
    /// Steps up and down again.
    round_trips: Vec<usize>,
    images: u64,
}

/// What is drawn from a schedule of `most` steps.
fn plan(args: &Args, most: usize) -> Plan {
    let common = &args.common;
    let possible = |counts: &[usize]| counts.iter().copied().filter(|n| *n <= most).collect();
    let counts: &[usize] = if common.smoke { &[2, 3] } else { &[5, 10, 20, 50, 100, 1000] };
    let trips: &[usize] = if common.smoke { &[] } else { &[10, 20, 50, 100, 200, 500, 1000] };
    Plan {
        weights: args.weights.clone(),
        etas: vec![1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0],
        steps: most.min(if common.smoke { 3 } else { 50 }),
        counts: if most < counts[0] { vec![most] } else { possible(counts) },
        stops: if common.smoke { 3 } else { 11 },
        round_trips: possible(trips),
        images: args.images.unwrap_or(common.choose(4, 48, 256, 256)),
    }
}

/// Latents in the pictures.
const LATENTS: u64 = 10;

/// How often the network is evaluated on an image.
fn evaluations(plan: &Plan) -> u64 {
    let sum = |counts: &[usize]| counts.iter().sum::<usize>();
    let drawn = LATENTS as usize * (plan.etas.len() * plan.steps + sum(&plan.counts));
    let between = 4 * plan.stops * plan.steps;
    let there_and_back = 2 * plan.images as usize * sum(&plan.round_trips);
    (drawn + between + there_and_back) as u64
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let weights = cli::find(&args.weights);
    let config = Pretrained::config(&weights)?;
    config.needs_no_image()?;
    config.needs_no_caption()?;
    ensure!(
        config.classes.is_none(),
        "{} draws one class at a time, this chapter any: take cargo from-noise sample {}",
        args.weights.display(),
        cli::quoted(&args.weights)
    );
    let schedule = config.schedule.build();
    let plan = plan(&args, schedule.steps());
    sampling(0.0, plan.steps, args.common.seed).check(&schedule, config.parameterization)?;
    let cost = Cost::sampling(config.network.cost()?, evaluations(&plan), plan.images);
    let Some(mut chapter) = cli::start("ch05-ddim", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    let trained = Pretrained::load(&weights, chapter.device)?;
    let images = cli::images_of_run(&weights, &config, Split::Test, true, &args.pictures)?;
    figures::noise_on_the_way(&mut chapter)?;
    from_one_latent(&trained, &plan, &mut chapter)?;
    figures::between_latents(&trained, &plan, &mut chapter)?;
    let images = images.first(plan.images as usize);
    inversion::there_and_back(&trained, &images, &plan.round_trips, &mut chapter)?;
    chapter.results.finish();
    Ok(())
}

/// DDIM on the path that starts at `T`.
fn sampling(eta: f64, steps: usize, seed: u64) -> Sampling {
    Sampling { sampler: Sampler::Ddim(eta), path: Path::Trailing, steps, seed }
}

/// `eta.png` shows ten latents drawn with every eta, `same-latent.png` with every number of steps.
fn from_one_latent(trained: &Pretrained, plan: &Plan, chapter: &mut Chapter) -> Result<()> {
    let total = plan.etas.len() * plan.steps + plan.counts.iter().sum::<usize>();
    let mut progress = Progress::new("drawing", total as u64);
    let of = |eta: f64, steps: usize| sampling(eta, steps, chapter.seed);
    let by_eta = plan.etas.iter().map(|eta| (format!("eta = {eta}"), of(*eta, plan.steps)));
    let by_count = plan.counts.iter().map(|steps| (format!("{steps} steps"), of(0.0, *steps)));
    let (by_eta, by_count) = (by_eta.collect::<Vec<_>>(), by_count.collect::<Vec<_>>());
    let mut draw = |rows: Vec<(String, Sampling)>| {
        cli::same_latents(trained, &rows, LATENTS, &mut |_| progress.tick(""))
    };
    let (by_eta, by_count) = (draw(by_eta)?, draw(by_count)?);
    progress.finish("");
    chapter.results.samples(LATENTS);
    chapter.results.figure("eta.png", &by_eta.draw())?;
    Ok(chapter.results.figure("same-latent.png", &by_count.draw())?)
}
