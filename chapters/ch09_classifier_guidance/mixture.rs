//! Where everything is known: data on a line, the class two of their four modes, and its exact
//! classifier in place of a learned one.

use anyhow::Result;
use from_noise::denoiser::{Denoiser, Mixture};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::{DenoiserExt, log_prob_gradient};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::sample::{GradientAt, MeanShift, ddim, ddpm_guided, dpm_solver_3};
use from_noise::schedule::{Level, Path, Schedule};
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::kind::DOUBLE_CPU;
use tch::{Kind, Tensor};

/// The class, by its components.
const CLASS: [i64; 2] = [2, 3];

fn data() -> Mixture {
    let means = Tensor::from_slice(&[-1.2, -0.3, 0.3, 1.2]).view([4, 1]);
    Mixture::new(&[0.3, 0.2, 0.2, 0.3], &means, &[0.3, 0.3, 0.3, 0.2])
}

/// How far the samples of each way to guide are from the class, by the number of steps.
#[derive(Debug, Serialize)]
struct Steps {
    steps: usize,
    /// Algorithm 1 with its gradient at the mean, and at `x_t`; Algorithm 2 in DDIM with
    /// `eta = 1`, and with `eta = 0`.
    mean: f64,
    sample: f64,
    score: f64,
    ddim: f64,
}

/// What the scale does.
#[derive(Debug, Serialize)]
struct Scale {
    scale: f64,
    /// The mean of `p(y | x0)` over the samples.
    purity: f64,
    std: f64,
}

/// How far the gradient of a classifier of clean data is off, by the level.
#[derive(Debug, Serialize)]
struct Gradient {
    t: usize,
    /// In units of the exact gradient, root mean square.
    error: f64,
}

/// The quantiles of the standard normal distribution that cut it into `n` equal parts: `[n, 1]`.
fn quantiles(n: i64) -> Tensor {
    let p: Tensor = (2.0 * Tensor::arange(n, DOUBLE_CPU) + 1.0) / n as f64 - 1.0;
    (p.erfinv() * 2f64.sqrt()).view([-1, 1])
}

/// All four from the same latents, `n` of them. `class` holds as many quantiles of the class, and the
/// distance is the mean one between samples and quantiles, both in order (Wasserstein-1).
fn algorithms(class: &Tensor, steps: usize) -> Steps {
    let (all, schedule, n) = (data(), Schedule::ddpm(1000), class.size()[0]);
    let distance = |x: Tensor| {
        let gaps = (x.view([-1]).sort(0, false).0 - class.view([-1])).abs();
        gaps.mean(None::<Kind>).double_value(&[])
    };
    let log_prob = |x: &Tensor, at: Level| all.class_log_prob(&CLASS, x, at);
    let path = schedule.path(Path::Trailing, steps);
    let start = || Seeded::new(0, 0).draw(&Tensor::empty([n, 1], DOUBLE_CPU));
    let mut noise = Seeded::new(1, 0);
    let mut shifted = |gradient_at| {
        let shift = MeanShift { log_prob: &log_prob, scale: 1.0, gradient_at };
        let draw = &mut |x: &Tensor| noise.draw(x);
        distance(ddpm_guided(&all, &path, start(), Variance::Small, &shift, draw))
    };
    let (mean, sample) = (shifted(GradientAt::Mean), shifted(GradientAt::Sample));
    let guided = (&all).classifier_guided(log_prob, 1.0);
    let mut by_score = |eta| distance(ddim(&guided, &path, start(), eta, &mut |x| noise.draw(x)));
    Steps { steps, mean, sample, score: by_score(1.0), ddim: by_score(0.0) }
}

/// Of data `x0`, `[n, 1]`, noised to the level `t`.
fn gradient(x0: &Tensor, t: usize) -> Gradient {
    let (all, at) = (data(), Schedule::ddpm(1000).level(t));
    let x_t = q_sample(x0, &Seeded::new(2, 0).draw(x0), at);
    let of =
        |level: Level| log_prob_gradient(|x, _| all.class_log_prob(&CLASS, x, level), &x_t, level);
    let (exact, clean) = (of(at), of(Level::CLEAN));
    let norm = |x: &Tensor| x.square().mean(None::<Kind>).sqrt().double_value(&[]);
    Gradient { t, error: norm(&(clean - &exact)) / norm(&exact) }
}

/// `algorithms.csv`, `temperature.csv`, `clean-gradient.csv` and `exact.png`.
pub fn show(smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let (n, most) = if smoke { (50, 10) } else { (4000, 250) };
    let path = Schedule::ddpm(1000).path(Path::LogSnr, most);
    // without fresh noise, quantiles of x_T lead to quantiles of what is drawn
    let drawn = |data: &dyn Denoiser| dpm_solver_3(data, &path, quantiles(n));
    let class = drawn(&data().given(&CLASS));
    let steps = [5, 10, 25, 50, 100, 250].into_iter().filter(|steps| *steps <= most);
    let steps: Vec<Steps> = steps.map(|steps| algorithms(&class, steps)).collect();
    let scales = [0.0, 0.5, 1.0, 2.0, 5.0, 10.0].map(|scale| {
        let log_prob = |x: &Tensor, at: Level| data().class_log_prob(&CLASS, x, at);
        let x = drawn(&data().classifier_guided(log_prob, scale));
        let purity = log_prob(&x, Level::CLEAN).exp().mean(None::<Kind>).double_value(&[]);
        Scale { scale, purity, std: x.std(false).double_value(&[]) }
    });
    let x0 = drawn(&data());
    let errors = [1, 20, 50, 100, 200, 300, 500, 800].map(|t| gradient(&x0, t));
    chapter.results.samples(n as u64);
    chapter.results.table("algorithms.csv", &steps)?;
    chapter.results.table("temperature.csv", &scales)?;
    chapter.results.table("clean-gradient.csv", &errors)?;
    let line = |of: fn(&Steps) -> f64| -> Vec<(f64, f64)> {
        steps.iter().map(|row| (row.steps as f64, of(row))).collect()
    };
    let ways = Curves::new("Distance from the class", "steps", "Wasserstein-1")
        .line("Algorithm 1, at the mean", &line(|row| row.mean))
        .line("Algorithm 1, at x_t", &line(|row| row.sample))
        .line("Algorithm 2, η = 1", &line(|row| row.score))
        .line("Algorithm 2, η = 0", &line(|row| row.ddim))
        .log_x()
        .log_y();
    let errors: Vec<(f64, f64)> = errors.iter().map(|row| (row.t as f64, row.error)).collect();
    let error = Curves::new("A clean classifier's gradient", "t", "error (1 = exact gradient)")
        .line("error", &errors)
        .points("error", &errors)
        .log_y()
        .without_legend();
    let figure = Figure::row(&[ways.size(460.0, 280.0).draw(), error.size(320.0, 280.0).draw()]);
    Ok(chapter.results.figure("exact.png", &figure)?)
}
