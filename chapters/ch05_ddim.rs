//! Chapter 5: DDIM: fewer steps, no noise, and a way back.

use anyhow::Result;
use clap::Parser;
use from_noise::data::{from_u8, sample};
use from_noise::denoiser::Mixture;
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling};
use from_noise::guide::DenoiserExt;
use from_noise::noise::{Seeded, gaussian};
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{ddim, ddim_invert, slerp};
use from_noise::schedule::{Path, Schedule};
use from_noise::util::cli::{self, Chapter, Common, Cost};
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::path::PathBuf;
use tch::Tensor;

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
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-ddpm")]
    weights: PathBuf,

    /// Test digits that are encoded and decoded, at most 256 [default: by preset]
    #[arg(long, value_name = "N")]
    images: Option<i64>,
}

#[derive(Debug, Clone, Serialize)]
struct Plan {
    weights: PathBuf,
    /// Of the first picture, from DDPM to the deterministic sampler.
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
        etas: vec![1.0, 0.8, 0.6, 0.4, 0.2, 0.0],
        steps: if common.smoke { 3 } else { 50 },
        counts: if common.smoke { vec![2, 3] } else { vec![5, 10, 20, 50, 100, 1000] },
        stops: if common.smoke { 3 } else { 11 },
        round_trips: if common.smoke { Vec::new() } else { trips.to_vec() },
        images: args.images.unwrap_or(common.choose(4, 48, 256, 256)).clamp(1, 256),
    }
}

/// Latents in the pictures.
const LATENTS: u64 = 10;

fn evaluations(plan: &Plan) -> usize {
    let each = LATENTS as usize;
    let sum = |counts: &[usize]| counts.iter().sum::<usize>();
    each * (plan.etas.len() * plan.steps + sum(&plan.counts))
        + 4 * plan.stops * plan.steps
        + 2 * plan.images as usize * sum(&plan.round_trips)
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = plan(&args);
    let weights = cli::find(&args.weights);
    let net = Pretrained::config(&weights)?.network.cost()?;
    let cost = Cost::sampling(net, evaluations(&plan) as u64, plan.images as u64);
    let Some(mut chapter) = cli::start("ch05-ddim", &args.common, &plan, || cost)? else {
        return Ok(());
    };
    let trained = Pretrained::load(&weights, chapter.device)?;
    noise_on_the_way(&mut chapter)?;
    let drawn = from_one_latent(&trained, &plan, &mut chapter)?;
    chapter.results.samples(LATENTS);
    chapter.results.figure("eta.png", &drawn.0)?;
    chapter.results.figure("same-latent.png", &drawn.1)?;
    chapter.results.samples(4);
    let between = between_latents(&trained, &plan, &chapter);
    chapter.results.figure("interpolation.png", &between)?;
    there_and_back(&trained, &plan, &mut chapter)?;
    chapter.results.finish();
    Ok(())
}

/// One coordinate of the exact denoiser's samples on their way, for three values of eta.
fn noise_on_the_way(chapter: &mut Chapter) -> Result<()> {
    let schedule = Schedule::ddpm(1000);
    let path = schedule.path(Path::Trailing, 200);
    let panel = |eta: f64| {
        let model = two_modes().recorded();
        let mut noise = Seeded::new(chapter.seed, 0);
        let start = noise.start(&[12, 1]);
        let end = ddim(&model, &path, start, eta, &mut |x| noise.draw(x));
        let states: Vec<Tensor> =
            model.take().into_iter().map(|seen| seen.x_t).chain([end]).collect();
        let states = on_cpu(&Tensor::cat(&states, 1)); // [12, 201]
        let title = format!("eta = {eta}");
        let mut curves = Curves::new(title, "t", "x_t").size(290.0, 260.0).y_range(-2.6, 2.6);
        for row in 0..12 {
            let values = Vec::<f64>::try_from(states.get(row)).expect("a row of numbers");
            let points: Vec<(f64, f64)> =
                path.iter().map(|at| schedule.t_of(*at)).zip(values).collect();
            curves = curves.line("", &points);
        }
        curves.draw()
    };
    let figure = Figure::row(&[1.0, 0.5, 0.0].map(panel));
    chapter.results.samples(12);
    Ok(chapter.results.figure("paths.png", &figure)?)
}

/// Data on a line, with two modes.
fn two_modes() -> Mixture {
    let means = Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]);
    Mixture::new(&[0.3, 0.7], &means, &[0.15, 0.25])
}

/// Ten latents: with every eta, and with every number of steps.
fn from_one_latent(
    trained: &Pretrained,
    plan: &Plan,
    chapter: &mut Chapter,
) -> Result<(Figure, Figure)> {
    let total = plan.etas.len() * plan.steps + plan.counts.iter().sum::<usize>();
    let mut progress = Progress::new("drawing", total as u64);
    let mut draw = |eta: f64, steps: usize, path: Path| {
        let sampling = Sampling { sampler: Sampler::Ddim(eta), path, steps, seed: chapter.seed };
        let images = ImageSampler::new(trained, sampling)?;
        anyhow::Ok(images.draw(0, LATENTS, &mut |_| progress.tick("")))
    };
    let by_eta = plan.etas.iter().map(|eta| draw(*eta, plan.steps, Path::Trailing));
    let by_eta = by_eta.collect::<Result<Vec<Tensor>>>()?;
    let by_count = plan.counts.iter().map(|steps| draw(0.0, *steps, Path::Trailing));
    let by_count = by_count.collect::<Result<Vec<Tensor>>>()?;
    progress.finish("");
    let grid = |rows: &[Tensor], labels: Vec<String>| {
        Grid::new(&Tensor::cat(rows, 0), LATENTS as usize).row_labels(&labels).draw()
    };
    let etas = plan.etas.iter().map(|eta| format!("eta = {eta}")).collect();
    let counts = plan.counts.iter().map(|steps| format!("{steps} steps")).collect();
    Ok((grid(&by_eta, etas), grid(&by_count, counts)))
}

