//! Which eta is best when the denoiser is wrong: an exact denoiser, and errors of growing size.

use anyhow::Result;
use from_noise::data::Toy;
use from_noise::denoiser::{Denoised, Denoiser, Mixture};
use from_noise::metrics::{MeanStd, energy_distance};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::prelude::DenoiserExt;
use from_noise::sample::ddim;
use from_noise::schedule::{Level, Path, Schedule};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use std::f64::consts::TAU;
use tch::Tensor;

const DATA: Toy = Toy::Grid25;
const ETAS: [f64; 4] = [0.0, 0.2, 0.5, 1.0];
const STEPS: [usize; 4] = [10, 20, 50, 100];
/// Waves that are added up to an error.
const WAVES: i64 = 64;
/// The error of each panel: its size, and the waves' frequency.
const PANELS: [(f64, f64, &str); 4] = [
    (0.0, 1.0, "exact denoiser"),
    (0.01, 1.0, "smooth error of 0.01"),
    (0.05, 1.0, "smooth error of 0.05"),
    (0.05, 16.0, "rough error of 0.05"),
];

#[derive(Debug, Serialize)]
struct Row {
    denoiser: &'static str,
    /// The error's root mean square, in units of the noise it is added to.
    size: f64,
    /// Standard deviation of the waves' angular frequencies, per unit of `x`.
    frequency: f64,
    steps: usize,
    eta: f64,
    /// Mean energy distance from the data over errors and samples of several seeds.
    distance: f64,
    /// Standard error of this mean.
    error: f64,
}

// ANCHOR: wrong
/// A denoiser whose noise prediction is off by a fixed function of `x_t` and `t`: a sum of waves.
struct Wrong<'a> {
    exact: &'a Mixture,
    size: f64,
    /// `[3, W]`: angular frequencies along `x` and `t/T`.
    frequencies: Tensor,
    /// `[1, W]`.
    phases: Tensor,
    /// `[W, 2]`.
    amplitudes: Tensor,
    schedule: &'a Schedule,
}

impl Denoiser for Wrong<'_> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let t = self.schedule.t_of(at) / self.schedule.steps() as f64;
        let x_and_t = Tensor::cat(&[x_t, &x_t.narrow(1, 0, 1).full_like(t)], 1);
        let waves = (x_and_t.matmul(&self.frequencies) + &self.phases).cos();
        let error = self.size * waves.matmul(&self.amplitudes);
        self.exact.denoise(x_t, at).map_eps(x_t, at, |eps| eps + error)
    }
}
// ANCHOR_END: wrong

impl<'a> Wrong<'a> {
    fn new(
        exact: &'a Mixture,
        schedule: &'a Schedule,
        size: f64,
        frequency: f64,
        seed: u64,
    ) -> Self {
        let mut noise = Seeded::new(seed, 0);
        let mut normal = |shape: &[i64]| on_cpu(&noise.start(shape));
        Self {
            exact,
            size,
            // The error changes as fast along the whole chain as along three units of x.
            frequencies: frequency
                * normal(&[3, WAVES])
                * Tensor::from_slice(&[1.0, 1.0, 3.0]).view([3, 1]),
            phases: TAU * normal(&[1, WAVES]),
            amplitudes: (2.0 / WAVES as f64).sqrt() * normal(&[WAVES, 2]),
            schedule,
        }
    }
}

/// `model-error.csv` and `model-error.png`: steps times eta on the path `uniform`, for each error.
pub fn table(smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let (n, seeds, counts) = if smoke { (20, 2, &[2, 3][..]) } else { (4000, 8, &STEPS[..]) };
    let components = DATA.mixture().expect("the grid is a mixture");
    let exact = Mixture::new(&components.weights, &components.means_tensor(), &components.stds);
    let schedule = Schedule::ddpm(1000);
    let mut rows = Vec::new();
    let mut panels = Vec::new();
    for (size, frequency, denoiser) in PANELS {
        let mut curves = Curves::new(denoiser, "steps", "energy distance")
            .log_x()
            .log_y()
            .y_range(1e-4, 0.1)
            .size(330.0, 300.0);
        for eta in ETAS {
            let mut line = Vec::new();
            for &steps in counts {
                let distances: Vec<f64> = (0..seeds)
                    .map(|i| {
                        let seed = chapter.seed.wrapping_add(i);
                        let wrong = Wrong::new(&exact, &schedule, size, frequency, seed);
                        let mut noise = Seeded::new(seed, 0);
                        let start = on_cpu(&noise.start(&[n, 2]));
                        let path = schedule.path(Path::Uniform, steps);
                        let x0 =
                            ddim(&wrong.clip(1.0), &path, start, eta, &mut |like| noise.draw(like));
                        energy_distance(&x0, &DATA.sample(n as usize, seed))
                    })
                    .collect();
                let MeanStd { mean, std } = MeanStd::of(&distances);
                let error = std / (seeds as f64 - 1.0).sqrt(); // of the mean; std divides by n
                line.push((steps as f64, mean));
                rows.push(Row { denoiser, size, frequency, steps, eta, distance: mean, error });
            }
            let name = format!("eta {eta}");
            curves = curves.line(&name, &line).points(&name, &line);
        }
        panels.push(curves.draw());
    }
    chapter.results.samples(n as u64 * seeds);
    chapter.results.table("model-error.csv", &rows)?;
    Ok(chapter.results.figure("model-error.png", &Figure::tiled(&panels, 2))?)
}
