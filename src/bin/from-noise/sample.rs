//! `from-noise sample`: images from a run directory, as pictures, a movie or an array.

use super::inpaint::InpaintArgs;
use super::output::{Drawn, FILMED, Output};
use super::prompt::PromptArgs;
use super::upsample::{Told, UpsampleArgs, enlarged};
use super::{arrays, command_line, model};
use anyhow::{Result, bail, ensure};
use from_noise::data::to_u8;
use from_noise::evaluate::{CHUNK, Classes, Generator, ImageSampler, Sampler, Sampling};
use from_noise::forward::Variance;
use from_noise::guide::{Guidance, Snapshot};
use from_noise::pretrained::{ImageCondition, Pretrained};
use from_noise::sample::Churn;
use from_noise::say;
use from_noise::schedule::{Path, Schedule};
use from_noise::util::device::all_finite;
use from_noise::util::progress::Progress;
use from_noise::util::results::Results;
use from_noise::util::{cli, device, print};
use serde::Serialize;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

const VARIANCES: [(Variance, &str); 3] = [
    (Variance::Small, "the posterior's, beta-tilde: DDIM's eta = 1"),
    (Variance::Large, "beta: DDPM's CIFAR-10 samples, the sigma-hat row of DDIM's Table 1"),
    (Variance::Learned, "between the two, as the network says (Improved DDPM)"),
];

const PATHS: [(Path, &str); 6] = [
    (Path::Uniform, "1, 101, ..., 901 for 10 of 1000: DDIM's code, \"leading\" elsewhere"),
    (Path::Quadratic, "1, 10, 40, ..., 801: squares up to 0.8 T, DDIM's for CIFAR-10"),
    (Path::Linspace, "evenly from T to 1, both visited (Improved DDPM)"),
    (Path::Trailing, "1000, 900, ..., 100: evenly down from T"),
    (Path::LogSnr, "evenly in the log SNR, between the timesteps (DPM-Solver)"),
    (Path::Karras, "evenly in the seventh root of sigma / alpha (EDM)"),
];

