//! The pictures of chapter 3 that show a network at work.

use super::{Net, Plan};
use anyhow::Result;
use from_noise::denoiser::{Denoiser, Mixture};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::DenoiserExt;
use from_noise::noise::Seeded;
use from_noise::plot::{Density, Figure, Gif, Scatter, Trajectories};
use from_noise::sample::{ddim, ddpm};
use from_noise::say;
use from_noise::schedule::Path;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

/// `trajectories.png` shows the same points on their way, deterministic beside ancestral, and
/// `denoising.gif` the first of the two.
pub fn trajectories(plan: &Plan, net: &Net, chapter: &mut Chapter) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let path = schedule.path(Path::Trailing, if plan.points < 100 { 10 } else { 50 });
    let n = plan.points.min(400);
    let walk = |title: &str, stochastic: bool, shown: i64| {
        let mut noise = Seeded::new(chapter.seed, 0);
        let start = noise.start(&[n, 2]).to_device(chapter.device);
        // ANCHOR: watch
        let watched = net.ema.model.given(()).recorded();
        let end = if stochastic {
            ddpm(&watched, &path, start, Variance::Small, &mut |x| noise.draw(x))
        } else {
            ddim(&watched, &path, start, 0.0, &mut |x| noise.draw(x))
        };
        let mut points: Vec<Tensor> = watched.take().into_iter().map(|seen| seen.x_t).collect();
        points.push(end);
        // ANCHOR_END: watch
        let few: Vec<Tensor> = points.iter().map(|x| x.narrow(0, 0, n.min(shown))).collect();
        (Trajectories::new(title, 2.5).steps(&few).draw(), points)
    };
    let (smooth, points) = walk("eta = 0: 60 smooth paths", false, 60);
    let (rough, _) = walk("Algorithm 2: six of them, fresh noise at each step", true, 6);
    chapter.results.samples(n.min(60) as u64);
    chapter.results.figure("trajectories.png", &Figure::row(&[smooth, rough]))?;
    let frame = |x: &Tensor| Scatter::new("", 2.0).points("", x).bare().draw();
    chapter.results.samples(n as u64);
    let gif = Gif::new(&points.iter().map(frame).collect::<Vec<_>>(), 60).halved().hold(1500);
    Ok(chapter.results.gif("denoising.gif", &gif)?)
}

#[derive(Debug, Serialize)]
struct FieldError {
    t: usize,
    /// E |learned - exact|^2 / E |exact|^2 over points of the noised data.
    relative_squared_error: f64,
}

/// `field.png` shows how far the learned score is from the exact one, where the noised data are and
/// where they are not.
pub fn field_against_score(
    plan: &Plan,
    net: &Net,
    exact: &Mixture,
    chapter: &mut Chapter,
) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let model = net.ema.model.given(());
    let (limit, cells) = (2.5, 60);
    let edge = limit - limit / cells as f64; // the middle of the last cell
    let axis = Tensor::linspace(-edge, edge, cells, tch::kind::DOUBLE_CPU);
    let grid = Tensor::cartesian_prod(&[&axis, &axis]).flip([1]); // rows of y, [cells^2, (x, y)]
    let _guard = tch::no_grad_guard();
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for t in [50, 200, 500] {
        let at = schedule.level(t);
        let learned = |x: &Tensor| {
            let x_f32 = x.to_kind(Kind::Float).to_device(chapter.device);
            on_cpu(&model.denoise(&x_f32, at).score(at))
        };
        let truly = |x: &Tensor| exact.denoise(x, at).score(at);
        let x0 = on_cpu(&plan.toy.toy.sample(plan.points as usize, chapter.seed.wrapping_add(4)));
        let x_t = q_sample(&x0, &Seeded::new(chapter.seed, 2 << 32).draw(&x0), at);
        let error = (learned(&x_t) - truly(&x_t)).square().mean(None);
        let size = truly(&x_t).square().mean(None);
        let relative_squared_error = (error / size).double_value(&[]);
        say!("t = {t:>3}: relative squared error of the score {relative_squared_error:.4}");
        rows.push(FieldError { t, relative_squared_error });
        let distance =
            (learned(&grid) - truly(&grid)).square().sum_dim_intlist(1, false, None).sqrt();
        let map = (distance * at.sigma).view([cells, cells]); // of the noise: eps = -sigma score
        let map = Density::of_grid(format!("t = {t}"), limit, &map).range(0.0, 1.0);
        let map = map.points(&x_t.narrow(0, 0, plan.points.min(400))).side(230.0);
        panels.push(if t == 500 { map.key() } else { map }.draw());
    }
    chapter.results.samples(plan.points as u64);
    chapter.results.table("field.csv", &rows)?;
    Ok(chapter.results.figure("field.png", &Figure::row(&panels))?)
}
