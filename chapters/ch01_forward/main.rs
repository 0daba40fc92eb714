//! Chapter 1: how structure dissolves into noise, and how much of it is left.

mod digits;
mod figures;
mod page;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Toy;
use from_noise::forward::q_step;
use from_noise::loss::l_T;
use from_noise::noise::Seeded;
use from_noise::say;
use from_noise::schedule::Schedule;
use from_noise::util::cli::{self, Common, Cost};
use from_noise::util::results::Results;
use serde::Serialize;
use std::process::ExitCode;
use tch::Tensor;

/// The forward process: schedules side by side, a density and an image dissolving, the chain
/// against its closed form, which frequencies die first, and what is left at T.
///
/// Example: cargo chapter 01 --toy moons
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// The distribution in the plane that dissolves
    #[arg(long, value_enum, default_value_t = Toy::SwissRoll)]
    toy: Toy,
}

#[derive(Debug, Serialize)]
struct Config {
    /// T, of every schedule.
    steps: usize,
    /// Samples that walk the chain step by step.
    chains: i64,
    /// Frames of the GIF, and its resolution in cells.
    frames: usize,
    cells: i64,
    toy: Toy,
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let common = args.common.on_cpu()?;
    let config = Config {
        steps: 1000,
        chains: common.choose(500, 20_000, 100_000, 100_000),
        frames: common.choose(3, 40, 40, 40),
        cells: common.choose(20, 100, 160, 160),
        toy: args.toy,
    };
    let schedule = Schedule::ddpm(config.steps);
    let cost = || cost(&config, &schedule);
    let Some(mut chapter) = cli::start("ch01-forward", &common, &config, cost)? else {
        return Ok(());
    };
    let (seed, results) = (chapter.seed, &mut chapter.results);
    let schedules = schedules(config.steps);
    figures::schedules_side_by_side(&schedules, results)?;
    what_is_left(&schedules, results)?;
    let walked = walk_the_chain(config.chains, &schedule, seed);
    figures::chain_against_closed_form(&walked, config.chains, &schedule, results)?;
    figures::density_dissolves(&config, &schedule, results)?;
    digits::image_dissolves(config.frames, &schedule, seed, results)?;
    digits::frequencies(&schedule, results)?;
    page::for_the_page(&schedules, results)?;
    chapter.results.finish();
    Ok(())
}

/// The chain and the frames of the GIF take nearly all of the time.
fn cost(config: &Config, schedule: &Schedule) -> Cost {
    let x = Tensor::full([config.chains], START, tch::kind::DOUBLE_CPU);
    let step = || q_step(&x, &Seeded::new(0, 0).draw(&x), schedule.beta(1));
    let chain = Cost::timed(config.steps as u64, step);
    let Some(data) = figures::exact(config.toy) else { return chain };
    let frame = || figures::density(&data, schedule, 1, config.cells).draw();
    chain + Cost::timed(config.frames as u64, frame)
}

fn schedules(steps: usize) -> [(&'static str, Schedule); 5] {
    // ANCHOR: schedules
    [
        ("linear", Schedule::ddpm(steps)),
        ("cosine", Schedule::cosine(steps, 0.008)),
        ("quadratic", Schedule::quadratic(steps, 1e-4, 0.02)),
        ("sigmoid in beta", Schedule::sigmoid_beta(steps, 1e-4, 0.02, -6.0, 6.0)),
        ("sigmoid in alpha_bar", Schedule::sigmoid_alpha_bar(steps, -3.0, 3.0, 1.0)),
    ]
    // ANCHOR_END: schedules
}

#[derive(Debug, Serialize)]
struct Left {
    schedule: &'static str,
    alpha_bar_final: f64,
    signal_std_final: f64,
    l_final_bits_per_dim: f64,
}

fn what_is_left(schedules: &[(&'static str, Schedule)], results: &mut Results) -> Result<()> {
    let one = Tensor::ones([1, 1], tch::kind::DOUBLE_CPU);
    let latent = ("latent diffusion", Schedule::quadratic(schedules[0].1.steps(), 8.5e-4, 0.012));
    let rows = schedules.iter().chain([&latent]).map(|(name, schedule)| {
        let last = schedule.level(schedule.steps());
        // ANCHOR: l_T
        let l_final = l_T(last, &one).double_value(&[0]) / 2f64.ln();
        // ANCHOR_END: l_T
        say!("{name:>22}: alpha_bar_T {:.3e}, L_T {l_final:.3e} bits/dim", last.alpha.powi(2));
        Left {
            schedule: name,
            alpha_bar_final: last.alpha.powi(2),
            signal_std_final: last.alpha,
            l_final_bits_per_dim: l_final,
        }
    });
    Ok(results.table("what-is-left.csv", &rows.collect::<Vec<_>>())?)
}

/// Where every sample of the chain starts.
const START: f64 = 0.8;

/// The samples of the chain at every fiftieth t.
fn walk_the_chain(chains: i64, schedule: &Schedule, seed: u64) -> Vec<(usize, Tensor)> {
    let mut noise = Seeded::new(seed, 0);
    let mut x = Tensor::full([chains], START, tch::kind::DOUBLE_CPU);
    let mut seen = Vec::new();
    // ANCHOR: chain
    for t in 1..=schedule.steps() {
        let eps = noise.draw(&x);
        x = q_step(&x, &eps, schedule.beta(t));
        // ANCHOR_END: chain
        if t % 50 == 0 {
            seen.push((t, x.shallow_clone()));
        }
    }
    seen
}