/// Draw images from a run directory.
///
/// The ending of --out decides what is written: .png a grid, .gif the first images on their way,
/// x_t beside the predicted x0, .npy and .npz (array arr_0) the images as u8 [N, H, W, C], and a
/// name that ends in / a new folder of single pictures, 00000.png and so on.
///
/// Examples:
///   cargo from-noise sample weights/mnist-unet-v
///   cargo from-noise sample weights/mnist-unet-v --samples 16 --out digits.png --out digits.gif
///   cargo from-noise sample weights/mnist-unet-v --sampler dpm-solver++2m --steps 10
///   cargo from-noise sample weights/mnist-unet-v --sampler ddim --eta 1 --samples 1000 --out digits.npz
///   cargo from-noise sample weights/mnist-unet-v --sampler edm --s-churn 5 --path karras --steps 18
///   cargo from-noise sample weights/mnist-unet-v --noise x_T.npy --out digits.npy
///   cargo from-noise sample weights/mnist-unet-v --samples 256 --steps 10 --out single-digits/
///   cargo from-noise sample weights/mnist-unet-class --class 7 --guidance 3
///   cargo from-noise sample weights/mnist-unet-v --guided-by weights/mnist-noised-classifier --classifier-scale 5 --class 7
///   cargo from-noise sample weights/cascade/base --upsample weights/cascade/upsampler --samples 16 --steps 20
///   cargo from-noise sample weights/mnist-unet-v --inpaint digit.png --mask mask.png --sampler ddpm --resample 5
///   cargo from-noise sample weights/mnist-inpainting --inpaint digit.png --mask mask.png
///   cargo from-noise sample weights/glide/base --prompt "a red square above a blue circle" --guidance 3
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory: config.json and ema.safetensors
    #[arg(value_name = "RUN")]
    weights: PathBuf,

    /// How many images [default: 64, or as many as --noise holds]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = cli::count::<u64>())]
    samples: Option<u64>,

    /// Which sampler draws
    #[arg(long, default_value = "ddim", value_parser = NAMES)]
    sampler: String,

    /// Share of fresh noise of ddim, 0 to 1 [default: 0]
    #[arg(long)]
    eta: Option<f64>,

    /// Variance of ddpm's noise [default: small]
    #[arg(long, value_parser = cli::one_of(&VARIANCES))]
    variance: Option<Variance>,

    /// How much noise edm adds over all its steps, Karras's S_churn [default: 5]
    #[arg(long, value_name = "S")]
    s_churn: Option<f64>,

    /// edm adds none below this sigma / alpha, Karras's S_min [default: 0.05]
    #[arg(long, value_name = "S")]
    s_min: Option<f64>,

    /// edm adds none above this sigma / alpha, Karras's S_max [default: 10]
    #[arg(long, value_name = "S")]
    s_max: Option<f64>,

    /// Standard deviation of what edm adds, Karras's S_noise [default: 1]
    #[arg(long, value_name = "S")]
    s_noise: Option<f64>,

    /// Noisy levels on the path
    #[arg(long, default_value_t = 50, value_parser = cli::count::<usize>())]
    steps: usize,

    /// Which levels of the schedule are visited
    #[arg(long, value_parser = cli::one_of(&PATHS), default_value_t = Path::Trailing)]
    path: Path,

    /// Class of all images, of a class-conditional model or with --guided-by [default: all classes in
    /// turn]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(i64).range(0..))]
    class: Option<i64>,

    /// Scale of classifier-free guidance: 0 draws any class, 1 the class and nothing else, more
    /// exaggerates it at the price of variety [default: 1]
    #[arg(long, value_name = "SCALE")]
    guidance: Option<f64>,

    /// Scale the guided prediction back to the spread of the unguided one, 0 to 1: Lin et al.'s phi
    /// [default: 0]
    #[arg(long, value_name = "PHI", requires = "guidance")]
    guidance_rescale: Option<f64>,

    /// Guide only where sigma / alpha lies between these two [default: everywhere]
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',', requires = "guidance")]
    guidance_interval: Vec<f64>,

    /// Guide away from this class, instead of away from any class
    #[arg(long, value_name = "K", requires = "guidance", value_parser = clap::value_parser!(i64).range(0..))]
    negative_class: Option<i64>,

    /// Run directory of a classifier of noised images that guides, an unconditional model too
    #[arg(long, value_name = "RUN")]
    guided_by: Option<PathBuf>,

    /// How much --guided-by guides: 1 is Bayes' rule, more exaggerates the class [default: 1]
    #[arg(long, value_name = "SCALE", requires = "guided_by", conflicts_with = "inpaint")]
    classifier_scale: Option<f64>,

    /// Seed of all noise: the same seed gives the same images [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Start from this noise x_T, floats [N, C, H, W], instead of drawing it
    #[arg(long, value_name = "FILE.npy")]
    noise: Option<PathBuf>,

    #[command(flatten)]
    prompt: PromptArgs,

    #[command(flatten)]
    inpaint: InpaintArgs,

    #[command(flatten)]
    upsample: UpsampleArgs,

    /// Do not clip the predicted x0 to the range of pixels
    #[arg(long)]
    no_clip: bool,

    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto")]
    device: device::Choice,

    /// What to write, by its ending: .png, .gif, .npy, .npz or /; may be given several times
    #[arg(long, value_name = "FILE", default_value = "samples.png")]
    out: Vec<String>,
}

/// As they stand in tables.
const NAMES: [&str; 10] = [
    "ddim",
    "ddpm",
    "heun",
    "edm",
    "dpm-solver-2",
    "dpm-solver-3",
    "dpm-solver-2m",
    "dpm-solver++2m",
    "dpm-solver++2m-sde",
    "unipc",
];

