//! The run directories that were typed.

use anyhow::{Result, bail, ensure};
use from_noise::checkpoint::read_config;
use from_noise::metrics::{FeatureNet, TRAIN_MOMENTS};
use from_noise::pretrained::{
    ClipConfig, ImageConfig, NoisedClassifierConfig, Pretrained, PretrainedClassifier,
    PretrainedClip,
};
use from_noise::util::{cli, print};
use std::path::{Path, PathBuf};
use tch::Device;

/// The directory's place; one clear sentence if it is no run.
pub fn run_dir(typed: &Path) -> Result<PathBuf> {
    let dir = cli::find(typed);
    let shown = typed.display();
    if !dir.join("config.json").is_file() {
        let found = if dir.is_dir() { "has no config.json" } else { "is no folder" };
        bail!(
            "{shown} is no run directory (it {found}): give one that a training wrote, such as weights/mnist-unet-v"
        );
    }
    Ok(dir)
}

/// The directory's place and what it was trained for; one clear sentence if it is no run of an
/// image model.
pub fn open(typed: &Path) -> Result<(PathBuf, ImageConfig)> {
    let (dir, shown) = (run_dir(typed)?, typed.display());
    match Pretrained::config(&dir) {
        Ok(config) => Ok((dir, config)),
        Err(_) if read_config::<NoisedClassifierConfig>(&dir).is_ok() => bail!(
            "{shown} holds a classifier of noised images, which draws nothing by itself: give it \
             as --guided-by, or in a table as guided_by"
        ),
        Err(_) if read_config::<ClipConfig>(&dir).is_ok() => {
            bail!("{shown} holds a CLIP, which draws nothing by itself: give it as --clip")
        }
        Err(why) => bail!("{shown} holds no image model that can be drawn from: {why}"),
    }
}

/// The model of a run directory, with its averaged weights.
pub fn load(typed: &Path, device: Device) -> Result<Pretrained> {
    let (dir, _) = open(typed)?;
    weights_of(typed, &dir)?;
    Ok(Pretrained::load(&dir, device)?)
}

/// The file of the averaged weights, which the run `dir` must have.
pub fn weights_of(typed: &Path, dir: &Path) -> Result<PathBuf> {
    let weights = dir.join("ema.safetensors");
    ensure!(
        weights.is_file(),
        "{} has no averaged weights yet (ema.safetensors): train on until they are saved",
        typed.display()
    );
    Ok(weights)
}

/// The classifier whose features are compared.
pub fn classifier(typed: &Path, device: Device) -> Result<FeatureNet> {
    let dir = cli::find(typed);
    ensure!(
        dir.join(TRAIN_MOMENTS).is_file(),
        "{} holds no classifier: give a directory that `cargo from-noise train-classifier` wrote",
        typed.display()
    );
    Ok(FeatureNet::load(dir, device)?)
}

/// The CLIP that guides. One that has never seen noise is warned of.
pub fn clip(typed: &Path, device: Device) -> Result<PretrainedClip> {
    let (dir, shown) = (run_dir(typed)?, typed.display());
    ensure!(
        read_config::<ClipConfig>(&dir).is_ok(),
        "{shown} holds no CLIP: give one that `cargo chapter 15 --train` wrote, such as \
         weights/clip/noised"
    );
    let found = PretrainedClip::load(&dir, device)?;
    warn_of_clean(typed, found.config.noised);
    Ok(found)
}

/// The classifier that guides. One that has never seen noise is warned of.
pub fn guide(typed: &Path, device: Device) -> Result<PretrainedClassifier> {
    let (dir, shown) = (run_dir(typed)?, typed.display());
    ensure!(
        read_config::<NoisedClassifierConfig>(&dir).is_ok(),
        "{shown} holds no classifier of noised images: give one that `cargo chapter 09 --train` \
         wrote, such as weights/mnist-noised-classifier"
    );
    let found = PretrainedClassifier::load(&dir, device)?;
    warn_of_clean(typed, found.config.noised);
    Ok(found)
}

/// Warns of what is to guide and has never seen noise.
fn warn_of_clean(typed: &Path, noised: bool) {
    if !noised {
        let shown = typed.display();
        print::err(format_args!(
            "warning: {shown} was taught by clean images alone: its gradients are wrong in noise"
        ));
    }
}
