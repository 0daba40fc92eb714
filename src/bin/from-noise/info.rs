//! `from-noise info`: what lies in a run directory.

use super::model;
use anyhow::Result;
use from_noise::data::Color;
use from_noise::denoiser::{Head, Parameterization, Target, TimeInput};
use from_noise::evaluate::Score;
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::say;
use from_noise::util::results::read_table;
use std::path::{Path, PathBuf};
use tch::Device;

/// Say what lies in a run directory.
///
/// Examples:
///   cargo from-noise info weights/mnist-unet-v
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let (dir, config) = model::open(&args.run)?;
    let log = dir.join("log.csv");
    let loss = last_loss(&log).unwrap_or_else(|| match log.exists() {
        true => "log.csv has no columns step and loss, separated by commas".into(),
        false => "no log.csv that tells it".into(),
    });
    let mut lines = vec![
        ("run", dir.display().to_string()),
        ("data", data(&config)),
        ("network", network(&config)?),
        ("schedule", format!("{:?}", config.schedule)),
        ("predicts", predicts(config.parameterization)),
        ("time input", time_input_of(config.parameterization.time_input)),
        ("condition", condition(&config)),
        ("weights", weights(&dir)?),
        ("loss", loss),
    ];
    let scores = scores(&dir);
    if scores.is_empty() {
        lines.push(("scores", "no score.csv or table.csv with any".into()));
    }
    lines.extend(scores.into_iter().map(|score| ("score", score)));
    lines.iter().for_each(|(name, text)| say!("{name:<10} {text}"));
    Ok(())
}

fn data(config: &ImageConfig) -> String {
    let color = match config.format.color {
        Color::Gray => "grey",
        Color::Rgb => "colour",
    };
    let [_, c, h, w] = config.shape(1);
    let flip = if config.flip { ", half of them mirrored" } else { "" };
    format!("{}: {color} images [{c}, {h}, {w}]{flip}", config.data)
}

fn network(config: &ImageConfig) -> Result<String> {
    let cost = config.network.cost()?;
    let megaflop = cost.flops as f64 / 1e6;
    let channels = &config.network.channels;
    Ok(format!(
        "U-Net of channels {channels:?}: {} parameters, {megaflop:.1} MFLOP a pass an image",
        cost.params
    ))
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
    let all: Vec<String> = label.into_iter().chain(image).collect();
    if all.is_empty() { "none".into() } else { all.join("; ") }
}

fn time_input_of(time_input: TimeInput) -> String {
    match time_input {
        TimeInput::OneBased => "t in 1..=T".into(),
        TimeInput::ZeroBased => "t - 1 in 0..T".into(),
        TimeInput::Times(factor) => format!("t times {factor}"),
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
    found
}
