//! `from-noise table`: scores of many samplers, as a file of your own asks for them.

use super::upsample::{Told, enlarged};
use super::{command_line, model};
use anyhow::{Result, anyhow, bail, ensure};
use from_noise::data::Split;
use from_noise::evaluate::{
    Classes, ImageSampler, Score, ScoreTable, Sweep, SweepGrid, check_shape,
};
use from_noise::guide::Guidance;
use from_noise::metrics::FeatureExtractor;
use from_noise::say;
use from_noise::util::cli::{self, PictureArgs, ShardArgs};
use from_noise::util::device;
use from_noise::util::results::Results;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Fill a table of scores: every sampler with every path and number of steps of a file.
///
/// It can be stopped at any time, and goes on when the same command is typed again. Parts that are
/// drawn are kept in parts/ below --out.
///
/// Examples:
///   cargo from-noise table sweep.toml --out runs/table
///   cargo from-noise table sweep.toml --out runs/table --shard 1/8
///   cargo from-noise table sweep.toml --out runs/table --collect
///
/// with sweep.toml:
///
///   weights = "weights/mnist-unet-v"             # the run directory that draws
///   classifier = "weights/mnist-classifier"    # whose features are compared; this is the default
///   # inception = "FILE.pth"                   # FID instead: cargo xtask weights fid-inception
///   # clip = false                             # leave predictions as they are
///   seed = 0
///   # upsample = "weights/cascade/upsampler" # a run that enlarges what the first one draws
///   # noise_level = 100                      # after it was noised to this t; 0 if left out
///   # class = 3                                # of a class-conditional model, one class alone
///   # guidance = [1.0, 2.0]                    # and every line with each of these scales
///   # guided_by = "weights/mnist-noised-classifier" # a classifier that guides, any model
///   # classifier_scale = [1.0, 5.0]            # and every line with each of these scales
///
///   [[grid]]                                # every sampler with every path and steps
///   samplers = [{ ddim = 0.0 }, { ddpm = "large" }, "heun", "dpm-solver++2m"]
///   paths = ["trailing", "log-snr"]            # or uniform, quadratic, linspace, karras
///   steps = [10, 20]                           # noisy levels of the path
///   n = 2000                                   # images per line
///
///   [[grid]]
///   samplers = [{ edm = { s_churn = 5.0, s_min = 0.05, s_max = 10.0, s_noise = 1.0 } }]
///   paths = ["karras"]
///   evaluations = [19, 39]                     # the most steps that cost no more than this
///   n = 2000
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// File that says which lines the table has
    #[arg(value_name = "SWEEP.toml")]
    sweep: PathBuf,

    /// Folder for table.csv and the parts
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    shards: ShardArgs,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto")]
    device: device::Choice,
}

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableSpec {
    weights: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classifier: Option<PathBuf>,
    /// Weights of Inception, whose features are compared instead: FID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inception: Option<PathBuf>,
    /// Whether predictions are clipped to the range of pixels.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    clip: bool,
    #[serde(default)]
    seed: u64,
    /// A run that enlarges what is drawn, sampled and guided alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upsample: Option<PathBuf>,
    /// To which the images are noised before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noise_level: Option<usize>,
    /// Of a class-conditional model: all images of one class, instead of all classes in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<i64>,
    /// Scales of classifier-free guidance: every line is drawn with each.
    #[serde(default = "unguided")]
    guidance: Vec<f64>,
    /// The run directory of a classifier of noised images that guides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guided_by: Option<PathBuf>,
    /// Its scales: every line is drawn with each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classifier_scale: Vec<f64>,
    grid: Vec<SweepGrid>,
}

fn yes() -> bool {
    true
}

fn is_yes(clip: &bool) -> bool {
    *clip
}

fn unguided() -> Vec<f64> {
    vec![Guidance::NONE.scale]
}

