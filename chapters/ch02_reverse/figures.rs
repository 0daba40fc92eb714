//! The pictures of chapter 2.

use anyhow::Result;
use from_noise::denoiser::{BestVariance, Gaussian, Mixture};
use from_noise::forward::{Variance, posterior, transition};
use from_noise::plot::{Curves, Figure};
use from_noise::say;
use from_noise::schedule::{Level, Schedule};
use from_noise::util::results::Results;
use serde::Serialize;
use std::f64::consts::TAU;
use tch::Tensor;

fn log_normal(x: &Tensor, mean: f64, var: f64) -> Tensor {
    (x - mean).square() * (-0.5 / var) - 0.5 * (TAU * var).ln()
}

fn pairs(x: &Tensor, y: &Tensor) -> Vec<(f64, f64)> {
    let column = |x: &Tensor| Vec::<f64>::try_from(x.view([-1])).expect("f64 numbers");
    column(x).into_iter().zip(column(y)).collect()
}

#[derive(Debug, Serialize)]
struct Step {
    beta: f64,
    kl_nats: f64,
}

/// `reverse-step.png` shows the true q(x_s | x_t) of two Gaussians as data against the Gaussian of
/// equal mean and variance, for ever smaller steps.
pub fn true_reverse_step(grid: i64, results: &mut Results) -> Result<()> {
    let data =
        Mixture::new(&[0.3, 0.7], &Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]), &[0.15, 0.25]);
    let s = Schedule::cosine(1000, 0.008).level(100);
    let x_t = Tensor::from_slice(&[-0.1]).view([1, 1]);
    let x = Tensor::linspace(-2.0, 2.0, grid, tch::kind::DOUBLE_CPU);
    let dx = 4.0 / (grid - 1) as f64;
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for beta in [0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002] {
        let alpha_bar = s.alpha.powi(2) * (1.0 - beta);
        let t = Level::variance_preserving(alpha_bar.ln());
        // ANCHOR: true_step
        let log_p = data.log_reverse(&x.view([-1, 1]), &x_t, t, s);
        let p = log_p.exp();
        let mean = (&p * &x).sum(None).double_value(&[]) * dx;
        let var = (&p * (&x - mean).square()).sum(None).double_value(&[]) * dx;
        let matched = log_normal(&x, mean, var);
        let gap: Tensor = &p * (&log_p - &matched);
        let kl_nats = gap.sum(None).double_value(&[]) * dx;
        // ANCHOR_END: true_step
        if [0.9, 0.5, 0.1, 0.01].contains(&beta) {
            let panel = Curves::new(format!("beta = {beta}"), "x_s", "density")
                .line("true q(x_s | x_t)", &pairs(&x, &p))
                .dashed("Gaussian", &pairs(&x, &matched.exp()));
            let named = panels.len() % 2 == 1; // the names beside the right ones are those of all
            let panel = if named { panel } else { panel.without_legend() };
            panels.push(panel.size(if named { 403.0 } else { 290.0 }, 220.0).draw());
        }
        say!("one step of beta = {beta:<5}: KL(true || Gaussian) = {kl_nats:.2e} nats");
        rows.push(Step { beta, kl_nats });
    }
    results.table("reverse-step.csv", &rows)?;
    Ok(results.figure("reverse-step.png", &Figure::tiled(&panels, 2))?)
}

/// `posterior.png` shows that knowing x0 makes the step Gaussian, prior times likelihood, and how
/// the posterior's weights move along the schedule.
pub fn known_x0(results: &mut Results) -> Result<()> {
    let schedule = Schedule::ddpm(1000);
    let (t, s, x0, x_t) = (schedule.level(300), schedule.level(200), 0.8, -0.2);
    let x = Tensor::linspace(-2.0, 2.0, 800, tch::kind::DOUBLE_CPU);
    let step = transition(t, s);
    // ANCHOR: posterior
    let prior = log_normal(&x, s.alpha * x0, s.sigma.powi(2));
    let likelihood = log_normal(&(&x * step.scale), x_t, step.var);
    let q = posterior(t, s);
    let product = log_normal(&x, q.on_x0 * x0 + q.on_xt * x_t, q.var_small);
    // ANCHOR_END: posterior
    let bayes = Curves::new("From t = 300 to s = 200, knowing x0 = 0.8", "x_s", "density")
        .line("q(x_s | x0)", &pairs(&x, &prior.exp()))
        .line("q(x_t | x_s), x_t = -0.2", &pairs(&x, &likelihood.exp()))
        .line("posterior", &pairs(&x, &product.exp()));
    let curve = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        (1..=1000).map(|t| (t as f64, f(t))).collect()
    };
    let at = |t: usize| posterior(schedule.level(t), schedule.level(t - 1));
    let weights = Curves::new("Weights of the posterior mean", "t", "weight")
        .log_x()
        .line("on x0", &curve(&|t| at(t).on_x0))
        .line("on x_t", &curve(&|t| at(t).on_xt));
    let ratios: Vec<_> =
        (1..=1000).map(|t| (t as f64, at(t).var_small / at(t).var_large)).collect();
    let ratio = Curves::new("Smaller to larger variance", "t", "beta_tilde / beta")
        .line("", &ratios)
        .log_x();
    let panels = [bayes.size(370.0, 230.0), weights.size(265.0, 230.0), ratio.size(235.0, 230.0)];
    Ok(results.figure("posterior.png", &Figure::row(&panels.map(|panel| panel.draw())))?)
}

/// `bound.png` shows the terms of the bound by t, for each variance.
pub fn terms_of_the_bound(terms: &[(Variance, Vec<f64>)], results: &mut Results) -> Result<()> {
    let mut figure = Curves::new("The terms of the bound", "t", "L_{t-1}, nats").log_x().log_y();
    for (variance, l_t) in terms {
        let points: Vec<_> = l_t.iter().enumerate().map(|(i, &l)| (i as f64 + 2.0, l)).collect();
        let name = format!("{variance:?}").to_lowercase();
        // the three almost coincide: a line, dashes on it, and a few points
        figure = match variance {
            Variance::Small => figure.line(name, &points),
            Variance::Large => figure.dashed(name, &points),
            Variance::Learned => {
                let sparse = |t: f64| (4.0 * t.ln()).fract() < 4.0 / t;
                let some = points.into_iter().filter(|(t, _)| sparse(*t));
                figure.points(name, &some.collect::<Vec<_>>())
            }
        };
    }
    Ok(results.figure("bound.png", &figure.draw())?)
}

/// `variance.png` shows where between beta_tilde (0) and beta (1) the best variance lies, for narrow
/// and wide data.
pub fn best_variance(results: &mut Results) -> Result<()> {
    let schedule = Schedule::ddpm(1000);
    let mut figure = Curves::new("The best variance", "t", "nu: 0 small, 1 large").log_x();
    for std in [0.01, 0.05, 0.2, 0.5, 1.0] {
        let best = BestVariance { data: Gaussian { mean: 0.0, std }, schedule: schedule.clone() };
        let curve: Vec<_> = (2..=1000).map(|t| (t as f64, best.nu(t))).collect();
        figure = figure.line(format!("data std {std}"), &curve);
    }
    Ok(results.figure("variance.png", &figure.draw())?)
}
