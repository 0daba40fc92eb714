//! What not knowing t costs.

use super::{Net, Plan};
use anyhow::Result;
use from_noise::denoiser::{Denoiser, Mixture};
use from_noise::forward::q_sample;
use from_noise::noise::Seeded;
use from_noise::plot::Curves;
use from_noise::say;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

#[derive(Debug, Serialize)]
struct Floor {
    denoiser: &'static str,
    mean_squared_error: f64,
}

/// `with-and-without-t.png` shows the loss of the exact denoiser and of the exact blind one, which
/// must average over the levels that x_t could come from, beside the two networks'.
pub fn with_and_without_t(
    plan: &Plan,
    [net, blind]: [&Net; 2],
    exact: &Mixture,
    chapter: &mut Chapter,
) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let levels: Vec<_> = (1..=20).map(|i| schedule.level(i * schedule.steps() / 20)).collect();
    let n = plan.points.min(500);
    let mut noise = Seeded::new(chapter.seed, 1 << 32);
    let (net, blind) = (net.ema.model.given(()), blind.ema.model.given(()));
    let (mut curves, mut sums) = (vec![Vec::new(); 4], [0.0; 4]);
    let _guard = tch::no_grad_guard();
    for at in &levels {
        let x0 = on_cpu(&plan.toy.toy.sample(n as usize, chapter.seed.wrapping_add(3)));
        let eps = noise.draw(&x0);
        let x_t = q_sample(&x0, &eps, *at);
        // ANCHOR: blind
        let log_p = levels.iter().map(|u| exact.log_density(&x_t, *u)).collect::<Vec<_>>();
        let share = Tensor::stack(&log_p, 0).softmax(0, None); // p(t | x_t): [levels, n]
        let each = levels.iter().map(|u| exact.denoise(&x_t, *u).eps().shallow_clone());
        let guesses = Tensor::stack(&each.collect::<Vec<_>>(), 0); // [levels, n, 2]
        let averaged = (share.unsqueeze(2) * guesses).sum_dim_intlist(0, false, None);
        // ANCHOR_END: blind
        let x_f32 = x_t.to_kind(Kind::Float).to_device(chapter.device);
        let learned =
            |model: &dyn Denoiser| model.denoise(&x_f32, *at).eps().to_device(eps.device());
        let exactly = exact.denoise(&x_t, *at).eps().shallow_clone();
        let predictions = [exactly, learned(&net), averaged, learned(&blind)];
        for (i, prediction) in predictions.into_iter().enumerate() {
            let error = (prediction - &eps).square().mean(None).double_value(&[]);
            curves[i].push((schedule.t_of(*at), error));
            sums[i] += error / levels.len() as f64;
        }
    }
    let names = ["exact, knows t", "network, knows t", "exact, blind", "network, blind"];
    let mut figure = Curves::new("What not knowing t costs", "t", "squared error of eps").log_y();
    for ((i, name), curve) in names.into_iter().enumerate().zip(&curves) {
        figure = if i % 2 == 0 { figure.line(name, curve) } else { figure.points(name, curve) };
        say!("{name:>26}: squared error of eps {:.4}", sums[i]);
    }
    let row = |(denoiser, mean_squared_error)| Floor { denoiser, mean_squared_error };
    let rows: Vec<Floor> = names.into_iter().zip(sums).map(row).collect();
    chapter.results.table("with-and-without-t.csv", &rows)?;
    Ok(chapter.results.figure("with-and-without-t.png", &figure.draw())?)
}
