//! Chapter 4: DDPM on images: Algorithm 1 learns digits, Algorithm 2 draws them.

use anyhow::Result;
use clap::Parser;
use from_noise::checkpoint::Run;
use from_noise::cli::{self, Chapter, Common, Cost};
use from_noise::data::{Color, Dataset, Format, Source, Split, batch_indices, from_u8, sample};
use from_noise::denoiser::{Denoiser, Model};
use from_noise::evaluate::{CHUNK, Sampler, Sampling, check_ruler, score};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::{Adapt, Seen};
use from_noise::loss::{Weighting, l_simple};
use from_noise::metrics::{FeatureNet, classification_accuracy_score};
use from_noise::network::Inject;
use from_noise::nn::{Unet, UnetConfig};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure, Gif, Grid};
use from_noise::progress::Progress;
use from_noise::sample::ddpm;
use from_noise::schedule::Path;
use from_noise::train::{TrainConfig, Trainer};
use from_noise::trained::{ImageConfig, Trained};
use serde::Serialize;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// DDPM on images: draws digits with the weights that come with the crate (Algorithm 2), every
/// one of the 1000 steps visible; with --train, learns them again (Algorithm 1).
///
/// Examples: cargo chapter 04
///           cargo chapter 04 --score 10000
///           cargo chapter 04 --train --out runs/mnist
///           cargo chapter 04 --weights runs/mnist
///           cargo chapter 04 --train --data ./pets --size 32 --rgb --preset gpu --out runs/pets
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// Learn instead of drawing; the run directory is --out
    #[arg(long)]
    train: bool,

    /// What to learn: mnist, fashion, cifar10 or a folder of pictures
    #[arg(long, default_value = "mnist", value_name = "DATA")]
    data: Source,

    /// Side of a folder's pictures: a multiple of 4
    #[arg(long, default_value_t = 32)]
    size: u32,

    /// Take a folder's pictures in colour
    #[arg(long)]
    rgb: bool,

    /// Optimizer steps [default: by preset]
    #[arg(long)]
    steps: Option<u64>,

    /// Run directory whose weights draw [default: weights/mnist-ddpm, which comes with the crate]
    #[arg(long, value_name = "DIR", conflicts_with = "train")]
    weights: Option<PathBuf>,

    /// How many images to draw
    #[arg(long, default_value_t = 64, value_name = "N")]
    samples: u64,

    /// Show every K-th step in the GIF
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: usize,

    /// Run directory of the classifier that --score compares by
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    classifier: PathBuf,

    /// Measure FID-LeNet of N images (DDIM, 100 steps) instead of drawing
    #[arg(long, value_name = "N", conflicts_with = "train")]
    score: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Plan {
    Train { steps: u64, image: Box<ImageConfig> },
    Draw { weights: PathBuf, samples: u64, steps: usize },
    Score { weights: PathBuf, samples: u64, sampling: Sampling },
}

fn plan(args: &Args) -> Plan {
    let common = &args.common;
    let weights = args.weights.clone().unwrap_or_else(|| "weights/mnist-ddpm".into());
    if args.train {
        let steps = args.steps.unwrap_or(common.choose(4, 50_000, 100_000, 800_000));
        Plan::Train { steps, image: Box::new(image_config(args, steps)) }
    } else if let Some(samples) = args.score {
        let steps = if common.smoke { 2 } else { 100 };
        let sampler = Sampler::Ddim(0.0);
        let sampling = Sampling { sampler, path: Path::Uniform, steps, seed: common.seed };
        Plan::Score { weights, samples, sampling }
    } else {
        let (samples, steps) = (args.samples, 1000);
        let (samples, steps) = if common.smoke { (4, 10) } else { (samples, steps) };
        Plan::Draw { weights, samples, steps }
    }
}

/// What is learned, and by which network: one for two cores, one for a GPU, the paper's own.
///
/// On two cores the learning rate falls to 0 over the last two fifths: the paper's constant one
/// needs far more steps to average out.
fn image_config(args: &Args, steps: u64) -> ImageConfig {
    let format = match args.data {
        Source::Mnist | Source::Fashion => Format { color: Color::Gray, size: 28 },
        Source::Cifar10 => Format { color: Color::Rgb, size: 32 },
        Source::Folder(_) if args.rgb => Format { color: Color::Rgb, size: args.size },
        Source::Folder(_) => Format { color: Color::Gray, size: args.size },
    };
    let levels = if format.size.is_multiple_of(8) { 4 } else { 3 };
    let paper = UnetConfig {
        channels: vec![128, 256, 256, 256][..levels].to_vec(),
        ..UnetConfig::cifar10()
    };
    let gpu = UnetConfig { channels: vec![64, 128, 128], dropout: 0.0, ..paper.clone() };
    let network = UnetConfig {
        in_channels: format.color.channels(),
        out_channels: format.color.channels(),
        image_size: format.size as i64,
        ..args.common.choose(UnetConfig::tiny(), UnetConfig::mnist(), gpu, paper)
    };
    let mnist = ImageConfig::mnist();
    let quick = TrainConfig { seed: args.common.seed, ..mnist.train.clone() };
    let cooled = TrainConfig { cooldown: Some([steps * 3 / 5, steps]), ..quick.clone() };
    let paper = TrainConfig { seed: quick.seed, warmup: 5000, ..TrainConfig::default() };
    ImageConfig {
        data: args.data.clone(),
        format,
        flip: args.data == Source::Cifar10,
        network,
        batch: args.common.choose(4, 64, 128, 128),
        train: args.common.choose(quick.clone(), cooled, quick, paper),
        ..mnist
    }
}