/// What the images depend on, for the sidecars.
#[derive(Debug, Serialize)]
struct Drawing {
    run: PathBuf,
    weights: String,
    sampling: Sampling,
    condition: String,
    clip: bool,
    noise: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let sampler = sampler(args)?;
    let guidance = guidance(args)?;
    let outputs = args.out.iter().map(|name| Output::new(name)).collect::<Result<Vec<_>>>()?;
    let device = device::pick(args.device)?;
    let trained = model::load(&args.weights, device)?;
    let seed = args.seed.unwrap_or(0);
    let sampling = Sampling { sampler, path: args.path, steps: args.steps, seed };
    let upper = args.upsample.load(device)?;
    if let Some(ImageCondition::LowRes(_)) = trained.config.image_condition {
        bail!(
            "{run} enlarges images: name the run that draws small ones first, and then --upsample \
             {run}",
            run = args.weights.display()
        );
    }
    let classes = args.class.map_or(Classes::InTurn, Classes::Only);
    ensure!(
        args.guidance.is_none() || trained.config.is_conditional(),
        "--guidance means nothing to {}, an unconditional model: leave it out",
        args.weights.display()
    );
    ensure!(
        args.guidance.is_none() || args.class.is_none() || args.class != args.negative_class,
        "--guidance cannot lead to class {0} and away from it: choose another --negative-class",
        args.class.unwrap_or(0)
    );
    let mut images = ImageSampler::new(&trained, sampling)?;
    if let Some(guide) = &args.guided_by {
        let scale = args.classifier_scale.unwrap_or(1.0);
        images = images.guided_by(&model::guide(guide, device)?, scale)?;
    }
    let prompts = args.prompt.read()?;
    images = args.prompt.tell(images, prompts.clone(), &trained, device)?;
    images = images.of(classes)?.guided(guidance, args.negative_class)?;
    let mut n = args.samples.unwrap_or(64);
    if let Some(path) = &args.noise {
        ensure!(
            args.seed.is_none() || sampler.draws_noise() || upper.is_some(),
            "--seed means nothing where --noise gives all noise there is: leave it out"
        );
        let start = start(path, args.samples, &trained)?;
        n = start.size()[0] as u64;
        images = images.from_noise(start);
    }
    if args.no_clip {
        images = images.unclipped();
    }
    if let Some(upper) = &upper {
        let told = Told {
            guidance,
            prompts: prompts.clone(),
            negative_class: args.negative_class,
            negative_prompt: args.prompt.negative()?,
        };
        images = enlarged(images, upper, args.upsample.level(), &told)?;
        images = if args.no_clip { images.unclipped() } else { images };
    }
    let inpainter = args.inpaint.inpainter(&trained, sampling, args.class)?;
    let inpainter = inpainter.map(|it| PromptArgs::complete(it, prompts, guidance)).transpose()?;
    if let Some(warning) = sampling.warning(&trained.schedule) {
        print::err(format_args!("warning: {warning}"));
    }

    outputs.iter().try_for_each(|output| output.check_beside(&outputs))?;
    outputs.iter().try_for_each(Output::make_folder)?;
    let film = outputs.iter().any(Output::is_film);
    let images: &dyn Generator = inpainter.as_ref().map_or(&images, |inpainter| inpainter);
    let recipe = images.recipe();
    let drawing = Drawing {
        run: args.weights.clone(),
        weights: recipe.weights,
        sampling,
        condition: recipe.condition,
        clip: !args.no_clip,
        noise: args.noise.clone(),
    };
    let mut results = Results::create("", command_line(), &drawing, seed, device)?;
    let drawn = draw(images, &trained.schedule, n, film)?;
    // one that cannot be written is no reason to lose the others
    let write = |output: &Output| output.write(&drawn, &trained.schedule, &mut results);
    let written: Vec<Result<()>> = outputs.iter().map(write).collect();
    say!(
        "{n} images by {sampler} with {}, {} evaluations of the network an image",
        drawing.weights,
        recipe.nfe
    );
    results.finish();
    written.into_iter().collect()
}

/// The sampler that was asked for; a flag of another one is refused.
fn sampler(args: &Args) -> Result<Sampler> {
    let name = args.sampler.as_str();
    let churn = [args.s_churn, args.s_min, args.s_max, args.s_noise];
    for (flag, given, owner) in [
        ("--eta", args.eta.is_some(), "ddim"),
        ("--variance", args.variance.is_some(), "ddpm"),
        ("--s-churn", args.s_churn.is_some(), "edm"),
        ("--s-min", args.s_min.is_some(), "edm"),
        ("--s-max", args.s_max.is_some(), "edm"),
        ("--s-noise", args.s_noise.is_some(), "edm"),
    ] {
        let fits = !given || name == owner;
        ensure!(fits, "{flag} means nothing to {name}: leave it out, or choose --sampler {owner}");
    }
    Ok(match name {
        "ddim" => Sampler::Ddim(args.eta.unwrap_or(0.0)),
        "ddpm" => Sampler::Ddpm(args.variance.unwrap_or(Variance::Small)),
        "edm" => {
            let ([s_churn, s_min, s_max, s_noise], usual) = (churn, Churn::DEFAULT);
            Sampler::Edm(Churn {
                s_churn: s_churn.unwrap_or(usual.s_churn),
                s_min: s_min.unwrap_or(usual.s_min),
                s_max: s_max.unwrap_or(usual.s_max),
                s_noise: s_noise.unwrap_or(usual.s_noise),
            })
        }
        other => serde_json::from_value(other.into())?, // by the names that tables use
    })
}

