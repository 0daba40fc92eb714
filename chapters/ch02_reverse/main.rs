//! Chapter 2: the way back, on data whose every answer is known.

mod figures;

use anyhow::Result;
use clap::Parser;
use from_noise::denoiser::{BestVariance, Gaussian};
use from_noise::forward::Variance;
use from_noise::loss::{Decoder, Vlb, l_vlb};
use from_noise::noise::quadrature;
use from_noise::say;
use from_noise::schedule::Schedule;
use from_noise::util::cli::{self, Common, Cost};
use from_noise::util::results::Results;
use serde::Serialize;
use std::f64::consts::{E, TAU};
use std::process::ExitCode;
use tch::Tensor;

/// The reverse process: why q(x_{t-1} | x_t) is intractable and Gaussian only for small steps,
/// the posterior that knows x0, the bound term by term, and which variance is best when.
///
/// Example: cargo chapter 02 --data-std 0.2
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Standard deviation of the Gaussian data that the bound is measured on
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    data_std: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("a positive number is needed, such as 0.5".into()),
    }
}

#[derive(Debug, Serialize)]
struct Config {
    /// Points of the grid on which the true reverse step is drawn.
    grid: i64,
    /// Lengths of chain in the table of bounds.
    lengths: Vec<usize>,
    data_std: f64,
}

/// Lengths of chain, the last of which is drawn term by term.
const LENGTHS: [usize; 4] = [10, 100, 1000, 4000];

const VARIANCES: [Variance; 3] = [Variance::Small, Variance::Large, Variance::Learned];

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let common = args.common.on_cpu()?;
    let config = Config {
        grid: common.choose(401, 2001, 2001, 2001),
        lengths: common.choose(vec![10], LENGTHS.into(), LENGTHS.into(), LENGTHS.into()),
        data_std: args.data_std,
    };
    let cost = || cost(&config);
    let Some(mut chapter) = cli::start("ch02-reverse", &common, &config, cost)? else {
        return Ok(());
    };
    let results = &mut chapter.results;
    figures::true_reverse_step(config.grid, results)?;
    figures::known_x0(results)?;
    bound_term_by_term(&config, results)?;
    figures::best_variance(results)?;
    chapter.results.finish();
    Ok(())
}

/// The bounds take nearly all of the time, each in proportion to its length.
fn cost(config: &Config) -> Cost {
    let steps = config.lengths.iter().sum::<usize>() * VARIANCES.len();
    let shortest = LENGTHS[0];
    Cost::timed((steps / shortest) as u64, || bound(config.data_std, shortest, Variance::Small))
}

/// A line of the table of bounds, in nats.
#[derive(Debug, Serialize)]
struct Bound {
    steps: usize,
    variance: Variance,
    l_0: f64,
    l_t_sum: f64,
    l_final: f64,
    total: f64,
    entropy: f64,
    gap: f64,
}

/// The bound on an exact denoiser, its expectations by quadrature: what is left of it beyond the
/// entropy is the price of the variance alone. Beside it stand its terms `L_{t-1}`.
fn bound(data_std: f64, steps: usize, variance: Variance) -> (Bound, Vec<f64>) {
    let data = Gaussian { mean: 0.0, std: data_std };
    let model = BestVariance { data, schedule: Schedule::ddpm(steps) };
    let (x0, eps, weight) = quadrature();
    let x0 = x0 * data_std;
    // ANCHOR: bound
    let bound: Vlb =
        l_vlb(&model, &model.schedule, &x0, variance, Decoder::Continuous, |_| eps.shallow_clone());
    // ANCHOR_END: bound
    let mean = |x: &Tensor| (x * &weight).sum(None).double_value(&[]);
    let entropy = 0.5 * (TAU * E * data_std.powi(2)).ln();
    let terms: Vec<f64> = bound.l_t.iter().map(mean).collect();
    let total = mean(&bound.total());
    let row = Bound {
        steps,
        variance,
        l_0: mean(&bound.l_0),
        l_t_sum: terms.iter().sum(),
        l_final: mean(&bound.l_T),
        total,
        entropy,
        gap: total - entropy,
    };
    (row, terms)
}

/// The table of bounds, and the terms of the longest chain as a picture.
fn bound_term_by_term(config: &Config, results: &mut Results) -> Result<()> {
    let (mut rows, mut longest) = (Vec::new(), Vec::new());
    for &steps in &config.lengths {
        longest.clear();
        for variance in VARIANCES {
            let (row, terms) = bound(config.data_std, steps, variance);
            let Bound { total, entropy, .. } = row;
            say!("T = {steps:>4}, {variance:?} variance: {total:.4} nats, entropy {entropy:.4}");
            rows.push(row);
            longest.push((variance, terms));
        }
    }
    results.table("bound.csv", &rows)?;
    figures::terms_of_the_bound(&longest, results)
}
