//! How fast the main job is on this machine, beside what its processor can do at all.
//!
//! Trains and samples with the network of chapter 4 at batch 64 and sets the arithmetic it did a
//! second beside that of a 2048 x 2048 matrix product. The three take turns, so that what else the
//! machine does slows all of them alike; medians over the rounds count. Then the peak memory of
//! training, and of scoring ever more samples, each in a fresh process.
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
use from_noise::util::cli::{self, peak_memory};
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
    /// Rounds of ten training steps, ten evaluations and a matrix product
    #[arg(long, default_value_t = 10, value_parser = cli::count::<u64>())]
    rounds: u64,
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
/// Training steps and evaluations of a round: a trainer on a GPU waits for it at every tenth step.
const TURN: u64 = 10;

#[derive(Debug, Serialize)]
struct Speed {
    job: &'static str,
    batch: i64,
    per_second: f64,
    unit: &'static str,
    images_per_second: f64,
    gflop_per_second: f64,
    /// Of the matrix product's: the median of the rounds' own shares.
    share_of_peak: f64,
    /// GFLOP/s of a 2048 x 2048 matrix product in the same run.
    peak_gflop_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    job: String,
    peak_mb: f64,
}

/// Multiplies two 2048 x 2048 matrices in f32, [`PRODUCT`] GFLOP.
fn matrix_product(device: Device) -> impl FnMut() -> anyhow::Result<()> {
    let a = Tensor::rand([2048, 2048], (Kind::Float, device));
    move || {
        a.matmul(&a).select(0, 0).sum(Kind::Float).double_value(&[]); // waits for a GPU too
        Ok(())
    }
}

const PRODUCT: f64 = 2.0 * 2048.0 * 2048.0 * 2048.0 / 1e9;

/// Takes [`TURN`] training steps on the crate's own digits.
fn training(device: Device) -> anyhow::Result<impl FnMut() -> anyhow::Result<()>> {
    let config = Pretrained::config(weights(NETWORK))?;
    let (schedule, digits) = (config.schedule.build(), sample::digits().to_device(device));
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    Ok(move || {
        for _ in 0..TURN {
            let chosen = batch_indices(0, trainer.step, BATCH as usize, 256).to_device(device);
            let x0 = digits.index_select(0, &chosen);
            trainer.step(|model, _batch| {
                let (t, eps) = (schedule.draw_t(BATCH, device), x0.randn_like());
                l_target(model, &schedule.levels(&t), &x0, &Conditions::default(), &eps)
                    .mean(Kind::Float)
            })?;
        }
        Ok(())
    })
}

/// The network that the chapters draw with.
const NETWORK: &str = "mnist-unet-v";

fn weights(name: &str) -> String {
    format!("{}/weights/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn sampling(steps: usize) -> Sampling {
    Sampling { sampler: Sampler::Ddim(0.0), path: Path::Uniform, steps, seed: 0 }
}

/// Evaluates the committed weights [`TURN`] times, drawing a batch.
fn drawing(device: Device) -> anyhow::Result<impl FnMut() -> anyhow::Result<()>> {
    let images =
        ImageSampler::new(&Pretrained::load(weights(NETWORK), device)?, sampling(TURN as usize))?;
    Ok(move || {
        images.draw(0, BATCH as u64, &mut |_| {}).sum(Kind::Float).double_value(&[]);
        Ok(())
    })
}

/// Seconds of each job in each round, after one that does not count.
fn take_turns<const N: usize>(
    jobs: &mut [&mut dyn FnMut() -> anyhow::Result<()>; N],
    rounds: u64,
) -> anyhow::Result<Vec<[f64; N]>> {
    let mut all = Vec::new();
    for _ in 0..=rounds {
        let mut seconds = [0.0; N];
        for (job, seconds) in jobs.iter_mut().zip(&mut seconds) {
            let started = Instant::now();
            job()?;
            *seconds = started.elapsed().as_secs_f64();
        }
        all.push(seconds);
    }
    Ok(all.split_off(1))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
            let mut train = training(device)?;
            for _ in 0..steps.div_ceil(TURN) {
                train()?;
            }
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
    let (mut multiply, mut train) = (matrix_product(device), training(device)?);
    let mut draw = drawing(device)?;
    let rounds = take_turns(&mut [&mut multiply, &mut train, &mut draw], args.rounds)?;
    let over_rounds = |value: &dyn Fn(&[f64; 3]) -> f64| median(rounds.iter().map(value).collect());
    let peak = over_rounds(&|seconds| PRODUCT / seconds[0]);
    let row = |job, unit, which: usize, gflop: f64, passes: f64| {
        let turn = TURN as f64;
        let per_second = over_rounds(&|seconds| turn / seconds[which]);
        let share = |seconds: &[f64; 3]| turn * gflop / seconds[which] * seconds[0] / PRODUCT;
        Speed {
            job,
            batch: BATCH,
            per_second,
            unit,
            images_per_second: BATCH as f64 * per_second / passes,
            gflop_per_second: gflop * per_second,
            share_of_peak: over_rounds(&share),
            peak_gflop_per_second: peak,
        }
    };
    let speeds = [
        row("training", "steps", 1, 3.0 * forward, 1.0),
        row("Algorithm 2, 1000 steps", "evaluations", 2, forward, 1000.0),
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
