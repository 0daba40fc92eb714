//! The pictures of chapter 1 that are computed exactly.

use super::{Config, START};
use anyhow::Result;
use from_noise::data::Toy;
use from_noise::denoiser::Mixture;
use from_noise::plot::{Curves, Density, Figure, Gif};
use from_noise::say;
use from_noise::schedule::Schedule;
use from_noise::util::results::Results;
use tch::Tensor;

/// `schedules.png` shows the signal left, the noise added and the log SNR of every schedule.
pub fn schedules_side_by_side(schedules: &[(&str, Schedule)], results: &mut Results) -> Result<()> {
    let mut alpha_bar = Curves::new("Signal left", "t", "alpha_bar");
    let mut beta = Curves::new("Noise added per step", "t", "beta").log_y();
    let mut log_snr = Curves::new("Signal to noise", "t", "log SNR").y_range(-12.0, 10.0);
    for (name, schedule) in schedules {
        let steps = schedule.steps();
        let times = (1..=steps).step_by(steps.div_ceil(250)).chain([steps]);
        let curve = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
            times.clone().map(|t| (t as f64, f(t))).collect()
        };
        alpha_bar = alpha_bar.line(*name, &curve(&|t| schedule.alpha_bar(t)));
        beta = beta.line(*name, &curve(&|t| schedule.beta(t)));
        log_snr = log_snr.line(*name, &curve(&|t| schedule.level(t).log_snr()));
    }
    let [left, middle] = [alpha_bar, beta].map(|panel| panel.without_legend().size(260.0, 230.0));
    let right = log_snr.size(380.0, 230.0); // the names beside it are those of all three
    let panels = [left, middle, right].map(|panel| panel.draw());
    Ok(results.figure("schedules.png", &Figure::row(&panels))?)
}

/// `chain.png` shows that the chain arrives where the closed form says.
pub fn chain_against_closed_form(
    walked: &[(usize, Tensor)],
    chains: i64,
    schedule: &Schedule,
    results: &mut Results,
) -> Result<()> {
    let (mut means, mut stds, mut worst) = (Vec::new(), Vec::new(), 0f64);
    for (t, x) in walked {
        let mean = x.mean(None).double_value(&[]);
        let at = schedule.level(*t);
        worst = worst.max((mean - START * at.alpha).abs() / at.sigma);
        means.push((*t as f64, mean));
        stds.push((*t as f64, x.std(true).double_value(&[])));
    }
    let exact = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        (1..=schedule.steps()).step_by(5).map(|t| (t as f64, f(t))).collect()
    };
    let figure = Curves::new("The chain arrives where the closed form says", "t", "x_t")
        .line("mean, closed form", &exact(&|t| START * schedule.level(t).alpha))
        .points("mean, chain", &means)
        .line("std, closed form", &exact(&|t| schedule.level(t).sigma))
        .points("std, chain", &stds)
        .draw();
    let chance = 1.0 / (chains as f64).sqrt();
    say!("chain against closed form: means within {worst:.4} std (one std error: {chance:.4})");
    results.samples(chains as u64);
    results.figure("chain.png", &figure)?;
    results.samples(None);
    Ok(())
}

/// `density.png` and `density.gif` show the density of the toy as it dissolves.
pub fn density_dissolves(
    config: &Config,
    schedule: &Schedule,
    results: &mut Results,
) -> Result<()> {
    let Some(data) = exact(config.toy) else {
        say!("the {} has no density in closed form: no density.png", config.toy);
        return Ok(());
    };
    let picture = |t: usize| density(&data, schedule, t, config.cells);
    let row: Vec<Figure> =
        [1, 50, 150, 300, 500, 1000].map(|t| picture(t).side(150.0).draw()).into();
    results.figure("density.png", &Figure::row(&row))?;
    let last = config.frames - 1;
    let time = |i: usize| 1 + (schedule.steps() - 1) * i * i / (last * last);
    let frames: Vec<Figure> = (0..=last).map(|i| picture(time(i)).draw()).collect();
    Ok(results.gif("density.gif", &Gif::new(&frames, 80).halved().hold(1500))?)
}

/// The toy whose density is known in closed form at every level, if it is.
pub fn exact(toy: Toy) -> Option<Mixture> {
    let parts = toy.mixture()?;
    Some(Mixture::new(&parts.weights, &parts.means_tensor(), &parts.stds))
}

/// One picture of the density at `t`, relative to its highest value.
pub fn density(data: &Mixture, schedule: &Schedule, t: usize, cells: i64) -> Density {
    let limit = 2.0;
    let edge = limit - limit / cells as f64; // the middle of the last cell
    let axis = Tensor::linspace(-edge, edge, cells, tch::kind::DOUBLE_CPU);
    let plane = Tensor::cartesian_prod(&[&axis, &axis]).flip([1]); // rows of y, [cells^2, (x, y)]
    // ANCHOR: density
    let density = data.log_density(&plane, schedule.level(t)).exp();
    // ANCHOR_END: density
    let relative = (&density / density.max()).view([cells, cells]);
    Density::of_grid(format!("t = {t}"), limit, &relative).range(0.0, 1.0).bare()
}
