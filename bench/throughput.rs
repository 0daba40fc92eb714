//! How fast the main job is on this machine, beside what its processor can do at all.
//!
//! Trains and samples with the network of chapter 4 at batch 64 and sets the arithmetic it did a
//! second beside that of a 2048 x 2048 matrix product, measured before and after in the same run;
//! then the peak memory of training, and of scoring ever more samples, each in a fresh process.
//!
//! ```text
//! cargo xtask bench
//! ```

use anyhow::Context;
use clap::{Parser, Subcommand};
use from_noise::data::{batch_indices, sample};
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling, score};
use from_noise::loss::l_target;
use from_noise::metrics::FeatureNet;
use from_noise::nn::Conditions;
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::train::Trainer;
use from_noise::util::cli::peak_memory;
use from_noise::util::device;
use from_noise::util::results::Results;
use serde::Serialize;
use std::process::Command;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Parser, Serialize)]
struct Args {
    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto")]
    #[serde(skip)]
    device: device::Choice,
    /// Training steps that are timed
    #[arg(long, default_value_t = 60)]
    steps: u64,
    /// Where throughput.csv and memory.csv go
    #[arg(long, default_value = "results/bench")]
    out: String,
    #[command(subcommand)]
    #[serde(skip)]
    child: Option<Child>,
}

/// What a fresh process does to have its memory measured.
#[derive(Subcommand, Clone, Copy)]
enum Child {
    #[command(hide = true)]
    Train { steps: u64 },
    #[command(hide = true)]
    Score { samples: u64 },
}

const BATCH: i64 = 64;

#[derive(Debug, Serialize)]
struct Speed {
    job: &'static str,
    batch: i64,
    per_second: f64,
    unit: &'static str,
    images_per_second: f64,
    gflop_per_second: f64,
    /// Of the matrix product's.
    share_of_peak: f64,
    /// GFLOP/s of a 2048 x 2048 matrix product in the same run.
    peak_gflop_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    job: String,
    peak_mb: f64,
}

/// GFLOP/s of a 2048 x 2048 product in f32: the median of nine.
fn matrix_product(device: Device) -> f64 {
    let a = Tensor::rand([2048, 2048], (Kind::Float, device));
    let mut rates: Vec<f64> = (0..10)
        .map(|_| {
            let started = Instant::now();
            a.matmul(&a).select(0, 0).sum(Kind::Float).double_value(&[]); // waits for a GPU too
            2.0 * 2048f64.powi(3) / started.elapsed().as_secs_f64() / 1e9
        })
        .skip(1)
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Trains on the crate's own digits; seconds per step after a third as many to warm up.
fn train(steps: u64, device: Device) -> anyhow::Result<f64> {
    let config = Pretrained::config(weights(NETWORK))?;
    let (schedule, digits) = (config.schedule.build(), sample::digits().to_device(device));
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    let mut started = Instant::now();
    for step in 0..steps + steps / 3 {
        if step == steps / 3 {
            started = Instant::now();
        }
        let x0 =
            digits.index_select(0, &batch_indices(0, step, BATCH as usize, 256).to_device(device));
        trainer.step(|model, _batch| {
            let (t, eps) = (schedule.draw_t(BATCH), x0.randn_like());
            l_target(model, &schedule.levels(&t), &x0, &Conditions::default(), &eps)
                .mean(Kind::Float)
        })?;
    }
    Ok(started.elapsed().as_secs_f64() / steps as f64)
}

/// The network that the chapters draw with.
const NETWORK: &str = "mnist-unet-v";

fn weights(name: &str) -> String {
    format!("{}/weights/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn sampling(steps: usize) -> Sampling {
    Sampling { sampler: Sampler::Ddim(0.0), path: Path::Uniform, steps, seed: 0 }
}

/// Seconds an evaluation of a batch, drawing with the committed weights.
fn sample(device: Device) -> anyhow::Result<f64> {
    let trained = Pretrained::load(weights(NETWORK), device)?;
    let draw = |steps| {
        let images = ImageSampler::new(&trained, sampling(steps)).expect("a sound path");
        images.draw(0, BATCH as u64, &mut |_| {})
    };
    let _ = draw(5);
    let started = Instant::now();
    draw(50).sum(Kind::Float).double_value(&[]);
    Ok(started.elapsed().as_secs_f64() / 50.0)
}

fn memory_of(job: &str, count: u64, args: &Args) -> anyhow::Result<Memory> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--device", &args.device.to_string(), job, &count.to_string()]);
    let out = command.output()?;
    let text = String::from_utf8(out.stdout)?;
    let last = text.lines().last().and_then(|line| line.parse().ok());
    let peak_mb = last.with_context(|| String::from_utf8_lossy(&out.stderr).into_owned())?;
    let unit = if job == "train" { "steps at batch 64" } else { "samples" };
    Ok(Memory { job: format!("{job}, {count} {unit}"), peak_mb })
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = device::pick(args.device)?;
    match args.child {
        Some(Child::Train { steps }) => {
            train(steps, device)?;
            println!("{}", peak_memory() / 1024.0 / 1024.0);
            return Ok(());
        }
        Some(Child::Score { samples }) => {
            let net = FeatureNet::load(weights("mnist-classifier"), device)?;
            let trained = Pretrained::load(weights(NETWORK), device)?;
            let images = ImageSampler::new(&trained, sampling(2))?;
            score(&images, &net, samples, net.fid_real, |_, _| {}, |_| {});
            println!("{}", peak_memory() / 1024.0 / 1024.0);
            return Ok(());
        }
        None => {}
    }
    let mut results = Results::create(&args.out, "cargo xtask bench".into(), &args, 0, device)?;
    let forward =
        Pretrained::config(weights(NETWORK))?.network.cost()?.flops as f64 * BATCH as f64 / 1e9;
    let before = matrix_product(device);
    let (a_step, an_evaluation) = (train(args.steps, device)?, sample(device)?);
    let peak = (before + matrix_product(device)) / 2.0;
    let row = |job, unit, seconds: f64, gflop: f64, passes: f64| Speed {
        job,
        batch: BATCH,
        per_second: 1.0 / seconds,
        unit,
        images_per_second: BATCH as f64 / seconds / passes,
        gflop_per_second: gflop / seconds,
        share_of_peak: gflop / seconds / peak,
        peak_gflop_per_second: peak,
    };
    let speeds = [
        row("training", "steps", a_step, 3.0 * forward, 1.0),
        row("Algorithm 2, 1000 steps", "evaluations", an_evaluation, forward, 1000.0),
    ];
    for Speed {
        job, per_second, unit, images_per_second, gflop_per_second, share_of_peak, ..
    } in &speeds
    {
        println!(
            "{job:>24}: {per_second:8.2} {unit}/s, {images_per_second:8.2} images/s, \
             {gflop_per_second:6.1} GFLOP/s ({:.0} % of the product)",
            100.0 * share_of_peak
        );
    }
    println!("{:>24}: {peak:.1} GFLOP/s", "2048 x 2048 product");
    let mut memory = vec![memory_of("train", 20, &args)?];
    for samples in [500, 1000, 2000, 4000] {
        memory.push(memory_of("score", samples, &args)?);
    }
    for Memory { job, peak_mb } in &memory {
        println!("{job:>24}: {peak_mb:.0} MB at the peak");
    }
    results.table("throughput.csv", &speeds)?;
    results.table("memory.csv", &memory)?;
    results.finish();
    Ok(())
}
