//! Chapter 5: DDIM: fewer steps, no noise, and a way back.

mod figures;
mod inversion;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter, Common, Cost};
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::path::PathBuf;

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

    /// Test digits that are encoded and decoded, at most 256 [default: by preset]
    #[arg(long, value_name = "N")]
    images: Option<i64>,
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
    images: i64,
}

fn plan(args: &Args) -> Plan {
    let common = &args.common;
    let trips = [10, 20, 50, 100, 200, 500, 1000];
    Plan {
        weights: args.weights.clone(),
        etas: vec![1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0],
        steps: if common.smoke { 3 } else { 50 },
        counts: if common.smoke { vec![2, 3] } else { vec![5, 10, 20, 50, 100, 1000] },
        stops: if common.smoke { 3 } else { 11 },
        round_trips: if common.smoke { Vec::new() } else { trips.to_vec() },
        images: args.images.unwrap_or(common.choose(4, 48, 256, 256)).clamp(1, 256),
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

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = plan(&args);
    let weights = cli::find(&args.weights);
    let net = Pretrained::config(&weights)?.network.cost()?;
    let cost = Cost::sampling(net, evaluations(&plan), plan.images as u64);
    let Some(mut chapter) = cli::start("ch05-ddim", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    let trained = Pretrained::load(&weights, chapter.device)?;
    figures::noise_on_the_way(&mut chapter)?;
    from_one_latent(&trained, &plan, &mut chapter)?;
    figures::between_latents(&trained, &plan, &mut chapter)?;
    inversion::there_and_back(&trained, &plan, &mut chapter)?;
    chapter.results.finish();
    Ok(())
}

/// `eta.png` shows ten latents drawn with every eta, `same-latent.png` with every number of steps.
fn from_one_latent(trained: &Pretrained, plan: &Plan, chapter: &mut Chapter) -> Result<()> {
    let total = plan.etas.len() * plan.steps + plan.counts.iter().sum::<usize>();
    let mut progress = Progress::new("drawing", total as u64);
    let sampling = |eta: f64, steps: usize| {
        let (sampler, path) = (Sampler::Ddim(eta), Path::Trailing);
        Sampling { sampler, path, steps, seed: chapter.seed }
    };
    let by_eta = plan.etas.iter().map(|eta| (format!("eta = {eta}"), sampling(*eta, plan.steps)));
    let by_count =
        plan.counts.iter().map(|steps| (format!("{steps} steps"), sampling(0.0, *steps)));
    let mut draw = |rows: Vec<(String, Sampling)>| {
        cli::same_latents(trained, &rows, LATENTS, &mut |_| progress.tick(""))
    };
    let (by_eta, by_count) = (draw(by_eta.collect())?, draw(by_count.collect())?);
    progress.finish("");
    chapter.results.samples(LATENTS);
    chapter.results.figure("eta.png", &by_eta.draw())?;
    Ok(chapter.results.figure("same-latent.png", &by_count.draw())?)
}
