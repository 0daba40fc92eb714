//! What each choice bought: the networks of `variants`, trained alike and scored.

use super::timing::times;
use super::variants::{Length, Variant};
use super::{Args, curves, learn, variants};
use anyhow::{Result, ensure};
use from_noise::data::Split;
use from_noise::evaluate::{CHUNK, ImageSampler, Sampler, Sampling, Shard, in_short, score};
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::pretrained::Pretrained;
use from_noise::say;
use from_noise::schedule::{self, Level};
use from_noise::util::cli::{self, Chapter};
use from_noise::util::device;
use from_noise::util::progress::Progress;
use from_noise::util::results::read_table;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How all of them draw.
pub fn sampling(args: &Args) -> Sampling {
    let steps = if args.common.smoke { 2 } else { 20 };
    let (sampler, path) = (Sampler::Ddim(0.0), schedule::Path::Trailing);
    Sampling { sampler, path, steps, seed: args.common.seed }
}

/// What a trained network is worth: `score.csv` in its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Worth {
    /// The squared error of eps on test digits, mean over the levels: L_simple.
    loss_eps: f64,
    /// That of v: `|v - v'|^2 = |eps - eps'|^2 / alpha^2`, whatever the network predicts.
    loss_v: f64,
    fid_lenet: f64,
    error: Option<f64>,
    n: u64,
    /// The hash of the network whose features were compared.
    #[serde(default)]
    feature_net: String,
    device: String,
}

/// A line of `variants.csv`.
#[derive(Debug, Serialize)]
struct Row {
    variant: &'static str,
    change: &'static str,
    parameters: i64,
    mflop: f64,
    /// Of an evaluation, where the first network takes 1.
    time: f64,
    steps: u64,
    batch: usize,
    loss_eps: f64,
    loss_v: f64,
    fid: String,
    n: u64,
    device: String,
}

/// Trains the networks of this share that are not scored yet, each in a folder of its own below
/// `--out`; whoever has the whole writes `variants.csv`.
pub fn compare(length: Length, n: u64, args: &Args, chapter: &mut Chapter) -> Result<()> {
    let all = variants::all(length, args.common.smoke);
    let net = args.feature_net(&all[0].config, chapter.device)?;
    args.enough(n, &net, "--variants")?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    for variant in shard.of(all.iter()) {
        if known(variant, n, &net, chapter)?.is_some() {
            continue;
        }
        say!("{}: {}", variant.name, variant.change);
        let dir = chapter.results.dir().join(variant.name);
        let resume = dir.join("config.json").exists();
        learn::learn(&variant.config, length.steps, &dir, resume, args, chapter)?;
        let worth = worth(&dir, n, &net, args, chapter)?;
        chapter.results.samples(n);
        chapter.results.table(&format!("{}/score.csv", variant.name), &[worth])?;
    }
    if args.shard.is_some() {
        return Ok(());
    }
    let times = times(&all, chapter.device);
    let (mut rows, mut points) = (Vec::new(), Vec::new());
    for (variant, time) in all.iter().zip(times) {
        let worth = known(variant, n, &net, chapter)?.expect("just written");
        let cost = variant.config.network.cost()?;
        points.push((variant.kind, time, worth.loss_eps, worth.fid_lenet));
        rows.push(Row {
            variant: variant.name,
            change: variant.change,
            parameters: cost.params,
            mflop: cost.flops as f64 / 1e6,
            time,
            steps: length.steps,
            batch: variant.config.batch,
            loss_eps: worth.loss_eps,
            loss_v: worth.loss_v,
            fid: in_short(worth.fid_lenet, worth.error),
            n: worth.n,
            device: worth.device,
        });
    }
    chapter.results.samples(n);
    chapter.results.table("variants.csv", &rows)?;
    Ok(chapter.results.figure("variants.png", &curves::by_kind(&points))?)
}

/// What is known of a network that was trained before and scored on as many images by the same
/// features.
///
/// # Errors
/// It was trained otherwise.
fn known(variant: &Variant, n: u64, net: &FeatureNet, chapter: &Chapter) -> Result<Option<Worth>> {
    let dir = chapter.results.dir().join(variant.name);
    let Ok(saved) = Pretrained::config(&dir) else { return Ok(None) };
    ensure!(
        saved == variant.config,
        "{} was trained with another --steps, --seed or --preset: give the one it had, or choose \
         another --out",
        dir.display()
    );
    let scored = read_table::<Worth>(&dir.join("score.csv"))?;
    Ok(scored.into_iter().find(|worth| worth.n == n && worth.feature_net == net.hash()))
}

/// Scores what lies in `dir`.
fn worth(dir: &Path, n: u64, net: &FeatureNet, args: &Args, chapter: &Chapter) -> Result<Worth> {
    let trained = Pretrained::load(dir, chapter.device)?;
    let smoke = args.common.smoke;
    let test = cli::images_of_run(dir, &trained.config, Split::Test, smoke, &args.data.pictures)?;
    let sampling = sampling(args);
    let mut progress = Progress::new("drawing", n.div_ceil(CHUNK) * sampling.steps as u64);
    let images = ImageSampler::new(&trained, sampling)?;
    let fid_real = net.distance_of_real(&test, n, 0);
    let score = score(&images, net, n, fid_real, |_, _| {}, |_| progress.tick(""));
    progress.finish(format_args!("{n} images"));
    let few = test.first(if smoke { 32 } else { 1000 });
    let errors = curves::errors_by_level(&trained, &few, chapter.device);
    let mean = |weight: fn(Level) -> f64| {
        errors.iter().map(|(at, of_eps)| weight(*at) * of_eps).sum::<f64>() / errors.len() as f64
    };
    let (loss_eps, loss_v) = (mean(|_| 1.0), mean(|at| at.alpha.powi(-2)));
    let (feature_net, device) = (score.feature_net.clone(), device::name(chapter.device));
    say!("{score}");
    let (fid_lenet, error) = (score.distance, score.error);
    Ok(Worth { loss_eps, loss_v, fid_lenet, error, n, feature_net, device })
}
