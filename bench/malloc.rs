//! What malloc costs a training step.
//!
//! Trains a small convolutional network (1 M parameters, batch 64, 28 x 28) in fresh processes
//! that take turns, one per allocator, so that a drift of the machine's speed meets all of them,
//! and prints the speed relative to stock malloc, round by round. Other allocators join by name and library, already installed:
//!
//! ```text
//! cargo run --example malloc -- jemalloc=libjemalloc.so.2 mimalloc=libmimalloc.so.2
//! ```

use anyhow::Context;
use clap::Parser;
use from_noise::denoiser::{Model, Parameterization};
use from_noise::loss::l_simple;
use from_noise::nn::{Unet, UnetConfig};
use from_noise::schedule::Schedule;
use from_noise::train::{TrainConfig, Trainer};
use from_noise::util::results::Results;
use serde::Serialize;
use std::process::Command;
use std::time::Instant;
use tch::nn;
use tch::{Device, Kind, Tensor};

#[derive(Parser, Serialize)]
struct Args {
    /// Processes per allocator.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Training steps per process, after a quarter as many to warm up.
    #[arg(long, default_value_t = 12)]
    steps: usize,
    /// Where malloc.csv goes.
    #[arg(long, default_value = "results")]
    out: String,
    /// Allocators to preload, as name=library.
    preload: Vec<String>,
    #[arg(long, hide = true)]
    #[serde(skip)]
    child: Option<String>,
}

/// One process of the comparison.
#[derive(Debug, Serialize)]
struct Row {
    round: u64,
    allocator: String,
    parameters: usize,
    /// Median over the steps, wall time.
    ms_per_step: f64,
    page_faults_per_step: f64,
    peak_mb: f64,
}

/// The network of `weights/mnist-unet-v`.
fn network(vs: &nn::Path) -> Model<Unet> {
    let config =
        UnetConfig { channels: vec![48, 96], groups: 8, attention: vec![1], ..UnetConfig::mnist() };
    Model::new(Unet::new(vs, &config), Parameterization::default(), schedule())
}

fn schedule() -> Schedule {
    Schedule::linear(1000, 1e-4, 0.02)
}

fn usage() -> libc::rusage {
    // SAFETY: a zeroed rusage is valid, and getrusage only writes into it.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

/// Trains in this process and prints `parameters ms_per_step page_faults_per_step peak_mb`.
fn child(steps: usize) -> anyhow::Result<()> {
    let schedule = schedule();
    let mut trainer = Trainer::new(Device::Cpu, TrainConfig::default(), network);
    let x0 = Tensor::randn([64, 1, 28, 28], (Kind::Float, Device::Cpu));
    let mut times = Vec::new();
    let mut before = 0;
    for step in 0..steps + steps / 4 {
        if step == steps / 4 {
            before = usage().ru_minflt;
            times.clear();
        }
        let started = Instant::now();
        trainer.step(|net, _batch| {
            let levels = schedule.levels(&schedule.draw_t(64));
            l_simple(net, &levels, &x0, &(), &x0.randn_like()).mean(Kind::Float)
        })?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let usage = usage();
    let faults = (usage.ru_minflt - before) as f64 / steps as f64;
    let peak_mb = usage.ru_maxrss as f64 / 1024.0;
    println!("{} {:.1} {faults:.0} {peak_mb:.0}", trainer.parameters(), median(times));
    Ok(())
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    (x[(x.len() - 1) / 2] + x[x.len() / 2]) / 2.0
}

fn measure(name: &str, library: Option<&str>, round: u64, args: &Args) -> anyhow::Result<Row> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--steps", &args.steps.to_string(), "--child", name]);
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
        // jemalloc as eager to keep its pages as keep_pages is; the others do not read this.
        command.env(
            "MALLOC_CONF",
            "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,thp:always",
        );
    }
    if name == "keep_pages+thp" {
        command.env("THP_MEM_ALLOC_ENABLE", "1"); // libtorch then asks for huge pages
    }
    let out = command.output()?;
    let text = String::from_utf8(out.stdout)?;
    let words: Vec<f64> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let failed = || format!("{name}: {}", String::from_utf8_lossy(&out.stderr));
    let &[parameters, ms_per_step, page_faults_per_step, peak_mb] =
        words.first_chunk().with_context(failed)?;
    let (allocator, parameters) = (name.into(), parameters as usize);
    Ok(Row { round, allocator, parameters, ms_per_step, page_faults_per_step, peak_mb })
}

/// The median and range of the rounds' ratios to stock malloc, and medians of the rest.
fn summary(name: &str, rows: &[Row]) -> String {
    let of = |name: &str, what: fn(&Row) -> f64| -> Vec<f64> {
        rows.iter().filter(|row| row.allocator == name).map(what).collect()
    };
    let (stock, mine) = (of("stock", |row| row.ms_per_step), of(name, |row| row.ms_per_step));
    let speed: Vec<f64> = stock.iter().zip(mine).map(|(stock, mine)| stock / mine).collect();
    let least = speed.iter().copied().fold(f64::INFINITY, f64::min);
    let most = speed.iter().copied().fold(0.0, f64::max);
    let memory = median(of(name, |row| row.peak_mb)) / median(of("stock", |row| row.peak_mb));
    let (speed, faults) = (median(speed), median(of(name, |row| row.page_faults_per_step)));
    format!(
        "{name}: speed x {speed:.2} ({least:.2} to {most:.2}), peak memory x {memory:.2}, \
         {faults:.0} page faults a step"
    )
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(name) = &args.child {
        if name.starts_with("keep_pages") {
            from_noise::util::malloc::keep_pages();
        }
        return child(args.steps);
    }
    let mut allocators = vec![("stock", None), ("keep_pages", None), ("keep_pages+thp", None)];
    for preload in &args.preload {
        let (name, library) = preload.split_once('=').context("preloads are name=library")?;
        allocators.push((name, Some(library)));
    }
    let command: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("cargo run --example malloc -- {}", command.join(" "));
    let mut results = Results::create(&args.out, command, &args, 0, Device::Cpu)?;
    results.samples(args.rounds);
    let mut rows = Vec::new();
    for round in 0..args.rounds {
        for (name, library) in &allocators {
            rows.push(measure(name, *library, round, &args)?);
            println!("{:?}", rows[rows.len() - 1]);
        }
    }
    for (name, _) in &allocators {
        println!("{}", summary(name, &rows));
    }
    results.table("malloc.csv", &rows)?;
    results.finish();
    Ok(())
}
