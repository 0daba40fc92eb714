//! What a GPU changes: whether it computes what the CPU computes, whether a run resumes on it, and
//! how fast it is beside its own matrix product.
//!
//! Two fresh processes do the work, one with TF32 (19-bit products of f32 numbers) allowed for
//! convolutions and matrix products, one without: libtorch's C interface has no switch for it, and
//! the variables that switch it are read at the start of a process. By default libtorch allows it
//! for convolutions only. On a CPU both compute the same, and only
//! small batches in f32 are timed.
//!
//! ```text
//! cargo run --example device-check -- --device cuda:0
//! ```

use anyhow::{Context, bail, ensure};
use clap::Parser;
use from_noise::checkpoint::{Run, load_weights};
use from_noise::conditioning::Conditioning;
use from_noise::data::{batch_indices, sample};
use from_noise::denoiser::{Denoiser, Parameterization};
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling};
use from_noise::forward::q_sample;
use from_noise::loss::l_target;
use from_noise::nn::{Conditions, UnetConfig};
use from_noise::noise::Seeded;
use from_noise::pretrained::{ImageConfig, ImageModel, Pretrained};
use from_noise::schedule::{Level, Path, Schedule};
use from_noise::train::{Precision, TrainConfig, TrainError, Trainer};
use from_noise::util::cli;
use from_noise::util::device::{self, on_cpu};
use from_noise::util::results::Results;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

#[derive(Parser, Serialize)]
struct Args {
    /// What is compared with the CPU and timed: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    #[serde(skip)]
    device: device::Choice,
    /// Run directory of the trained network that is compared
    #[arg(long, default_value = "weights/mnist-unet-v")]
    weights: PathBuf,
    /// Length of each timing; with 0 nothing is timed, and speed.csv stays as it is
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Where agreement.csv and speed.csv go
    #[arg(long, default_value = "results/gpu")]
    out: String,
    /// Tiny networks in place of those that are timed, for tests
    #[arg(long)]
    smoke: bool,
    /// In the processes that do the work: whether TF32 is allowed
    #[arg(long, hide = true)]
    #[serde(skip)]
    tf32: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Agreement {
    network: String,
    what: String,
    tf32: String,
    /// Of the device from the CPU, or of two runs; absent if it is not a number.
    error: Option<f64>,
    /// What `error` may be at most; absent where the number is only reported.
    bound: Option<f64>,
    holds: Option<bool>,
    device: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Speed {
    job: String,
    network: String,
    precision: String,
    batch: i64,
    /// Steps of training, or evaluations of the network in sampling, of a whole batch.
    per_second: f64,
    images_per_second: f64,
    tflop_per_second: f64,
    /// Of the matrix product's.
    share_of_product: f64,
    /// TFLOP/s of a square matrix product in the same precision and process.
    product_tflop_per_second: f64,
    /// Used on the whole card after this row. libtorch keeps what it once took, so this is the
    /// peak of the process so far.
    memory_mb_so_far: Option<u64>,
    device: String,
}

/// What a process that does the work prints, a JSON object a line.
#[derive(Serialize, Deserialize)]
enum Row {
    Agreement(Agreement),
    Speed(Speed),
}

fn send(row: Row) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&row)?);
    Ok(())
}

/// Names and variables in one order everywhere.
fn sorted(vs: &VarStore) -> BTreeMap<String, Tensor> {
    vs.variables().into_iter().collect()
}

/// All the numbers of some tensors as one vector, in f64 on the CPU.
fn vector(tensors: impl IntoIterator<Item = Tensor>) -> Tensor {
    let flat: Vec<Tensor> =
        tensors.into_iter().map(|x| on_cpu(&x.detach()).flatten(0, -1)).collect();
    Tensor::cat(&flat, 0)
}

fn relative(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).norm().double_value(&[]) / b.norm().double_value(&[])
}

impl Args {
    /// How a network is trained here; tiny in a smoke run.
    fn with_network(&self, network: UnetConfig) -> ImageConfig {
        let network = if self.smoke { UnetConfig::tiny() } else { network };
        let mnist = ImageConfig::mnist();
        let train = TrainConfig { lr: 1e-3, warmup: 0, ..mnist.train };
        ImageConfig { network, parameterization: Parameterization::default(), train, ..mnist }
    }
}

/// The small network for digits without its attention, that of `weights/mnist-unet-eps`.
fn wide() -> UnetConfig {
    UnetConfig { attention: vec![], ..UnetConfig::mnist() }
}

