//! Two pictures of chapter 5: noise on the way, and the way between latents.

use super::Plan;
use anyhow::Result;
use from_noise::denoiser::Mixture;
use from_noise::guide::DenoiserExt;
use from_noise::noise::{Seeded, gaussian};
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{ddim, slerp};
use from_noise::schedule::{Path, Schedule};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use tch::Tensor;

/// `paths.png` shows the exact denoiser's samples of data on a line on their way, for three values
/// of eta.
pub fn noise_on_the_way(chapter: &mut Chapter) -> Result<()> {
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
        let names = ["ends at -1", "ends at 0.6"];
        let mut curves = Curves::new(format!("eta = {eta}"), "t", "x_t");
        curves = names.iter().fold(curves, |curves, name| curves.line(*name, &[])); // fixes colours
        for row in 0..12 {
            let values = Vec::<f64>::try_from(states.get(row)).expect("a row of numbers");
            let right = values[values.len() - 1] > -0.2; // the middle between the modes
            let points: Vec<(f64, f64)> =
                path.iter().map(|at| schedule.t_of(*at)).zip(values).collect();
            curves = curves.line(names[usize::from(right)], &points);
        }
        curves.reverse_x().y_range(-2.6, 2.6)
    };
    let panels = [1.0, 0.5].map(|eta| panel(eta).without_legend().size(260.0, 250.0).draw());
    let last = panel(0.0).size(350.0, 250.0).draw(); // the names beside it are those of all three
    let figure = Figure::row(&[Figure::row(&panels), last]);
    chapter.results.samples(12);
    Ok(chapter.results.figure("paths.png", &figure)?)
}

/// Data on a line, with two modes.
pub fn two_modes() -> Mixture {
    let means = Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]);
    Mixture::new(&[0.3, 0.7], &means, &[0.15, 0.25])
}

/// `interpolation.png` shows what lies between two latents, along the circle and along the straight
/// line, for two pairs of them, and how long the latents of the first pair are.
#[allow(non_snake_case)]
pub fn between_latents(trained: &Pretrained, plan: &Plan, chapter: &mut Chapter) -> Result<()> {
    let ends = Seeded::new(chapter.seed, 0).start(&trained.config.shape(4));
    let shares: Vec<f64> = (0..plan.stops).map(|i| i as f64 / (plan.stops - 1) as f64).collect();
    let mut latents = Vec::new();
    for pair in [0, 2] {
        let (a, b) = (ends.narrow(0, pair, 1), ends.narrow(0, pair + 1, 1));
        latents.extend(shares.iter().map(|share| slerp(&a, &b, *share)));
        latents.extend(shares.iter().map(|share| (1.0 - share) * &a + *share * &b));
    }
    let length = |latent: &Tensor| latent.square().mean(None).sqrt().double_value(&[]);
    let lengths: Vec<(f64, f64)> =
        shares.iter().cycle().copied().zip(latents.iter().map(length)).collect();
    let norms = Curves::new("", "share of the second latent", "norm of the latent / sqrt(d)")
        .line("slerp", &lengths[..plan.stops])
        .line("lerp", &lengths[plan.stops..2 * plan.stops])
        .y_range(0.6, 1.1)
        .size(550.0, 170.0);
    let x_T = Tensor::cat(&latents, 0).to_device(chapter.device);
    let model = trained.model.given(None).clip(1.0);
    let path = trained.schedule.path(Path::Trailing, plan.steps);
    let x0 = ddim(&model, &path, x_T, 0.0, &mut gaussian);
    let grid = Grid::new(&x0, plan.stops).scale(3).row_labels(&["slerp", "lerp", "slerp", "lerp"]);
    chapter.results.samples(4);
    let figure = Figure::column(&[grid.draw(), norms.draw()]);
    Ok(chapter.results.figure("interpolation.png", &figure)?)
}
