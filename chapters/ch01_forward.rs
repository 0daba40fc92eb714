//! Chapter 1: how structure dissolves into noise, and how much of it is left.

use anyhow::Result;
use clap::Parser;
use from_noise::data::{Toy, sample};
use from_noise::denoiser::Mixture;
use from_noise::forward::{q_sample, q_step};
use from_noise::loss::l_T;
use from_noise::metrics::radial_spectrum;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Density, Figure, Gif, Grid};
use from_noise::schedule::Schedule;
use from_noise::util::cli::{self, Common, Cost};
use from_noise::util::results::Results;
use serde::Serialize;
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

fn main() -> Result<()> {
    let args = Args::parse();
    let config = Config {
        steps: 1000,
        chains: args.common.choose(500, 20_000, 100_000, 100_000),
        frames: args.common.choose(3, 40, 40, 40),
        cells: args.common.choose(20, 100, 160, 160),
        toy: args.toy,
    };
    let flops = (config.chains * config.steps as i64 * 8) as f64
        + config.frames as f64 * (config.cells * config.cells * 256 * 12) as f64;
    let cost = Cost { parameters: 0, flops, memory: (config.cells.pow(2) * 256 * 40) as f64 };
    let Some(mut chapter) = cli::start("ch01-forward", &args.common, &config, cost)? else {
        return Ok(());
    };
    let schedule = Schedule::ddpm(config.steps);
    let results = &mut chapter.results;
    schedules_side_by_side(&config, results)?;
    what_is_left(&config, results)?;
    chain_against_closed_form(&config, &schedule, chapter.seed, results)?;
    density_dissolves(&config, &schedule, results)?;
    image_dissolves(&config, &schedule, chapter.seed, results)?;
    frequencies(&schedule, results)?;
    for_the_page(&config, results)?;
    chapter.results.finish();
    Ok(())
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

fn schedules_side_by_side(config: &Config, results: &mut Results) -> Result<()> {
    let mut alpha_bar = Curves::new("Signal left", "t", "alpha_bar");
    let mut beta = Curves::new("Noise added a step", "t", "beta").log_y();
    let mut log_snr = Curves::new("Signal against noise", "t", "log SNR").y_range(-12.0, 10.0);
    for (name, schedule) in schedules(config.steps) {
        let times = (1..=config.steps).step_by(config.steps.div_ceil(250)).chain([config.steps]);
        let curve = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
            times.clone().map(|t| (t as f64, f(t))).collect()
        };
        alpha_bar = alpha_bar.line(name, &curve(&|t| schedule.alpha_bar(t)));
        beta = beta.line(name, &curve(&|t| schedule.beta(t)));
        log_snr = log_snr.line(name, &curve(&|t| schedule.level(t).log_snr()));
    }
    let panels = [alpha_bar, beta, log_snr].map(|panel| panel.size(370.0, 240.0).draw());
    Ok(results.figure("schedules.png", &Figure::tiled(&panels, 2))?)
}

#[derive(Debug, Serialize)]
struct Left {
    schedule: &'static str,
    alpha_bar_final: f64,
    signal_std_final: f64,
    l_final_bits_per_dim: f64,
}

fn what_is_left(config: &Config, results: &mut Results) -> Result<()> {
    let one = Tensor::ones([1, 1], tch::kind::DOUBLE_CPU);
    let latent = ("latent diffusion", Schedule::quadratic(config.steps, 8.5e-4, 0.012));
    let rows = schedules(config.steps).into_iter().chain([latent]).map(|(name, schedule)| {
        let last = schedule.level(config.steps);
        // ANCHOR: l_T
        let l_final = l_T(last, &one).double_value(&[0]) / 2f64.ln();
        // ANCHOR_END: l_T
        println!("{name:>22}: alpha_bar_T {:.3e}, L_T {l_final:.3e} bits/dim", last.alpha.powi(2));
        Left {
            schedule: name,
            alpha_bar_final: last.alpha.powi(2),
            signal_std_final: last.alpha,
            l_final_bits_per_dim: l_final,
        }
    });
    Ok(results.table("what-is-left.csv", &rows.collect::<Vec<_>>())?)
}

fn chain_against_closed_form(
    config: &Config,
    schedule: &Schedule,
    seed: u64,
    results: &mut Results,
) -> Result<()> {
    let mut noise = Seeded::new(seed, 0);
    let mut x = Tensor::full([config.chains], 0.8, tch::kind::DOUBLE_CPU);
    let (mut means, mut stds, mut worst) = (Vec::new(), Vec::new(), 0f64);
    // ANCHOR: chain
    for t in 1..=schedule.steps() {
        let eps = noise.draw(&x);
        x = q_step(&x, &eps, schedule.beta(t));
        // ANCHOR_END: chain
        if t % 50 == 0 {
            let mean = x.mean(None).double_value(&[]);
            let at = schedule.level(t);
            worst = worst.max((mean - 0.8 * at.alpha).abs() / at.sigma);
            means.push((t as f64, mean));
            stds.push((t as f64, x.std(true).double_value(&[])));
        }
    }
    let exact = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        (1..=schedule.steps()).step_by(5).map(|t| (t as f64, f(t))).collect()
    };
    let figure = Curves::new("The chain arrives where the closed form says", "t", "x_t")
        .line("mean, closed form", &exact(&|t| 0.8 * schedule.level(t).alpha))
        .points("mean, chain", &means)
        .line("std, closed form", &exact(&|t| schedule.level(t).sigma))
        .points("std, chain", &stds)
        .draw();
    let chance = 1.0 / (config.chains as f64).sqrt();
    println!("chain against closed form: means within {worst:.4} std (one std error: {chance:.4})");
    results.samples(config.chains as u64);
    results.figure("chain.png", &figure)?;
    results.samples(None);
    Ok(())
}