/// The guidance that was asked for.
fn guidance(args: &Args) -> Result<Guidance> {
    let interval = match args.guidance_interval[..] {
        [] => None,
        [low, high] => Some([low, high]),
        _ => bail!("--guidance-interval takes two numbers, such as 0.3,5"),
    };
    let guidance = Guidance {
        scale: args.guidance.unwrap_or(1.0),
        rescale: args.guidance_rescale.unwrap_or(0.0),
        interval,
    };
    for (flag, given) in [
        ("--guidance-rescale", args.guidance_rescale.is_some()),
        ("--guidance-interval", interval.is_some()),
        ("--negative-class", args.negative_class.is_some()),
        ("--negative-prompt", args.prompt.negative_prompt.is_some()),
    ] {
        let fits = !given || !guidance.is_none();
        ensure!(fits, "{flag} means nothing at --guidance 1, which does not guide: leave it out");
    }
    Ok(guidance)
}

/// The noise of a file, as it is asked for and as the network takes it.
fn start(path: &std::path::Path, n: Option<u64>, trained: &Pretrained) -> Result<Tensor> {
    let found = arrays::read_npy(path)?;
    let (shape, shown) = (found.size(), path.display());
    let [_, c, h, w] = trained.config.shape(1);
    let fits = shape.len() == 4 && shape[0] > 0 && shape[1..] == [c, h, w];
    ensure!(fits, "{shown}: expected noise of shape [N, {c}, {h}, {w}], found {shape:?}");
    let float = [Kind::Half, Kind::Float, Kind::Double].contains(&found.kind());
    ensure!(float, "{shown}: expected floats, found {:?}", found.kind());
    let n = n.unwrap_or(shape[0] as u64);
    ensure!(
        n <= shape[0] as u64,
        "{shown} holds noise for {} images, not {n}: lower --samples",
        shape[0]
    );
    let found = found.narrow(0, 0, n as i64).to_kind(Kind::Float);
    ensure!(all_finite(&found), "{shown}: expected numbers, found infinite ones or NaN");
    Ok(found)
}

/// Draws in chunks of the size that scores use, and keeps what the movie shows.
fn draw(images: &dyn Generator, schedule: &Schedule, n: u64, film: bool) -> Result<Drawn> {
    let chunks = n.div_ceil(CHUNK);
    let mut progress = Progress::new("drawing", chunks * images.looks() as u64);
    let (mut pixels, mut seen) = (Vec::new(), Vec::new());
    for first in (0..n).step_by(CHUNK as usize) {
        let mut look = |now: &Snapshot| {
            progress.tick(format_args!("t = {:.0}", schedule.t_of(now.at)));
            if film && first == 0 {
                seen.push(few(now));
            }
        };
        let x0 = images.draw(first, CHUNK.min(n - first), &mut look);
        ensure!(
            all_finite(&x0),
            "the sampler ran away, to infinite pixels: take more steps, or leave out --no-clip"
        );
        pixels.push(to_u8(&x0).to_device(Device::Cpu));
    }
    progress.finish("");
    Ok(Drawn { pixels: Tensor::cat(&pixels, 0), seen })
}

/// The first images of an evaluation, on the CPU.
fn few(seen: &Snapshot) -> Snapshot {
    let few = |x: &Tensor| x.narrow(0, 0, FILMED.min(x.size()[0])).to_device(Device::Cpu).copy();
    Snapshot { at: seen.at, x_t: few(&seen.x_t), x0: few(&seen.x0) }
}
