//! `from-noise info`: what lies in a run directory.

use super::model;
use anyhow::Result;
use from_noise::checkpoint::read_config;
use from_noise::data::{Color, Format, Source};
use from_noise::denoiser::{Head, Parameterization, Target, TimeInput};
use from_noise::evaluate::Score;
use from_noise::metrics::{FeatureExtractor, FeatureNet, TRAIN_MOMENTS};
use from_noise::nn::{UnetClassifier, UnetConfig};
use from_noise::pretrained::{
    ClipConfig, ImageConfig, NoisedClassifierConfig, Pretrained, PretrainedClassifier,
    PretrainedClip,
};
use from_noise::say;
use from_noise::util::results::read_table;
use std::path::{Path, PathBuf};
use tch::Device;

/// Say what lies in a run directory.
///
/// Examples:
///   cargo from-noise info weights/mnist-unet-v
///   cargo from-noise info weights/mnist-noised-classifier
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let dir = model::run_dir(&args.run)?;
    let log = dir.join("log.csv");
    let loss = last_loss(&log).unwrap_or_else(|| match log.exists() {
        true => "log.csv has no columns step and loss, separated by commas".into(),
        false => "no log.csv that tells it".into(),
    });
    let mut lines = vec![("run", dir.display().to_string())];
    let (found, scores) = match read_config::<NoisedClassifierConfig>(&dir) {
        Ok(config) => (noised_classifier(&dir, &config)?, Vec::new()),
        Err(_) if dir.join(TRAIN_MOMENTS).is_file() => (feature_net(&dir)?, Vec::new()),
        Err(_) if let Ok(config) = read_config::<ClipConfig>(&dir) => {
            (clip(&dir, &config)?, Vec::new())
        }
        Err(_) => (image_model(&dir, &model::open(&args.run)?.1)?, scores(&dir)),
    };
    lines.extend(found);
    lines.push(("loss", loss));
    lines.extend(scores.into_iter().map(|score| ("score", score)));
    lines.iter().for_each(|(name, text)| say!("{name:<10} {text}"));
    Ok(())
}

type Lines = Vec<(&'static str, String)>;

fn image_model(dir: &Path, config: &ImageConfig) -> Result<Lines> {
    let cost = config.network.cost()?;
    let flip = if config.flip { ", half of them mirrored" } else { "" };
    Ok(vec![
        ("data", data(&config.data, config.format) + flip),
        ("network", network("U-Net", &config.network, cost.params, cost.flops)),
        ("schedule", format!("{:?}", config.schedule)),
        ("predicts", predicts(config.parameterization)),
        ("time input", time_input_of(config.parameterization.time_input)),
        ("condition", condition(config)),
        ("weights", weights(dir)?),
    ])
}

/// Of a run that guides others (--guided-by) and draws nothing by itself.
fn noised_classifier(dir: &Path, config: &NoisedClassifierConfig) -> Result<Lines> {
    let classes = config.network.out_channels;
    let cost = UnetClassifier::cost(&config.network)?;
    let hash = || Ok(PretrainedClassifier::load(dir, Device::Cpu)?.hash);
    Ok(vec![
        ("data", data(&config.data, config.format)),
        ("network", network("the way down of a U-Net", &config.network, cost.params, cost.flops)),
        ("schedule", format!("{:?}", config.schedule)),
        ("predicts", format!("which of {classes} classes a noised image is of; it can guide")),
        ("taught", taught(config.noised).into()),
        ("weights", guiding_weights(dir, hash)?),
    ])
}

/// Of a run that leads others to captions (--clip) and draws nothing by itself.
fn clip(dir: &Path, config: &ClipConfig) -> Result<Lines> {
    let cost = UnetClassifier::cost(&config.image)?;
    let hash = || Ok(PretrainedClip::load(dir, Device::Cpu)?.hash);
    Ok(vec![
        ("data", data(&config.data, config.format)),
        ("network", network("an image tower", &config.image, cost.params, cost.flops)),
        ("schedule", format!("{:?}", config.schedule)),
        ("predicts", "how well a noised image and a caption fit; it can guide (--clip)".into()),
        ("taught", taught(config.noised).into()),
        ("weights", guiding_weights(dir, hash)?),
    ])
}

fn taught(noised: bool) -> &'static str {
    if noised { "at all levels of noise" } else { "by clean images alone" }
}