pub fn run(args: &Args) -> Result<()> {
    let asked = read(&args.sweep)?;
    let device = device::pick(args.device)?;
    let trained = model::load(&asked.weights, device)?;
    let upper = asked.upsample.as_ref().map(|run| model::load(run, device)).transpose()?;
    let last = upper.as_ref().unwrap_or(&trained);
    let dir = cli::find(asked.upsample.as_ref().unwrap_or(&asked.weights));
    let images = |split| cli::images_of_run(&dir, &last.config, split, false, &args.pictures);
    for (key, means_nothing, why) in [
        ("noise_level", asked.noise_level.is_some() && upper.is_none(), "without upsample"),
        ("classifier", asked.classifier.is_some() && asked.inception.is_some(), "beside inception"),
    ] {
        ensure!(
            !means_nothing,
            "{}: {key} means nothing {why}: leave it out",
            args.sweep.display()
        );
    }
    let sweep = Sweep { seed: asked.seed, grid: asked.grid.clone() };
    let classes = asked.class.map_or(Classes::InTurn, Classes::Only);
    let guide = asked.guided_by.as_ref().map(|guide| model::guide(guide, device)).transpose()?;
    let scales = match (&guide, &asked.classifier_scale[..]) {
        (None, [_, ..]) => bail!(
            "{} has a classifier_scale and no classifier that guides: add guided_by, or leave it out",
            args.sweep.display()
        ),
        (_, []) => &[1.0][..],
        (_, scales) => scales,
    };
    let (guide, upper, asked) = (guide.as_ref(), upper.as_ref(), &asked);
    let (frees, scales) = (each_once(&asked.guidance), each_once(scales));
    let pairs = frees.iter().flat_map(|free| scales.iter().map(move |scale| (free, scale)));
    let way = |(&free, &scale): (&f64, &f64)| {
        move |images: ImageSampler| {
            let images = match guide {
                Some(guide) => images.guided_by(guide, scale)?,
                None => images,
            };
            let images = images.of(classes)?.guided(Guidance::scale(free), None)?;
            let images = match upper {
                None => images,
                Some(upper) => {
                    let told = Told::guidance(Guidance::scale(free));
                    enlarged(images, upper, asked.noise_level.unwrap_or(0), &told)?
                }
            };
            Ok(if asked.clip { images } else { images.unclipped() })
        }
    };
    let ways: Vec<_> = pairs.map(way).collect();
    let lines = cli::image_lines(&sweep, &trained, &ways)?;
    let shape = last.config.format.shape();
    let net: Box<dyn FeatureExtractor> = match &asked.inception {
        None => {
            let usual = || PathBuf::from("weights/mnist-classifier");
            Box::new(model::classifier(&asked.classifier.clone().unwrap_or_else(usual), device)?)
        }
        Some(weights) => {
            let net = cli::inception(weights, shape, device)?;
            say!(
                "comparing with the training images; what they give is kept in {}",
                args.out.display()
            );
            Box::new(net.compared_with(&images(Split::Train)?, &args.out)?)
        }
    };
    check_shape(shape, &*net)?; // before the test images are needed
    let test = images(Split::Test)?;
    let table = ScoreTable::new(lines, &*net, &test, &args.out)?;
    let mut results = Results::create(&args.out, command_line(), &asked, asked.seed, device)?;
    let filled = cli::fill_table(&table, &args.shards, &mut results)?;
    report(&filled, table.lines().len(), &args.shards);
    results.finish();
    Ok(())
}

/// These scales, without those that were named before.
fn each_once(scales: &[f64]) -> Vec<f64> {
    let mut seen = Vec::new();
    for scale in scales {
        if !seen.contains(scale) {
            seen.push(*scale);
        }
    }
    seen
}

fn read(path: &Path) -> Result<TableSpec> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| anyhow!("cannot read {}: {e}", path.display()))?;
    let said = toml::from_str(&text);
    said.map_err(|e| {
        anyhow!(
            "{} describes no table (--help shows one): {}",
            path.display(),
            e.to_string().trim_end()
        )
    })
}

fn report(rows: &[Score], lines: usize, share: &ShardArgs) {
    if let Some(shard) = share.shard {
        say!(
            "share {} of {} is drawn; when all are, --collect writes the table",
            shard.index,
            shard.count
        );
        return;
    }
    for row in rows {
        say!("{row}");
    }
    let missing = lines - rows.len();
    if missing > 0 {
        say!("{missing} lines are not drawn yet");
    }
}
