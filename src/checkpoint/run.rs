use super::{CheckpointError, config, log::Log, weights};
use crate::train::Trainer;
use crate::util::files::{sync_dir, write_through};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use weights::Named;

const MODEL: &str = "model.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// An open run directory. See the [module](super) for its files.
#[derive(Debug)]
pub struct Run {
    dir: PathBuf,
    log: Log,
    scores: Log,
    timing: Log,
    since: Instant,
    /// What the last save took.
    took: Duration,
    /// What of the saved config was changed when the run was resumed.
    changes: Vec<String>,
    /// The changed config, until a save keeps it; and the step at which it came.
    unsaved: Option<(String, u64)>,
    /// Held while the run is open, so that two processes never train into one directory.
    _lock: Option<File>,
}

impl Run {
    /// Starts a run in `dir`, or goes on with the one there and brings `trainer` to its saved step.
    ///
    /// `config` is whatever fixes the result (network, schedule, [`TrainConfig`]); the number of
    /// steps to train is best left out of it, so that a resumed run may go further.
    ///
    /// # Errors
    /// Never overwrites: starting over an existing run is refused, as is resuming where there is
    /// none, or with a config or network other than the saved one.
    ///
    /// [`TrainConfig`]: crate::train::TrainConfig
    pub fn create_or_resume<M, C: Serialize + DeserializeOwned>(
        dir: impl AsRef<Path>,
        config: &C,
        resume: bool,
        trainer: &mut Trainer<M>,
    ) -> Result<Self, CheckpointError> {
        Self::create_or_resume_with(dir, config, resume, &[], trainer)
    }