fn density_dissolves(config: &Config, schedule: &Schedule, results: &mut Results) -> Result<()> {
    let Some(parts) = config.toy.mixture() else {
        println!("the {} has no density in closed form: no density.png", config.toy);
        return Ok(());
    };
    let data = Mixture::new(&parts.weights, &parts.means_tensor(), &parts.stds);
    let (limit, cells) = (2.0, config.cells);
    let edge = limit - limit / cells as f64; // the middle of the last cell
    let axis = Tensor::linspace(-edge, edge, cells, tch::kind::DOUBLE_CPU);
    let plane = Tensor::cartesian_prod(&[&axis, &axis]).flip([1]); // rows of y, [cells^2, (x, y)]
    let picture = |t: usize| {
        // ANCHOR: density
        let density = data.log_density(&plane, schedule.level(t)).exp();
        // ANCHOR_END: density
        let relative = (&density / density.max()).view([cells, cells]);
        Density::of_grid(format!("t = {t}"), limit, &relative).range(0.0, 1.0).bare()
    };
    let row: Vec<Figure> =
        [1, 50, 150, 300, 500, 1000].map(|t| picture(t).side(150.0).draw()).into();
    results.figure("density.png", &Figure::row(&row))?;
    let last = config.frames - 1;
    let time = |i: usize| 1 + (schedule.steps() - 1) * i * i / (last * last);
    let frames: Vec<Figure> = (0..=last).map(|i| picture(time(i)).draw()).collect();
    Ok(results.gif("density.gif", &Gif::new(&frames, 80).halved().hold(1500))?)
}

fn image_dissolves(
    config: &Config,
    schedule: &Schedule,
    seed: u64,
    results: &mut Results,
) -> Result<()> {
    let x0 = sample::digits().narrow(0, 0, 5);
    let eps = Seeded::new(seed, 0).draw(&x0);
    let times = [0, 50, 100, 200, 300, 400, 600, 800, 1000];
    let rows = times.map(|t| q_sample(&x0, &eps, schedule.level(t)));
    let images = Tensor::stack(&rows, 1).flatten(0, 1); // [5, 9, 1, 28, 28] -> [45, 1, 28, 28]
    let labels = times.map(|t| format!("t = {t}"));
    let grid = Grid::new(&images, times.len()).scale(3).column_labels(&labels);
    results.figure("image.png", &grid.draw())?;
    let last = config.frames - 1;
    let frames = (0..=last).map(|i| {
        let t = schedule.steps() * i / last;
        Grid::new(&q_sample(&x0, &eps, schedule.level(t)), 5).scale(3).draw()
    });
    Ok(results.gif("image.gif", &Gif::new(&frames.collect::<Vec<_>>(), 80).hold(1500))?)
}

fn frequencies(schedule: &Schedule, results: &mut Results) -> Result<()> {
    let digits = sample::digits();
    let bands = radial_spectrum(&digits, 12);
    // ANCHOR: drowned
    // A frequency has drowned when the noise, which is white, is as strong as its signal.
    let drowned = |power: f64| {
        (1..=schedule.steps())
            .find(|&t| schedule.alpha_bar(t) * power < 1.0 - schedule.alpha_bar(t))
            .unwrap_or(schedule.steps())
    };
    // ANCHOR_END: drowned
    let scaled = |t: usize| -> Vec<(f64, f64)> {
        bands.iter().map(|b| (b.frequency, schedule.alpha_bar(t) * b.power)).collect()
    };
    let mut spectra = Curves::new("Digits against white noise", "cycles a pixel", "power").log_y();
    for t in [1, 100, 300, 600] {
        spectra = spectra.line(format!("digits, t = {t}"), &scaled(t));
    }
    let noise = |t: usize| 1.0 - schedule.alpha_bar(t);
    spectra = spectra.hline(noise(100), "noise, t = 100").hline(noise(600), "noise, t = 600");
    let death: Vec<_> = bands.iter().map(|b| (b.frequency, drowned(b.power) as f64)).collect();
    let order = Curves::new("High frequencies drown first", "cycles a pixel", "t of drowning")
        .line("", &death)
        .y_range(0.0, schedule.steps() as f64);
    results.samples(digits.size()[0] as u64);
    let panels = [spectra, order].map(|panel| panel.size(370.0, 240.0).draw());
    results.figure("frequencies.png", &Figure::row(&panels))?;
    results.samples(None);
    Ok(())
}

/// What the book's page computes with: some digits, and numbers to check its own schedules by.
#[derive(Debug, Serialize)]
struct Page {
    side: i64,
    /// Rows of pixels, 0..=255, one digit after the other.
    digits: Vec<Vec<u8>>,
    /// For each schedule `alpha_bar` at t = 0, 50, ..., T.
    alpha_bar: Vec<(&'static str, Vec<f64>)>,
}

fn for_the_page(config: &Config, results: &mut Results) -> Result<()> {
    let pixels = sample::dataset().images.narrow(0, 0, 8);
    let digits = (0..8).map(|i| Vec::try_from(pixels.get(i).flatten(0, -1)));
    let values = |schedule: &Schedule| -> Vec<f64> {
        (0..=config.steps).step_by(50).map(|t| schedule.alpha_bar(t)).collect()
    };
    let page = Page {
        side: pixels.size()[3],
        digits: digits.collect::<Result<_, _>>()?,
        alpha_bar: schedules(config.steps).iter().map(|(name, s)| (*name, values(s))).collect(),
    };
    Ok(results.json("page.json", &page)?)
}