fn cost(plan: &Plan) -> Result<Cost> {
    let of = |net: &UnetConfig, evaluations: f64, batch: f64| -> Result<Cost> {
        let net = net.cost()?;
        println!("{:.1} MFLOP a forward pass a sample", net.flops as f64 / 1e6);
        // a batch's activations, kept for the backward pass: some 30 numbers an operation's output
        let memory = 4.0 * (5.0 * net.params as f64 + batch * net.flops as f64 / 500.0);
        let flops = evaluations * net.flops as f64;
        Ok(Cost { parameters: net.params as u64, flops, memory })
    };
    match plan {
        Plan::Train { steps, image } => {
            let batch = image.batch as f64;
            of(&image.network, 3.0 * *steps as f64 * batch, batch)
        }
        Plan::Draw { weights, samples, steps } => {
            let image = Trained::config(cli::find(weights))?;
            of(&image.network, *samples as f64 * *steps as f64, 16.0)
        }
        Plan::Score { weights, samples, sampling } => {
            let image = Trained::config(cli::find(weights))?;
            of(&image.network, (*samples * sampling.steps as u64) as f64, CHUNK as f64)
        }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = plan(&args);
    let cost = cost(&plan)?;
    let Some(mut chapter) = cli::start("ch04-ddpm", &args.common, &plan, cost)? else {
        return Ok(());
    };
    match &plan {
        Plan::Train { steps, image } => learn(&args, image, *steps, &chapter)?,
        Plan::Draw { weights, samples, steps } => {
            let trained = Trained::load(cli::find(weights), chapter.device)?;
            let log = cli::find(weights).join("log.csv");
            draw(&trained, &log, (*samples, *steps, args.every), &mut chapter)?;
        }
        Plan::Score { weights, samples, sampling } => {
            let trained = Trained::load(cli::find(weights), chapter.device)?;
            let net = FeatureNet::load(cli::find(&args.classifier), chapter.device)?;
            check_ruler(&trained, &net)?;
            measure(&trained, &net, sampling, *samples, args.common.smoke, &mut chapter)?;
        }
    }
    chapter.results.finish();
    Ok(())
}

/// Algorithm 1, resumable, with a grid of samples from fixed noise at every save.
fn learn(args: &Args, config: &ImageConfig, steps: u64, chapter: &Chapter) -> Result<()> {
    let data = match (&config.data, args.common.smoke) {
        (Source::Mnist, true) => sample::dataset(), // a smoke run downloads nothing
        (source, _) => source.load(Split::Train, config.format)?,
    };
    let data = data.to_device(chapter.device);
    let schedule = config.schedule.build();
    let mut trainer = Trainer::new(chapter.device, config.train.clone(), |vs| config.build(vs));
    let dir = chapter.results.dir();
    let mut run = Run::create_or_resume(dir, config, args.common.resume, &mut trainer)?;
    let every = if args.common.smoke { 2 } else { 1000 };
    let mut progress = Progress::new("training", steps).starting_at(trainer.step);
    // ANCHOR: train
    while trainer.step < steps && !cli::interrupted() {
        let chosen = batch_indices(config.train.seed, trainer.step, config.batch, data.len());
        let batch = data.batch(&chosen, chapter.device);
        let loss = trainer.step(|model| {
            let x0 = if config.flip { mirror_half(&batch.x0) } else { batch.x0.shallow_clone() };
            let (t, eps) = (schedule.draw_t(config.batch as i64), x0.randn_like());
            l_simple(model, &schedule, Weighting::Flat, &x0, &Inject::default(), &t, &eps)
        })?;
        // ANCHOR_END: train
        if trainer.step.is_multiple_of(10) {
            run.log(trainer.step, &[("loss", loss), ("grad_norm", trainer.grad_norm())])?;
        }
        progress.tick(format_args!("loss {loss:.4}"));
        if trainer.step.is_multiple_of(every) {
            run.save(&trainer)?;
            let grid = preview(config, &trainer, chapter);
            grid.save(dir.join(format!("grids/{:08}.png", trainer.step)))?;
        }
    }
    run.save(&trainer)?;
    progress.finish(format_args!("loss in log.csv"));
    cli::stop_if_interrupted()?;
    println!("wrote the weights, their average and grids of samples to {}", dir.display());
    println!("draw with them: cargo chapter 04 --weights {}", dir.display());
    Ok(())
}

/// Left and right exchanged in about every second image.
fn mirror_half(x0: &Tensor) -> Tensor {
    let chosen = Tensor::rand([x0.size()[0], 1, 1, 1], (x0.kind(), x0.device())).lt(0.5);
    x0.flip([3]).where_self(&chosen, x0)
}

/// The weights beside their average, from the same noise at every save.
fn preview(config: &ImageConfig, trainer: &Trainer<Model<Unet>>, chapter: &Chapter) -> Figure {
    let (n, steps) = if config.batch < 16 { (4, 5) } else { (36, 50) };
    let seed = chapter.seed;
    let sampling = Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps, seed };
    let draw = |title: &str, model: &Model<Unet>| {
        let (schedule, model) = (config.schedule.build(), model.clone());
        let hash = "in training".into();
        let now = Trained { config: config.clone(), schedule, model, step: trainer.step, hash };
        let x0 = sampling.draw(&now, 0, n, chapter.device, |_| {});
        Grid::new(&x0, 6).title(title).draw()
    };
    Figure::row(&[draw("weights", &trainer.model), draw("their average", &trainer.ema.model)])
}

