//! A run directory: everything a training run is, on disk, at all times resumable.
//!
//! ```text
//! config.json             what was asked: the chapter's config, crate version, format version
//! model.safetensors       the weights
//! ema.safetensors         their moving average: load this one to sample
//! optimizer.safetensors   Adam's moments, `m.<name>` and `v.<name>`, and what the loss remembers
//! log.csv                 step, loss, ...: bit-identical in two runs of one config
//! scores.csv              step, and how good its samples are, if anybody asks (`--score-every`)
//! timing.csv              step, seconds since the save before: different in every run
//! ```
//!
//! Each safetensors file says in its metadata which step it belongs to. A save writes the three of
//! them into `next.partial/`, renames that to `next/` (the moment at which the save counts) and
//! moves the files up; opening the run finishes a move that was cut short and cuts `log.csv` back
//! to the saved step. So `kill -9` at any moment costs the steps since the last save, nothing else.
//!
//! ```no_run
//! # use from_noise::{checkpoint::Run, train::{TrainConfig, Trainer}};
//! # let (out, resume) = ("runs/toy", false);
//! # let build = |vs: &tch::nn::Path| tch::nn::linear(vs, 2, 2, Default::default());
//! # let loss = |_: &tch::nn::Linear, _batch: u64| tch::Tensor::from(0.0);
//! let config = TrainConfig::default(); // or any struct that serde can write
//! let mut trainer = Trainer::new(tch::Device::Cpu, config.clone(), build);
//! let mut run = Run::create_or_resume(out, &config, resume, &mut trainer)?;
//! while trainer.step < 1000 {
//!     let loss = trainer.step(loss)?;
//!     run.log(trainer.step, &[("loss", loss), ("grad_norm", trainer.grad_norm())])?;
//!     run.save_if_due(&trainer)?;
//! }
//! run.save(&trainer)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod log;
mod published;
mod run;
mod weights;

pub use config::read_config;
pub use published::load_published;
pub(crate) use published::{copy_published, read_published};
pub use run::Run;
pub(crate) use weights::first_digits;
pub use weights::{
    fingerprint, halve_weights, load_tensors, load_weights, load_weights_to_grow, save_tensors,
    save_weights,
};

use crate::train::TrainError;
use crate::util::files::write_atomically;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;

/// What can go wrong between memory and a run directory; every message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{}: could not {doing}: {source}{}", path.display(), advice(source))]
    Io { path: PathBuf, doing: &'static str, source: std::io::Error },
    #[error("{} already holds a run (found {found}): go on with it by --resume, or choose another --out", dir.display())]
    Exists { dir: PathBuf, found: &'static str },
    #[error("{} is no run directory (it has no config.json): give one that a training wrote, such as weights/mnist-unet-v", dir.display())]
    NoRun { dir: PathBuf },
    #[error("{} holds no run to resume (no config.json): start one without --resume, or check --out", dir.display())]
    Missing { dir: PathBuf },
    #[error("{} is in use by another open run: wait for it to end, or choose another --out", dir.display())]
    Busy { dir: PathBuf },
    #[error(
        "{} was started with another config (saved -> asked):\n{diff}\nresume it with the saved values, or start anew in another --out",
        path.display()
    )]
    ConfigDiffers { path: PathBuf, diff: String },
    #[error("{} cannot be read as the config asked for: {why}: is it the right folder, and unedited?", path.display())]
    Config { path: PathBuf, why: String },
    #[error("{} has format {found}, this version of the crate reads {expected}: use the crate version that wrote it", path.display())]
    Format { path: PathBuf, found: u64, expected: u64 },
    #[error("{} is damaged or cut short ({why}): copy or download it again, or train it again", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{} is a TorchScript program, which is code, and no known one (sha256 {found}): only that of sha256 {trusted} is run", path.display())]
    Script { path: PathBuf, found: String, trusted: String },
    #[error("{} does not fit the network:\n{list}\ntake the config.json that came with the file", path.display())]
    Mismatch { path: PathBuf, list: String },
    #[error("{}: `{name}` is not finite in half precision (the largest number is 65504): keep these weights in f32", path.display())]
    NotHalf { path: PathBuf, name: String },
    #[error("{} is from step {found}, but model.safetensors is from step {expected}: use files of one run", path.display())]
    MixedSteps { path: PathBuf, found: u64, expected: u64 },
    #[error("{}: line {line} is {found:?}, no step and numbers: separate them with commas, or move the file away", path.display())]
    NoLog { path: PathBuf, line: usize, found: String },
    #[error("{} has the columns {found}, but this run logs {asked}: move the file away, or start anew in another --out", path.display())]
    LogColumns { path: PathBuf, found: String, asked: String },
    #[error("{}: step {step} logged after step {last}: log each step once, in order", path.display())]
    LogOrder { path: PathBuf, step: u64, last: u64 },
    /// A step that had not been read; what was sound before it is saved.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// What to do about it, where that is known.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ": check the path",
        ErrorKind::PermissionDenied => ": give yourself the right to it, or take another place",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": make room, or take another place",
        _ => "",
    }
}

/// Writes a run directory that holds a model to draw from and nothing of its training: `config`,
/// and the weights as the average.
///
/// # Errors
/// A folder that holds a run; a disk that cannot be written.
pub fn save_model<C: Serialize>(
    dir: impl AsRef<Path>,
    config: &C,
    vs: &VarStore,
) -> Result<(), CheckpointError> {
    let dir = dir.as_ref();
    run::refuse_a_run(dir)?;
    std::fs::create_dir_all(dir).map_err(CheckpointError::io(dir, "make the folder"))?;
    save_weights(vs, dir.join("ema.safetensors"), 0)?; // first: the config makes it a run
    config::write(dir, config)
}

/// Writes a file of a run, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    write_atomically(path, bytes).map_err(CheckpointError::io(path, "write the file"))
}

impl CheckpointError {
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        doing: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, doing, source }
    }
}