/// The network that `--preset gpu` of chapter 4 learns larger pictures with, for digits.
fn preset_gpu() -> UnetConfig {
    let (channels, dropout) = (vec![64, 128, 128], 0.0);
    let (in_channels, out_channels, image_size) = (1, 1, 28);
    let paper = UnetConfig::cifar10();
    UnetConfig { channels, dropout, in_channels, out_channels, image_size, ..paper }
}

/// Output and gradient of the loss of 64 digits at 64 levels on `device`, as vectors.
fn answer(config: &ImageConfig, from: &VarStore, device: Device) -> anyhow::Result<[Tensor; 2]> {
    let mut vs = VarStore::new(device);
    let (model, schedule) = (config.build(&vs.root()), config.schedule.build());
    vs.copy(from)?;
    let x0 = sample::digits().narrow(0, 0, 64);
    let eps = Seeded::new(0, 0).draw(&x0).to_device(device);
    let x0 = x0.to_device(device);
    let t: Vec<i64> = (0..64).map(|i| 1 + i * (schedule.steps() as i64 - 1) / 63).collect();
    let levels = schedule.levels(&Tensor::from_slice(&t));
    let x_t = q_sample(&x0, &eps, Level::of_batch(&levels, &x0));
    let (output, _) = model.output(&x_t, &levels, &Conditioning::none(), false);
    let loss = l_target(&model, &levels, &x0, &Conditions::default(), &eps).mean(Kind::Float);
    let parameters: Vec<Tensor> = sorted(&vs).into_values().collect();
    let gradients = Tensor::run_backward(&[loss], &parameters, false, false);
    Ok([vector([output]), vector(gradients)])
}

/// The largest and the mean difference, in 0..255, of 64 images drawn from the same noise.
fn drawn_apart(args: &Args, device: Device) -> anyhow::Result<[f64; 2]> {
    let sampling =
        Sampling { sampler: Sampler::Ddim(0.0), path: Path::Uniform, steps: 20, seed: 0 };
    let draw = |device| -> anyhow::Result<Tensor> {
        let trained = Pretrained::load(cli::find(&args.weights), device)?;
        Ok(vector([ImageSampler::new(&trained, sampling)?.draw(0, 64, &mut |_| {})]))
    };
    let apart = (draw(device)? - draw(Device::Cpu)?).abs() * 127.5;
    Ok([apart.max().double_value(&[]), apart.mean(Kind::Double).double_value(&[])])
}

/// One step of Algorithm 1 on the crate's own digits.
fn train_step(
    trainer: &mut Trainer<ImageModel>,
    schedule: &Schedule,
    digits: &Tensor,
    batch: i64,
) -> Result<f64, TrainError> {
    trainer.step(|model, number| {
        let chosen = batch_indices(0, number, batch as usize, digits.size()[0] as usize);
        let x0 = digits.index_select(0, &chosen.to_device(digits.device()));
        let levels = schedule.levels(&schedule.draw_t(batch, digits.device()));
        let eps = x0.randn_like();
        l_target(model, &levels, &x0, &Conditions::default(), &eps).mean(Kind::Float)
    })
}

/// Trains the wide network in the run directory `dir`, saving every tenth step; its weights.
fn trained_to(
    args: &Args,
    until: u64,
    dir: &PathBuf,
    resume: bool,
    device: Device,
) -> anyhow::Result<Tensor> {
    let (config, digits) = (args.with_network(wide()), sample::digits().to_device(device));
    let schedule = config.schedule.build();
    let mut trainer = config.trainer(device);
    let mut run = Run::create_or_resume(dir, &config, resume, &mut trainer)?;
    while trainer.step < until {
        let loss = train_step(&mut trainer, &schedule, &digits, 64)?;
        run.log(trainer.step, &[("loss", loss)])?;
        if trainer.step.is_multiple_of(10) {
            run.save(&trainer)?;
        }
    }
    Ok(vector(sorted(&trainer.vs).into_values()))
}

/// The largest differences of weights after 20 steps: of a run that was cut off at step 13 and
/// went on from its save at step 10, and of a second whole run, each from a first whole run.
fn resumed_apart(args: &Args, device: Device) -> anyhow::Result<[f64; 2]> {
    let dir = tempfile::tempdir()?;
    let [whole, again, cut] = ["whole", "again", "cut"].map(|name| dir.path().join(name));
    let whole = trained_to(args, 20, &whole, false, device)?;
    let again = trained_to(args, 20, &again, false, device)?;
    let _ = trained_to(args, 13, &cut, false, device)?;
    let resumed = trained_to(args, 20, &cut, true, device)?;
    Ok([resumed, again].map(|weights| (weights - &whole).abs().max().double_value(&[])))
}