/// Algorithm 2, with every step of the first images kept for the pictures.
#[allow(non_snake_case)]
fn draw(
    trained: &Trained,
    log: &std::path::Path,
    (n, steps, every): (u64, usize, usize),
    chapter: &mut Chapter,
) -> Result<()> {
    let path = trained.schedule.path(Path::Uniform, steps);
    let chunks: Vec<u64> = (0..n).step_by(16).collect(); // a chunk's whole way takes 100 MB
    let mut progress = Progress::new("drawing", (chunks.len() * steps) as u64);
    let (mut done, mut first_seen) = (Vec::new(), Vec::new());
    for first in chunks {
        // ANCHOR: draw
        let mut noise = Seeded::new(chapter.seed, first);
        let x_T = noise.start(&trained.config.shape(16.min((n - first) as i64)));
        let model = trained.model.given(Inject::default()).clip(1.0);
        let model = model.watched(|at| progress.tick(format_args!("t = {}", at.t))).recorded();
        let x_T = x_T.to_device(chapter.device);
        let x0 = ddpm(&model, &path, x_T, Variance::Small, &mut |x| noise.draw(x));
        // ANCHOR_END: draw
        if first == 0 {
            first_seen = model.take();
        }
        done.push(x0);
    }
    progress.finish(format_args!("{n} images, {steps} steps each"));
    let device = chapter.device;
    let results = &mut chapter.results;
    results.samples(256);
    let held_out = match &trained.config.data {
        Source::Mnist => Some(sample::dataset()),
        source => source.load(Split::Test, trained.config.format).ok(), // not every folder has one
    };
    let by_level = held_out.map(|data| loss_by_level(trained, &data.first(256), device));
    let curves: Vec<Figure> = [training_loss(log), by_level].into_iter().flatten().collect();
    if !curves.is_empty() {
        results.figure("loss.png", &Figure::row(&curves))?;
    }
    results.samples(n);
    results.figure("samples.png", &Grid::new(&Tensor::cat(&done, 0), 16).draw())?;
    results.samples(n.min(8));
    results.figure("on-the-way.png", &stills(&first_seen))?;
    Ok(results.gif("denoising.gif", &film(&first_seen, every))?)
}

/// The loss that training logged, mean of a hundred steps; none for weights without a log.
fn training_loss(log: &std::path::Path) -> Option<Figure> {
    let mut rows = csv::Reader::from_path(log).ok()?;
    let rows = rows.deserialize::<(f64, f64, f64)>().map_while(|row| row.ok());
    let rows: Vec<(f64, f64, f64)> = rows.collect(); // step, loss, gradient norm
    let mean = |rows: &[(f64, f64, f64)]| {
        (rows[rows.len() - 1].0, rows.iter().map(|row| row.1).sum::<f64>() / rows.len() as f64)
    };
    let points: Vec<(f64, f64)> = rows.chunks_exact(10).map(mean).collect();
    let figure = Curves::new("Loss while training", "step", "squared error of eps").log_y();
    (points.len() > 1).then(|| figure.line("", &points).size(370.0, 240.0).draw())
}

