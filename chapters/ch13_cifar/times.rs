//! How long the paper's work takes on a GPU: an estimate, from operations and a measured speed.

use anyhow::{Context, Result};
use from_noise::evaluate::table1::{CIFAR10, IMAGES, SAMPLERS};
use from_noise::nn::UnetConfig;
use from_noise::say;
use from_noise::util::cli::Chapter;
use serde::{Deserialize, Serialize};

/// What `cargo run --example device-check` measured on a GPU.
const SPEED: &str = include_str!("../../results/gpu/speed.csv");

/// A line of that file.
#[derive(Debug, Deserialize)]
struct Measured {
    job: String,
    precision: String,
    tflop_per_second: f64,
    device: String,
}

/// An estimate.
#[derive(Debug, Serialize)]
struct Estimate {
    work: String,
    petaflop: f64,
    /// Of the fastest batch that was measured, of another network, in f32.
    tflop_per_second: f64,
    hours_estimated: f64,
    gpu: String,
}

/// `times.csv`: the table of the paper, row by row, and its training, by the paper's network.
pub fn estimate(chapter: &mut Chapter) -> Result<()> {
    let measured = csv::Reader::from_reader(SPEED.as_bytes()).into_deserialize();
    let lines = measured.collect::<Result<Vec<Measured>, _>>()?;
    let flops = UnetConfig::cifar10().cost()?.flops as f64; // of an image, forwards
    let row = |work: String, job: &str, passes: f64| -> Result<Estimate> {
        let mine = lines.iter().filter(|line| line.job == job && line.precision == "f32");
        let best = mine.max_by(|a, b| a.tflop_per_second.total_cmp(&b.tflop_per_second));
        let best = best.with_context(|| format!("results/gpu/speed.csv times no {job} in f32"))?;
        let (tflop_per_second, petaflop) = (best.tflop_per_second, passes * flops / 1e15);
        let hours_estimated = 1e3 * petaflop / tflop_per_second / 3600.0;
        let gpu = best.device.clone();
        Ok(Estimate { work, petaflop, tflop_per_second, hours_estimated, gpu })
    };
    let images = (SAMPLERS.len() as u64 * IMAGES) as f64;
    let table = CIFAR10.map(|(steps, _)| (format!("table, S = {steps}"), steps as f64 * images));
    let mut rows = Vec::new();
    for (work, passes) in table {
        rows.push(row(work, "sampling", passes)?);
    }
    // a step back takes twice the operations of the one forwards
    rows.push(row("training, 800,000 steps".into(), "training", 3.0 * 800_000.0 * 128.0)?);
    for Estimate { work, hours_estimated, gpu, .. } in &rows {
        say!("{work}: about {hours_estimated:.1} hours of one {gpu} (an estimate)");
    }
    chapter.results.samples(IMAGES);
    Ok(chapter.results.table("times.csv", &rows)?)
}
