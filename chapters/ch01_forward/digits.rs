//! The pictures of chapter 1 that show digits.

use anyhow::Result;
use from_noise::data::sample;
use from_noise::forward::q_sample;
use from_noise::metrics::radial_spectrum;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure, Gif, Grid};
use from_noise::schedule::Schedule;
use from_noise::util::results::Results;
use tch::Tensor;

/// `image.png` and `image.gif` show five digits as they dissolve.
pub fn image_dissolves(
    frames: usize,
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
    let last = frames - 1;
    let frames = (0..=last).map(|i| {
        let t = schedule.steps() * i / last;
        Grid::new(&q_sample(&x0, &eps, schedule.level(t)), 5).scale(3).draw()
    });
    Ok(results.gif("image.gif", &Gif::new(&frames.collect::<Vec<_>>(), 80).hold(1500))?)
}

/// `frequencies.png` shows that high frequencies drown first.
pub fn frequencies(schedule: &Schedule, results: &mut Results) -> Result<()> {
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
    let noise = |t: usize| -> Vec<(f64, f64)> {
        let ends = [&bands[0], &bands[bands.len() - 1]];
        ends.map(|b| (b.frequency, 1.0 - schedule.alpha_bar(t))).into()
    };
    let title = "Digits (solid) and white noise (dashed)";
    let mut spectra = Curves::new(title, "cycles per pixel", "power").log_y();
    for t in [1, 100, 300, 600] {
        spectra =
            spectra.line(format!("t = {t}"), &scaled(t)).dashed(format!("t = {t}"), &noise(t));
    }
    let death: Vec<_> = bands.iter().map(|b| (b.frequency, drowned(b.power) as f64)).collect();
    let order = Curves::new("High frequencies drown first", "cycles per pixel", "t of drowning")
        .line("", &death)
        .y_range(0.0, schedule.steps() as f64);
    results.samples(digits.size()[0] as u64);
    let panels = [spectra.size(430.0, 260.0).draw(), order.size(370.0, 260.0).draw()];
    results.figure("frequencies.png", &Figure::row(&panels))?;
    results.samples(None);
    Ok(())
}