/// The loss of the averaged weights at each of 40 levels, on images they were not trained on.
fn loss_by_level(trained: &Trained, held_out: &Dataset, device: Device) -> Figure {
    let _guard = tch::no_grad_guard();
    let x0 = from_u8(&held_out.images);
    let mut noise = Seeded::new(0, 1 << 32);
    let last = trained.schedule.steps();
    let points: Vec<(f64, f64)> = (0..=40)
        .map(|i| {
            let at = trained.schedule.level((i * last / 40).max(1));
            let eps = noise.draw(&x0);
            let x_t = q_sample(&x0, &eps, at).to_device(device);
            let belief = trained.model.given(Inject::default()).denoise(&x_t, at);
            let error = (belief.eps() - eps.to_device(device)).square().mean(Kind::Double);
            (at.t, error.double_value(&[]))
        })
        .collect();
    let figure = Curves::new("Loss by level", "t", "squared error of eps").log_y();
    figure.line("", &points).size(370.0, 240.0).draw()
}

/// Two images on their way: what the sampler holds, above what it believes.
fn stills(seen: &[Seen]) -> Figure {
    let picked: Vec<&Seen> = (0..10).map(|column| &seen[(seen.len() - 1) * column / 9]).collect();
    let row = |image: i64, believed: bool| {
        let of = |seen: &&Seen| if believed { &seen.x0 } else { &seen.x_t }.narrow(0, image, 1);
        picked.iter().map(of).collect::<Vec<_>>()
    };
    let rows = [row(0, false), row(0, true), row(1, false), row(1, true)];
    let rows: Vec<Tensor> = rows.into_iter().flatten().collect();
    let times: Vec<String> = picked.iter().map(|seen| format!("t = {}", seen.at.t)).collect();
    Grid::new(&Tensor::cat(&rows, 0), picked.len())
        .scale(3)
        .column_labels(&times)
        .row_labels(&["x_t", "predicted x0", "x_t", "predicted x0"])
        .draw()
}

/// Every `every`-th step of eight images: x_t beside the belief about x0.
fn film(seen: &[Seen], every: usize) -> Gif {
    let frame = |seen: &Seen| {
        let few = |x: &Tensor| x.narrow(0, 0, x.size()[0].min(8));
        let panel = |title: String, x: &Tensor| Grid::new(&few(x), 4).title(title).draw();
        let now = panel(format!("x_t, t = {}", seen.at.t), &seen.x_t);
        Figure::row(&[now, panel("predicted x0".into(), &seen.x0)])
    };
    let chosen = seen.iter().rev().step_by(every.max(1)); // the last step is always among them
    let mut frames: Vec<Figure> = chosen.map(frame).collect();
    frames.reverse();
    Gif::new(&frames, 20.max(5000 / frames.len() as u32)).colours(16).hold(3000)
}

#[derive(Debug, Serialize)]
struct Cas {
    taught_by: &'static str,
    n: usize,
    /// Of the classifier so taught, on the test images.
    accuracy: f64,
}

/// FID-LeNet, the classes, and how well the samples teach.
fn measure(
    trained: &Trained,
    net: &FeatureNet,
    sampling: &Sampling,
    n: u64,
    smoke: bool,
    chapter: &mut Chapter,
) -> Result<()> {
    let data = |split| trained.config.data.load(split, trained.config.format);
    let (train, test) = match smoke {
        true => (sample::dataset(), sample::dataset()), // a smoke run downloads nothing
        false => (data(Split::Train)?, data(Split::Test)?),
    };
    let evaluations = n.div_ceil(CHUNK) * sampling.steps as u64;
    let mut progress = Progress::new("drawing", evaluations);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let keep = |chunk: &Tensor, classes: &Tensor| {
        pixels.push(chunk.to_device(Device::Cpu));
        labels.push(classes.shallow_clone());
    };
    let look = |_| progress.tick("");
    let score = score(trained, sampling, net, n, chapter.device, keep, look);
    progress.finish(format_args!("{n} images"));
    println!("{score}");
    let (pixels, labels) = (Tensor::cat(&pixels, 0), Tensor::cat(&labels, 0));
    let samples = Dataset::new("samples", pixels, labels, test.classes.clone());
    let steps = if smoke { 2 } else { 2000 };
    let mut rows = Vec::new();
    for (taught_by, data) in [("samples", samples), ("real images", train.first(n as usize))] {
        println!("teaching a classifier by {} {taught_by}, {steps} steps", data.len());
        let config = &net.config;
        let device = chapter.device;
        let accuracy = classification_accuracy_score(&data, &test, config, steps, device)?;
        println!("  right on {:.2} % of the test images", 100.0 * accuracy);
        rows.push(Cas { taught_by, n: data.len(), accuracy });
    }
    chapter.results.samples(n);
    chapter.results.table("score.csv", &[score])?;
    Ok(chapter.results.table("classification-accuracy.csv", &rows)?)
}