fn guiding_weights(dir: &Path, hash: impl FnOnce() -> Result<String>) -> Result<String> {
    Ok(match dir.join("ema.safetensors").is_file() {
        true => format!("averaged; SHA-256 {}...", hash()?),
        false => "none yet (no ema.safetensors): nothing can be guided".into(),
    })
}

/// Of a run whose features FID-LeNet compares.
fn feature_net(dir: &Path) -> Result<Lines> {
    let net = FeatureNet::load(dir, Device::Cpu)?;
    let (config, classes) = (&net.config, net.classes());
    Ok(vec![
        ("data", data(&config.data, config.format)),
        ("network", format!("LeNet with {} features, which FID-LeNet compares", net.dim())),
        ("predicts", format!("which of {classes} classes a clean image is of")),
        ("weights", format!("averaged; SHA-256 {}...", net.hash())),
        ("real", format!("FID-LeNet {:.2} of all test images", net.fid_real.max(0.0))),
    ])
}

fn data(source: &Source, format: Format) -> String {
    let color = match format.color {
        Color::Gray => "grey",
        Color::Rgb => "colour",
    };
    format!("{source}: {color} images {:?}", format.shape())
}

fn network(kind: &str, config: &UnetConfig, params: i64, flops: i64) -> String {
    let (channels, megaflop) = (&config.channels, flops as f64 / 1e6);
    format!(
        "{kind} of channels {channels:?}: {params} parameters, {megaflop:.1} MFLOP a pass an image"
    )
}

fn predicts(parameterization: Parameterization) -> String {
    let target = match parameterization.target {
        Target::Eps => "the noise eps".into(),
        Target::X0 => "the clean image x0".into(),
        Target::V => "the velocity v".into(),
        Target::Edm { sigma_data } => format!("EDM's F, for data of deviation {sigma_data}"),
    };
    match parameterization.head {
        Head::Mean => target,
        Head::MeanAndNu => format!("{target}, and the variance of the step"),
    }
}

fn condition(config: &ImageConfig) -> String {
    let label = config.classes.map(|classes| format!("a label of {classes} classes"));
    let image = config.image_condition.map(|image| image.describe(config.format));
    let text = config.text.as_ref().map(|text| format!("a caption of {} words", text.vocabulary));
    let all: Vec<String> = label.into_iter().chain(text).chain(image).collect();
    if all.is_empty() { "none".into() } else { all.join("; ") }
}

fn time_input_of(time_input: TimeInput) -> String {
    match time_input {
        TimeInput::OneBased => "t in 1..=T".into(),
        TimeInput::ZeroBased => "t - 1 in 0..T".into(),
        TimeInput::Times(factor) => format!("t times {factor}"),
        TimeInput::ZeroBasedTimes(factor) => format!("t - 1 in 0..T, times {factor}"),
        TimeInput::QuarterLogSigma => "ln(sigma / alpha) / 4".into(),
    }
}

fn weights(dir: &Path) -> Result<String> {
    if !dir.join("ema.safetensors").is_file() {
        return Ok("none yet (no ema.safetensors): nothing can be drawn".into());
    }
    let trained = Pretrained::load(dir, Device::Cpu)?;
    Ok(format!("averaged, after {} steps of training; SHA-256 {}...", trained.step, trained.hash))
}

/// The last line of the log.
fn last_loss(log: &Path) -> Option<String> {
    let mut reader = csv::Reader::from_path(log).ok()?;
    let place = |name: &str, header: &csv::StringRecord| header.iter().position(|h| h == name);
    let header = reader.headers().ok()?.clone();
    let (step, loss) = (place("step", &header)?, place("loss", &header)?);
    let last = reader.records().map_while(Result::ok).last()?;
    let loss: f64 = last.get(loss)?.parse().ok()?;
    Some(format!("{loss:.4} in step {}, of one batch (log.csv)", last.get(step)?))
}

/// The scores in the tables that commands of this crate leave behind; what cannot be read is said.
fn scores(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["score.csv", "table.csv"] {
        match read_table::<Score>(&dir.join(name)) {
            Ok(rows) => found.extend(rows.iter().map(|row| format!("{row} ({name})"))),
            Err(why) => found.push(why.to_string()),
        }
    }
    if found.is_empty() {
        found.push("none: no score.csv or table.csv with any".into());
    }
    found
}
