//! The run directories that were typed, and what a model can be asked for.

use anyhow::{Result, bail, ensure};
use from_noise::cli;
use from_noise::denoiser::Head;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::forward::Variance;
use from_noise::metrics::FeatureNet;
use from_noise::sample::Churn;
use from_noise::trained::{ImageConfig, Trained};
use std::path::{Path, PathBuf};
use tch::Device;

/// The directory's place and what it was trained for; one clear sentence if it is no run.
pub fn open(typed: &Path) -> Result<(PathBuf, ImageConfig)> {
    let dir = cli::find(typed);
    let shown = typed.display();
    if !dir.join("config.json").is_file() {
        let found = if dir.is_dir() { "has no config.json" } else { "is no folder" };
        bail!(
            "{shown} is no run directory (it {found}): give one that a training wrote, such as weights/mnist-ddpm"
        );
    }
    match Trained::config(&dir) {
        Ok(config) => Ok((dir, config)),
        Err(why) => bail!("{shown} holds no image model that can be drawn from: {why}"),
    }
}

/// The model of a run directory, with its averaged weights.
pub fn load(typed: &Path, device: Device) -> Result<Trained> {
    let (dir, _) = open(typed)?;
    let weights = dir.join("ema.safetensors");
    ensure!(
        weights.is_file(),
        "{} has no averaged weights yet (ema.safetensors): train on until they are saved",
        typed.display()
    );
    Ok(Trained::load(&dir, device)?)
}

/// The classifier whose features are compared.
pub fn classifier(typed: &Path, device: Device) -> Result<FeatureNet> {
    let dir = cli::find(typed);
    ensure!(
        dir.join("train-moments.safetensors").is_file(),
        "{} holds no classifier: give a directory that `cargo run --example classifier` wrote",
        typed.display()
    );
    Ok(FeatureNet::load(dir, device)?)
}

/// Refuses what would end in nonsense, or in a panic, on the way.
pub fn check(sampling: &Sampling, trained: &Trained) -> Result<()> {
    let (steps, most) = (sampling.steps, trained.schedule.steps());
    ensure!(
        (1..=most).contains(&steps),
        "{steps} steps do not fit a schedule of {most}: take 1 to {most}"
    );
    match sampling.sampler {
        Sampler::Ddim(eta) => ensure!(
            (0.0..=1.0).contains(&eta),
            "DDIM's eta is {eta}: it lies in 0 (no fresh noise) to 1"
        ),
        Sampler::Ddpm(Variance::Learned) => {
            let learned = trained.config.meaning.head == Head::MeanAndNu;
            ensure!(learned, "these weights have learned no variance: take small or large");
        }
        Sampler::Edm(churn) => check_churn(churn, sampling, trained)?,
        _ => {}
    }
    Ok(())
}

/// EDM's sampler climbs before each step; there must be a level to climb to.
fn check_churn(churn: Churn, sampling: &Sampling, trained: &Trained) -> Result<()> {
    let Churn { amount, above, below, scale } = churn;
    let sound = [amount, above, scale].iter().all(|number| number.is_finite() && *number >= 0.0);
    ensure!(sound && below >= 0.0, "EDM's churn takes numbers from 0 up, not {churn:?}");
    let path = trained.schedule.path(sampling.path, sampling.steps);
    let noise = |log_snr: f64| (-0.5 * log_snr).exp(); // sigma / alpha
    let most = noise(trained.schedule.level(trained.schedule.steps()).log_snr());
    let steps = path.len() as f64 - 1.0;
    let gamma = (amount / steps).min(2f64.sqrt() - 1.0);
    let noisy = path.iter().filter(|level| !level.is_clean()).map(|level| noise(level.log_snr()));
    let climbs = noisy.filter(|from| gamma > 0.0 && (above..=below).contains(from));
    let highest = climbs.fold(0.0, f64::max);
    ensure!(
        highest * (1.0 + gamma) <= most,
        "EDM's churn climbs from sigma / alpha = {highest:.4} beyond the schedule's last level, \
         {most:.4}: add noise only below {:.4} (--churn-below, `below` in a table)",
        most / (1.0 + gamma)
    );
    Ok(())
}