fn compare(args: &Args, device: Device, tf32: bool) -> anyhow::Result<()> {
    let name = device::name(device);
    let row = |network: &str, what: &str, error: f64, bound: Option<f64>| {
        send(Row::Agreement(Agreement {
            network: network.into(),
            what: what.into(),
            tf32: if tf32 { "on" } else { "off" }.into(),
            error: Some(error),
            bound,
            holds: bound.map(|bound| error <= bound),
            device: name.clone(),
        }))
    };
    let bound = Some(if tf32 { 1e-2 } else { 1e-4 });
    let dir = cli::find(&args.weights);
    let (config, trained) = (Pretrained::config(&dir)?, VarStore::new(Device::Cpu));
    config.build(&trained.root());
    load_weights(&trained, dir.join("ema.safetensors"))?;
    // Convolutions that start at zero would hide all that happens before them.
    let (fresh_config, fresh) = (args.with_network(wide()), VarStore::new(Device::Cpu));
    tch::manual_seed(0);
    fresh_config.build(&fresh.root());
    for mut parameter in sorted(&fresh).into_values() {
        tch::no_grad(|| parameter += 0.03 * parameter.randn_like());
    }
    let of_weights = args.weights.display().to_string();
    let random = "[48, 96], random";
    for (network, config, vs) in
        [(of_weights.as_str(), &config, &trained), (random, &fresh_config, &fresh)]
    {
        let (found, expected) = (answer(config, vs, device)?, answer(config, vs, Device::Cpu)?);
        row(network, "output, relative", relative(&found[0], &expected[0]), bound)?;
        row(network, "gradient, relative", relative(&found[1], &expected[1]), bound)?;
    }
    let [largest, mean] = drawn_apart(args, device)?;
    row(&of_weights, "DDIM 20 steps, largest of 255", largest, None)?;
    row(&of_weights, "DDIM 20 steps, mean of 255", mean, None)?;
    if !tf32 {
        // A GPU adds up a convolution's gradient in no fixed order: there nothing is promised.
        let bound = (device == Device::Cpu).then_some(0.0);
        let [resumed, again] = resumed_apart(args, device)?;
        row("[48, 96]", "weights, resumed from whole run", resumed, bound)?;
        row("[48, 96]", "weights, two whole runs", again, bound)?;
    }
    Ok(())
}