    /// As [`create_or_resume`](Self::create_or_resume), but a resumed run may have other values
    /// than the saved ones in the fields that `may_change`, named as in `config.json`
    /// (`train.cooldown`), and in all below them. [`changes`](Self::changes) tells which did; the
    /// first save of a later step keeps them, with the step at which they came.
    pub fn create_or_resume_with<M, C: Serialize + DeserializeOwned>(
        dir: impl AsRef<Path>,
        config: &C,
        resume: bool,
        may_change: &[&str],
        trainer: &mut Trainer<M>,
    ) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let (lock, changes) = match resume {
            true => Self::check_saved(dir, config, may_change)?,
            false => (Self::create(dir, config)?, Vec::new()),
        };
        if resume {
            publish(dir)?;
            load(dir, trainer)?;
        }
        let unsaved = match changes.is_empty() {
            true => None,
            false => Some((config::changed(dir, config, trainer.step, &changes)?, trainer.step)),
        };
        let log = Log::open(dir.join("log.csv"), trainer.step)?;
        let scores = Log::open(dir.join("scores.csv"), trainer.step)?;
        let timing = Log::open(dir.join("timing.csv"), trainer.step)?;
        let (dir, since, took) = (dir.into(), Instant::now(), Duration::ZERO);
        Ok(Self { dir, log, scores, timing, since, took, changes, unsaved, _lock: lock })
    }

    /// What of the saved config is changed, a line each: `train.cooldown[1]: 40 -> 80`.
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends a row to `log.csv`. Log a step before saving it, and only numbers that follow from
    /// the config (no timings, no means over earlier steps): then a resumed run has the same log.
    pub fn log(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), CheckpointError> {
        self.log.row(step, values)
    }

    /// Appends a row to `scores.csv`: what the weights of this step are worth. The rules are those
    /// of [`log`](Self::log).
    pub fn score(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), CheckpointError> {
        self.scores.row(step, values)
    }

    /// Saves if the last save was a minute ago, or longer where a save takes so long that this would
    /// be more than a twentieth of the time. What is saved does not depend on when.
    pub fn save_if_due<M>(&mut self, trainer: &Trainer<M>) -> Result<(), CheckpointError> {
        if self.since.elapsed() < period(self.took) { Ok(()) } else { self.save(trainer) }
    }

    /// Saves weights, EMA and moments as one: after a crash, all of them are from this step, or
    /// all from the save before.
    pub fn save<M>(&mut self, trainer: &Trainer<M>) -> Result<(), CheckpointError> {
        let started = Instant::now();
        let (step, failed) = trainer.sound_step();
        publish(&self.dir)?;
        self.log.sync()?;
        self.scores.sync()?;
        if let Some((config, _)) = self.unsaved.take_if(|(_, since)| step > *since) {
            super::write(&self.dir.join("config.json"), config.as_bytes())?;
        }
        let partial = self.dir.join("next.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)
                .map_err(CheckpointError::io(&partial, "clear an unfinished save"))?;
        }
        fs::create_dir(&partial).map_err(CheckpointError::io(&partial, "create the folder"))?;
        for (name, tensors) in files(trainer) {
            let path = partial.join(name);
            write_through(&path, &weights::to_bytes(&tensors, step, &path)?)
                .map_err(CheckpointError::io(&path, "write the file"))?;
        }
        sync_dir(&partial);
        fs::rename(&partial, self.dir.join("next"))
            .map_err(CheckpointError::io(&partial, "finish the save"))?;
        publish(&self.dir)?;
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.took = started.elapsed();
        if step > self.timing.last() {
            self.timing.row(step, &[("seconds", seconds)])?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn create(dir: &Path, config: &impl Serialize) -> Result<Option<File>, CheckpointError> {
        fs::create_dir_all(dir).map_err(CheckpointError::io(dir, "create the folder"))?;
        let lock = lock(dir)?;
        refuse_a_run(dir)?;
        config::write(dir, config).map(|()| lock)
    }

    fn check_saved<C: Serialize + DeserializeOwned>(
        dir: &Path,
        config: &C,
        may_change: &[&str],
    ) -> Result<(Option<File>, Vec<String>), CheckpointError> {
        if !dir.join("config.json").exists() {
            return Err(CheckpointError::Missing { dir: dir.into() });
        }
        let lock = lock(dir)?;
        config::check(dir, config, may_change).map(|changes| (lock, changes))
    }
}

/// Refuses a folder in which there is a run already.
pub(super) fn refuse_a_run(dir: &Path) -> Result<(), CheckpointError> {
    let ours = ["config.json", "log.csv", "next", MODEL, EMA, OPTIMIZER];
    match ours.into_iter().find(|name| dir.join(name).exists()) {
        Some(found) => Err(CheckpointError::Exists { dir: dir.into(), found }),
        None => Ok(()),
    }
}

/// How long after a save that took this long the next is due.
fn period(took: Duration) -> Duration {
    Duration::from_secs(60).max(20 * took)
}

/// Everything of `trainer` that is saved, by file. The tensors are shared, not copied.
fn files<M>(trainer: &Trainer<M>) -> [(&'static str, Named); 3] {
    let adam = &trainer.adam;
    let m = trainer
        .names
        .iter()
        .zip(&adam.m.parts)
        .map(|(name, m)| (format!("m.{name}"), m.shallow_clone()));
    let v = trainer
        .names
        .iter()
        .zip(&adam.v.parts)
        .map(|(name, v)| (format!("v.{name}"), v.shallow_clone()));
    let memory = trainer.memory.iter();
    let memory = memory.map(|(name, x)| (format!("memory.{name}"), x.shallow_clone()));
    [
        (MODEL, weights::named(&trainer.vs)),
        (EMA, weights::named(&trainer.ema.vs)),
        (OPTIMIZER, m.chain(v).chain(memory).collect()),
    ]
}

/// Brings `trainer` to the saved step, or leaves it as new if nothing was saved yet.
fn load<M>(dir: &Path, trainer: &mut Trainer<M>) -> Result<(), CheckpointError> {
    let wanted = files(trainer);
    let paths = wanted.each_ref().map(|(name, _)| dir.join(name));
    if !paths.iter().any(|path| path.exists()) {
        return Ok(());
    }
    let mut found = Vec::new();
    for (path, (_, tensors)) in paths.iter().zip(&wanted) {
        let file = weights::File::read(path)?;
        file.check(tensors)?;
        found.push(file);
    }
    let step = found[0].step;
    for (file, path) in found.iter().zip(&paths) {
        if file.step != step {
            return Err(CheckpointError::MixedSteps {
                path: path.clone(),
                found: file.step,
                expected: step,
            });
        }
    }
    for (file, (_, tensors)) in found.iter().zip(&wanted) {
        file.copy_into(tensors)?;
    }
    trainer.step = step;
    Ok(())
}

/// Moves a finished save up to its place, or what is left of it to move.
fn publish(dir: &Path) -> Result<(), CheckpointError> {
    let next = dir.join("next");
    if !next.exists() {
        return Ok(());
    }
    for name in [MODEL, EMA, OPTIMIZER] {
        let from = next.join(name);
        if from.exists() {
            fs::rename(&from, dir.join(name))
                .map_err(CheckpointError::io(&from, "move the saved file up"))?;
        }
    }
    sync_dir(dir);
    fs::remove_dir_all(&next).map_err(CheckpointError::io(&next, "remove the folder"))
}

/// Locks the folder itself: a killed process leaves nothing behind. Where folders cannot be locked
/// (Windows, some network drives) the run goes on unlocked.
fn lock(dir: &Path) -> Result<Option<File>, CheckpointError> {
    let Ok(handle) = File::open(dir) else {
        return Ok(None);
    };
    match handle.try_lock() {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(CheckpointError::Busy { dir: dir.into() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainConfig;
    use tch::{Device, nn};

    #[test]
    fn a_save_is_due_after_a_minute_or_where_saves_are_slow_after_more() {
        let seconds = Duration::from_secs;
        assert_eq!([0, 3, 30].map(|took| period(seconds(took))), [60, 60, 600].map(seconds));
        let dir = tempfile::tempdir().unwrap();
        let config = TrainConfig::default();
        let build = |vs: &nn::Path| nn::linear(vs, 2, 2, Default::default());
        let mut trainer = Trainer::new(Device::Cpu, config.clone(), build);
        let mut run = Run::create_or_resume(dir.path(), &config, false, &mut trainer).unwrap();
        let loss = |net: &nn::Linear, _| net.ws.square().sum(tch::Kind::Float);
        trainer.step(loss).unwrap();
        run.save_if_due(&trainer).unwrap();
        assert!(!dir.path().join(MODEL).exists(), "saved too soon");
        run.since = Instant::now().checked_sub(seconds(61)).unwrap();
        run.save_if_due(&trainer).unwrap();
        assert!(dir.path().join(MODEL).exists(), "not saved after a minute");
        trainer.step(loss).unwrap();
        let saved = fs::read(dir.path().join(MODEL)).unwrap();
        run.save_if_due(&trainer).unwrap();
        assert_eq!(fs::read(dir.path().join(MODEL)).unwrap(), saved, "saved again at once");
    }
}