/// Two pairs of latents, joined along the circle and along the straight line.
#[allow(non_snake_case)]
fn between_latents(trained: &Pretrained, plan: &Plan, chapter: &Chapter) -> Figure {
    let ends = Seeded::new(chapter.seed, 0).start(&trained.config.shape(4));
    let shares: Vec<f64> = (0..plan.stops).map(|i| i as f64 / (plan.stops - 1) as f64).collect();
    let mut latents = Vec::new();
    for pair in [0, 2] {
        let (a, b) = (ends.narrow(0, pair, 1), ends.narrow(0, pair + 1, 1));
        latents.extend(shares.iter().map(|share| slerp(&a, &b, *share)));
        latents.extend(shares.iter().map(|share| (1.0 - share) * &a + *share * &b));
    }
    let x_T = Tensor::cat(&latents, 0).to_device(chapter.device);
    let model = trained.model.given(None).clip(1.0);
    let path = trained.schedule.path(Path::Trailing, plan.steps);
    let x0 = ddim(&model, &path, x_T, 0.0, &mut gaussian);
    Grid::new(&x0, plan.stops).row_labels(&["circle", "line", "circle", "line"]).draw()
}

#[derive(Debug, Serialize)]
struct RoundTrip {
    /// Up, and as many down.
    steps: usize,
    /// Mean squared error a pixel, in units where white is 1 and black 0.
    digits: f64,
    /// The same of the exact denoiser of two modes on a line, in units of its own.
    exact: f64,
    /// Standard deviation of the digits' latents: 1 for standard normal noise.
    latent_std: f64,
}

/// Test digits to their latents and back, by steps.
fn there_and_back(trained: &Pretrained, plan: &Plan, chapter: &mut Chapter) -> Result<()> {
    let digits = from_u8(&sample::dataset().first(plan.images as usize).images);
    let digits = digits.to_device(chapter.device);
    let total = 2 * plan.round_trips.iter().sum::<usize>();
    let mut progress = Progress::new("there and back", total as u64);
    let mut rows = Vec::new();
    let mut pictures = vec![digits.narrow(0, 0, 16.min(plan.images))];
    let mut labels = vec!["digit".to_string()];
    for &steps in &plan.round_trips {
        let path = trained.schedule.path(Path::Uniform, steps);
        // no clipping: it would break the symmetry of the two directions
        let model = trained.model.given(None).with_callback(|_| progress.tick(""));
        let latents = ddim_invert(&model, &path, digits.shallow_clone());
        let back = ddim(&model, &path, latents.shallow_clone(), 0.0, &mut gaussian);
        rows.push(RoundTrip {
            steps,
            digits: mean((&back - &digits).square() / 4.0), // [-1, 1] is twice as wide
            exact: exact_round_trip(steps),
            latent_std: on_cpu(&latents).std(true).double_value(&[]),
        });
        if [10, 100, 1000].contains(&steps) {
            let few = |x: &Tensor| x.narrow(0, 0, 16.min(plan.images));
            pictures.extend([few(&latents) / 2.0, few(&back)]);
            labels.extend([format!("latent, {steps} steps"), "and back".to_string()]);
        }
    }
    progress.finish("");
    if rows.is_empty() {
        return Ok(()); // a smoke run
    }
    chapter.results.samples(plan.images as u64);
    chapter.results.table("inversion.csv", &rows)?;
    let line = |f: fn(&RoundTrip) -> f64| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row.steps as f64, f(row))).collect()
    };
    let curves = Curves::new("There and back", "steps", "mean squared error")
        .line("digits, trained network", &line(|row| row.digits))
        .line("two modes, exact denoiser", &line(|row| row.exact))
        .log_x()
        .log_y()
        .size(460.0, 300.0);
    chapter.results.figure("inversion.png", &curves.draw())?;
    chapter.results.samples(16);
    let grid = Grid::new(&Tensor::cat(&pictures, 0), 16.min(plan.images as usize));
    Ok(chapter.results.figure("there-and-back.png", &grid.row_labels(&labels).draw())?)
}

/// The error of the round trip where nothing was learned.
fn exact_round_trip(steps: usize) -> f64 {
    let path = Schedule::ddpm(1000).path(Path::Uniform, steps);
    let z = Seeded::new(0, 0).draw(&Tensor::empty([4000, 1], tch::kind::DOUBLE_CPU));
    let x0 =
        Tensor::cat(&[-1.0 + 0.15 * z.narrow(0, 0, 1200), 0.6 + 0.25 * z.narrow(0, 1200, 2800)], 0);
    let up = ddim_invert(&two_modes(), &path, x0.shallow_clone());
    let back = ddim(&two_modes(), &path, up, 0.0, &mut gaussian);
    mean((back - x0).square())
}

fn mean(x: Tensor) -> f64 {
    on_cpu(&x).mean(None).double_value(&[])
}
