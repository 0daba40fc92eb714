//! What half precision on disk costs: the same images, drawn by the weights as they were trained and
//! by a copy of them in f16, scored alike.
//!
//! ```text
//! cargo run --example half-precision
//! ```

use clap::Parser;
use from_noise::checkpoint::halve_weights;
use from_noise::data::to_u8;
use from_noise::evaluate::{FeatureStats, Generator, ImageSampler, Sampler, Sampling};
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli;
use from_noise::util::device::{self, on_cpu};
use from_noise::util::progress::Progress;
use from_noise::util::results::Results;
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use tch::{Kind, Tensor};

#[derive(Debug, Parser, Serialize)]
struct Args {
    /// Run directories of networks in single precision
    #[arg(default_value = "weights/mnist-unet-class")]
    runs: Vec<PathBuf>,
    /// Images that both draw
    #[arg(long, default_value_t = 500, value_parser = cli::count::<u64>().range(2..=10_000))]
    samples: u64,
    /// Run directory of the classifier whose features are compared
    #[arg(long, default_value = "weights/mnist-classifier")]
    classifier: PathBuf,
    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto")]
    #[serde(skip)]
    device: device::Choice,
    /// Where half.csv goes
    #[arg(long, default_value = "results/half")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Row {
    run: String,
    n: u64,
    steps: usize,
    /// Size of the weights' file in megabytes.
    mb: f64,
    mb_half: f64,
    fid_lenet: f64,
    fid_lenet_half: f64,
    /// The jackknife's standard error of the first distance.
    error: Option<f64>,
    /// Mean change of a pixel, of 255.
    change: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = device::pick(args.device)?;
    let net = FeatureNet::load(cli::find(&args.classifier), device)?;
    let runs: Vec<PathBuf> = args.runs.iter().map(|run| cli::find(run)).collect();
    let mut results =
        Results::create(&args.out, cli::command_line("half-precision"), &args, 0, device)?;
    let copy = std::env::temp_dir().join(format!("half-precision-{}", std::process::id()));
    fs::create_dir_all(&copy)?;
    let sampling =
        Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps: 20, seed: 0 };
    let mut progress =
        Progress::new("drawing", (2 * runs.len() * sampling.steps * args.samples as usize) as u64);
    let mut rows = Vec::new();
    for dir in &runs {
        fs::copy(dir.join("config.json"), copy.join("config.json"))?;
        halve_weights(dir.join("ema.safetensors"), copy.join("ema.safetensors"))?;
        let mut draw = |dir: &std::path::Path| -> anyhow::Result<_> {
            let images = ImageSampler::new(&Pretrained::load(dir, device)?, sampling)?;
            let mut stats = FeatureStats::new(net.dim());
            let mut all = Vec::new();
            for first in (0..args.samples).step_by(100) {
                let n = 100.min(args.samples - first);
                let pixels =
                    to_u8(&images.draw(first, n, &mut |_| (0..n).for_each(|_| progress.tick(""))));
                let _classes = stats.add(&net, &net.features(&pixels));
                all.push(on_cpu(&pixels));
            }
            let megabytes = fs::metadata(dir.join("ema.safetensors"))?.len() as f64 / 1e6;
            Ok((megabytes, stats.distance(&net), Tensor::cat(&all, 0)))
        };
        let (mb, (fid_lenet, error), whole) = draw(dir)?;
        let (mb_half, (fid_lenet_half, _), half) = draw(&copy)?;
        let change = (whole - half).abs().mean(None::<Kind>).double_value(&[]);
        let run = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let (run, n, steps) = (run.unwrap_or_default(), args.samples, sampling.steps);
        rows.push(Row { run, n, steps, mb, mb_half, fid_lenet, fid_lenet_half, error, change });
    }
    progress.finish("");
    fs::remove_dir_all(&copy)?;
    results.samples(args.samples);
    results.table("half.csv", &rows)?;
    results.finish();
    Ok(())
}