/// How often a second `work` is done, after three times to warm up. A GPU runs behind its
/// program, so the clock is read only when it has caught up.
fn rate<E>(
    device: Device,
    seconds: f64,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<f64, E> {
    let settle = || {
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
    };
    (0..3).try_for_each(|_| work())?;
    settle();
    let (started, mut done) = (Instant::now(), 0);
    loop {
        for _ in 0..if device.is_cuda() { 10 } else { 1 } {
            work()?;
            done += 1;
        }
        settle();
        let passed = started.elapsed().as_secs_f64();
        if passed >= seconds {
            return Ok(f64::from(done) / passed);
        }
    }
}

fn time(args: &Args, device: Device, precision: &str) -> anyhow::Result<()> {
    let (gpu, half, name) = (device.is_cuda(), precision == "bf16", device::name(device));
    let side = if gpu { 4096 } else { 1024 };
    let (kind, computed) = match half {
        true => (Kind::BFloat16, Precision::Bf16),
        false => (Kind::Float, Precision::F32),
    };
    let a = Tensor::randn([side, side], (Kind::Float, device)).to_kind(kind);
    let product = rate(device, args.seconds, || a.f_matmul(&a).map(drop))?;
    let product = product * 2.0 * (side as f64).powi(3) / 1e12;
    let row = |job: &str, network: &str, batch: i64, per_second: f64, flops: f64| {
        let tflop = flops * batch as f64 * per_second / 1e12;
        send(Row::Speed(Speed {
            job: job.into(),
            network: network.into(),
            precision: precision.into(),
            batch,
            per_second,
            images_per_second: batch as f64 * per_second,
            tflop_per_second: tflop,
            share_of_product: tflop / product,
            product_tflop_per_second: product,
            memory_mb_so_far: device::ask_card(device, "memory.used")
                .and_then(|text| text.parse().ok()),
            device: name.clone(),
        }))
    };
    let (wide_batches, preset_batches, draws): (&[i64], &[i64], &[i64]) = match gpu {
        true => (&[64, 128, 256, 512, 1024], &[128, 512], &[64, 500, 2000]),
        false => (&[64], &[8], &[8]),
    };
    for (network, config, batches) in [
        ("[48, 96]", args.with_network(wide()), wide_batches),
        ("preset gpu", args.with_network(preset_gpu()), preset_batches),
    ] {
        let (schedule, digits) = (config.schedule.build(), sample::digits().to_device(device));
        let flops = config.network.cost()?.flops as f64;
        for &batch in batches {
            let mut trainer = ImageConfig { precision: computed, ..config.clone() }.trainer(device);
            let per_second = rate(device, args.seconds, || {
                train_step(&mut trainer, &schedule, &digits, batch).map(drop)
            })?;
            row("training", network, batch, per_second, 3.0 * flops)?;
        }
        let mut vs = VarStore::new(device);
        let model = config.build(&vs.root());
        vs.set_kind(kind);
        let model = model.given(None);
        for &batch in draws {
            let x_t = Tensor::randn(config.shape(batch), (Kind::Float, device));
            let level = schedule.level(schedule.steps() / 2);
            let per_second = tch::no_grad(|| {
                rate(device, args.seconds, || {
                    model.denoise(&x_t, level);
                    anyhow::Ok(())
                })
            })?;
            row("sampling", network, batch, per_second, flops)?;
        }
    }
    Ok(())
}

fn number(error: Option<f64>) -> String {
    error.map_or("not a number".into(), |error| format!("{error:.2e}"))
}

/// Runs one child, prints its rows as they come and keeps them.
fn gather(args: &Args, tf32: bool, rows: &mut (Vec<Agreement>, Vec<Speed>)) -> anyhow::Result<()> {
    const ALLOW: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";
    const OVERRIDE: &str = "NVIDIA_TF32_OVERRIDE";
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--device", &args.device.to_string(), "--seconds", &args.seconds.to_string()]);
    command.arg("--weights").arg(&args.weights).stdout(Stdio::piped());
    command.args(["--tf32", &tf32.to_string()]).args(args.smoke.then_some("--smoke"));
    match tf32 {
        true => command.env(ALLOW, "1").env_remove(OVERRIDE),
        false => command.env(OVERRIDE, "0").env_remove(ALLOW),
    };
    let mut child = command.spawn()?;
    for line in BufReader::new(child.stdout.take().context("the child has no output")?).lines() {
        match serde_json::from_str(&line?)? {
            Row::Agreement(row) => {
                let Agreement { network, what, tf32, error, bound, .. } = &row;
                let bound = bound.map_or(String::new(), |bound| format!(" (at most {bound})"));
                println!("{network:>20}, TF32 {tf32:<3}: {what:<32} {}{bound}", number(*error));
                rows.0.push(row);
            }
            Row::Speed(row) => {
                println!(
                    "{:>20}, {:>4}: {} at batch {:>4}: {:8.2}/s, {:9.1} images/s, {:7.3} TFLOP/s \
                     ({:3.0} % of the product's {:.3})",
                    row.network,
                    row.precision,
                    row.job,
                    row.batch,
                    row.per_second,
                    row.images_per_second,
                    row.tflop_per_second,
                    100.0 * row.share_of_product,
                    row.product_tflop_per_second
                );
                rows.1.push(row);
            }
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "the process with TF32 {tf32} ended with {status}");
    Ok(())
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = device::pick(args.device)?;
    if let Some(tf32) = args.tf32 {
        compare(&args, device, tf32)?;
        let precisions: &[&str] = match (tf32, device.is_cuda()) {
            _ if args.seconds == 0.0 => &[],
            (true, true) => &["tf32"],
            (true, false) => &[],
            (false, gpu) if gpu || args.smoke => &["f32", "bf16"],
            (false, _) => &["f32"],
        };
        return precisions.iter().try_for_each(|precision| time(&args, device, precision));
    }
    println!("{} beside the CPU", device::name(device));
    let command = cli::command_line("device-check");
    let mut results = Results::create(&args.out, command, &args, 0, device)?;
    let mut rows = (Vec::new(), Vec::new());
    for tf32 in [false, true] {
        let ended = gather(&args, tf32, &mut rows);
        results.table("agreement.csv", &rows.0)?; // what was measured before a failure is kept
        if args.seconds > 0.0 {
            results.table("speed.csv", &rows.1)?;
        }
        ended?;
    }
    results.finish();
    if let Some(row) = rows.0.iter().find(|row| row.holds == Some(false)) {
        let Agreement { network, what, tf32, error, bound, .. } = row;
        let (error, bound) = (number(*error), bound.unwrap_or_default());
        bail!("{network}, TF32 {tf32}: {what} is {error}, and may be at most {bound}");
    }
    Ok(())
}
