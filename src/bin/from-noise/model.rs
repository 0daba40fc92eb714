//! The run directories that were typed.

use anyhow::{Result, bail, ensure};
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::util::cli;
use std::path::{Path, PathBuf};
use tch::Device;

/// The directory's place and what it was trained for; one clear sentence if it is no run.
pub fn open(typed: &Path) -> Result<(PathBuf, ImageConfig)> {
    let dir = cli::find(typed);
    let shown = typed.display();
    if !dir.join("config.json").is_file() {
        let found = if dir.is_dir() { "has no config.json" } else { "is no folder" };
        bail!(
            "{shown} is no run directory (it {found}): give one that a training wrote, such as weights/mnist-unet-v"
        );
    }
    match Pretrained::config(&dir) {
        Ok(config) => Ok((dir, config)),
        Err(why) => bail!("{shown} holds no image model that can be drawn from: {why}"),
    }
}

/// The model of a run directory, with its averaged weights.
pub fn load(typed: &Path, device: Device) -> Result<Pretrained> {
    let (dir, _) = open(typed)?;
    let weights = dir.join("ema.safetensors");
    ensure!(
        weights.is_file(),
        "{} has no averaged weights yet (ema.safetensors): train on until they are saved",
        typed.display()
    );
    Ok(Pretrained::load(&dir, device)?)
}

/// The classifier whose features are compared.
pub fn classifier(typed: &Path, device: Device) -> Result<FeatureNet> {
    let dir = cli::find(typed);
    ensure!(
        dir.join("train-moments.safetensors").is_file(),
        "{} holds no classifier: give a directory that `cargo from-noise train-classifier` wrote",
        typed.display()
    );
    Ok(FeatureNet::load(dir, device)?)
}
