//! From test images to their latents and back.

use super::figures::two_modes;
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::guide::DenoiserExt;
use from_noise::noise::{Seeded, gaussian};
use from_noise::plot::{Curves, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{ddim, ddim_invert};
use from_noise::schedule::{Path, Schedule};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::Serialize;
use tch::Tensor;

#[derive(Debug, Serialize)]
struct RoundTrip {
    /// Up, and as many down.
    steps: usize,
    /// Mean squared error a pixel, in units where white is 1 and black 0.
    images: f64,
    /// The same of the exact denoiser of two modes on a line, in units of its own.
    exact: f64,
    /// Standard deviation of the images' latents: 1 for standard normal noise.
    latent_std: f64,
}

/// `inversion.png` shows the error of the way to the latents and back by steps, and
/// `there-and-back.png` some images on it.
pub fn there_and_back(
    trained: &Pretrained,
    images: &Dataset,
    round_trips: &[usize],
    chapter: &mut Chapter,
) -> Result<()> {
    let (n, shown) = (images.len(), images.len().min(16));
    let images = from_u8(&images.images).to_device(chapter.device);
    let caption = trained.config.data.caption();
    let few = |x: &Tensor| x.narrow(0, 0, shown as i64);
    let total = 2 * round_trips.iter().sum::<usize>();
    let mut progress = Progress::new("there and back", total as u64);
    let mut rows = Vec::new();
    let mut pictures = vec![few(&images)];
    let mut labels = vec![caption.clone()];
    for &steps in round_trips {
        let path = trained.schedule.path(Path::Uniform, steps);
        // no clipping: it would break the symmetry of the two directions
        let model = trained.model.given(None).with_callback(|_| progress.tick(""));
        let latents = ddim_invert(&model, &path, images.shallow_clone());
        let back = ddim(&model, &path, latents.shallow_clone(), 0.0, &mut gaussian);
        rows.push(RoundTrip {
            steps,
            images: mean((&back - &images).square() / 4.0), // [-1, 1] is twice as wide
            exact: exact_round_trip(steps),
            latent_std: on_cpu(&latents).std(true).double_value(&[]),
        });
        if [10, 100, 1000].contains(&steps) {
            pictures.extend([few(&latents) / 2.0, few(&back)]);
            labels.extend([format!("latent, {steps} steps"), "and back".to_string()]);
        }
    }
    progress.finish("");
    if rows.is_empty() {
        return Ok(()); // a smoke run
    }
    chapter.results.samples(n as u64);
    chapter.results.table("inversion.csv", &rows)?;
    let line = |f: fn(&RoundTrip) -> f64| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row.steps as f64, f(row))).collect()
    };
    let curves = Curves::new("There and back", "steps", "mean squared error")
        .line(format!("{caption}, trained network"), &line(|row| row.images))
        .line("two modes, exact denoiser", &line(|row| row.exact))
        .log_x()
        .log_y()
        .size(460.0, 300.0);
    chapter.results.figure("inversion.png", &curves.draw())?;
    chapter.results.samples(shown as u64);
    let grid = Grid::new(&Tensor::cat(&pictures, 0), shown);
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
