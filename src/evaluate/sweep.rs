//! A whole table of scores, resumable and divisible among processes.
//!
//! The work is cut into parts of [`CHUNK`] images. A finished part is a file of features below
//! `parts/`; a part that exists is not drawn again, whoever drew it, so a killed run resumes where
//! it was and the processes of an array job share the work by their numbers alone. A score is
//! computed from its parts in order, so it does not depend on who drew them.

use super::sampling::{Sampler, Sampling, SamplingError, word};
use super::score::{CHUNK, RulerError, Score, Tally, check_ruler};
use crate::checkpoint::{CheckpointError, load_tensors, save_tensors};
use crate::data::{Dataset, to_u8};
use crate::metrics::FeatureNet;
use crate::schedule::{Level, Path};
use crate::trained::Trained;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use tch::{Device, Kind, Tensor};

/// Every sampler with every path and number of steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combine {
    pub samplers: Vec<Sampler>,
    pub paths: Vec<Path>,
    /// Noisy levels of a path.
    #[serde(default)]
    pub steps: Vec<usize>,
    /// Instead of steps: for each, the most steps that cost at most this many evaluations.
    #[serde(default)]
    pub evaluations: Vec<usize>,
    /// Images a score.
    pub n: u64,
}

/// A table to fill.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    #[serde(default)]
    pub seed: u64,
    pub combine: Vec<Combine>,
}

/// This process draws every part whose number leaves `index - 1` when divided by `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 1, count: 1 };
}

impl FromStr for Shard {
    type Err = String;

    /// `2/8`: the second of eight.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').map(|(i, n)| (i.parse(), n.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if (1..=count).contains(&index) => {
                Ok(Self { index, count })
            }
            _ => Err(format!("`{text}` is no shard: write 1/8 for the first of eight")),
        }
    }
}

/// What one process has to do.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The whole table, which all processes share out alike.
    pub lines: &'a [(Sampling, u64)],
    /// Those of it that are wanted.
    pub todo: &'a [(Sampling, u64)],
    pub shard: Shard,
}

impl Work<'_> {
    /// The parts that this process draws, were none there.
    fn parts(&self) -> Vec<Part> {
        let wanted = Sweep::parts(self.todo);
        let all = Sweep::parts(self.lines).into_iter();
        let mine = all.skip(self.shard.index - 1).step_by(self.shard.count);
        mine.filter(|part| wanted.contains(part)).collect()
    }
}

/// A table could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Part(#[from] CheckpointError),
    #[error("the table has no line: it needs samplers, paths, and steps or evaluations")]
    Empty,
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    #[error("a line of {n} images has no covariance: score at least two")]
    TooFew { n: u64 },
    #[error("{n} test images have no covariance to compare with: provide at least two")]
    NoTest { n: usize },
    #[error(transparent)]
    Ruler(#[from] RulerError),
}

/// Images of one sampling that are drawn together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    sampling: Sampling,
    first: u64,
    n: u64,
}

impl Sweep {
    /// The table's lines, `(sampling, n)`: cheap ones first, each once.
    pub fn lines(&self) -> Vec<(Sampling, u64)> {
        let mut lines: Vec<(Sampling, u64)> = Vec::new();
        for Combine { samplers, paths, steps, evaluations, n } in &self.combine {
            for (&sampler, &path) in samplers.iter().flat_map(|s| paths.iter().map(move |p| (s, p)))
            {
                let within = evaluations.iter().filter_map(|&most| sampler.steps_within(most));
                for steps in steps.iter().copied().chain(within) {
                    let line = (Sampling { sampler, path, steps, seed: self.seed }, *n);
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
        }
        lines.sort_by_key(|(sampling, n)| evaluations(sampling) * n);
        lines
    }

    /// Evaluations of the network on one image that the whole table takes.
    pub fn evaluations(&self) -> u64 {
        Self::parts(&self.lines()).iter().map(|part| evaluations(&part.sampling) * part.n).sum()
    }

    /// Whether every line can be drawn by `trained` and measured by `net`, against `test`.
    pub fn check(
        &self,
        trained: &Trained,
        net: &FeatureNet,
        test: &Dataset,
    ) -> Result<(), SweepError> {
        check_ruler(trained, net)?;
        if test.len() < 2 {
            return Err(SweepError::NoTest { n: test.len() });
        }
        if self.lines().is_empty() {
            return Err(SweepError::Empty);
        }
        for (sampling, n) in self.lines() {
            sampling.check(trained)?;
            if n < 2 {
                return Err(SweepError::TooFew { n });
            }
        }
        Ok(())
    }

    fn parts(lines: &[(Sampling, u64)]) -> Vec<Part> {
        let mut parts = Vec::new();
        for part in lines.iter().flat_map(|(sampling, n)| parts_of(*sampling, *n)) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }
}

fn evaluations(sampling: &Sampling) -> u64 {
    sampling.sampler.evaluations(sampling.steps) as u64
}

fn parts_of(sampling: Sampling, n: u64) -> impl Iterator<Item = Part> {
    let chunk = move |first| Part { sampling, first, n: CHUNK.min(n - first) };
    (0..n).step_by(CHUNK as usize).map(chunk)
}

/// A sweep at work: a folder, a model, a ruler.
#[derive(Debug)]
pub struct Filling<'a> {
    pub trained: &'a Trained,
    pub net: &'a FeatureNet,
    /// The floor of a line of `n` images is the distance of the first `n` of these.
    pub test: &'a Dataset,
    /// Holds `parts/`.
    pub dir: PathBuf,
}

impl Filling<'_> {
    /// Where the features of a part lie: the path tells all that they depend on.
    fn file(&self, part: &Part) -> PathBuf {
        let Part { sampling, first, n } = part;
        let name = format!(
            "{} {} {} seed {}",
            sampling.sampler,
            word(sampling.path),
            sampling.steps,
            sampling.seed
        );
        let nets = format!("{}-{}", self.trained.hash, self.net.hash);
        let folder = self.dir.join("parts").join(nets).join(name.replace(' ', "-"));
        folder.join(format!("{first:06}-{n}.safetensors"))
    }

    /// The parts that are yet to be drawn.
    fn missing(&self, work: Work) -> Vec<Part> {
        let mut parts = work.parts();
        parts.retain(|part| !self.file(part).exists());
        parts
    }

    /// Evaluations of a batch that are yet to be made, and those made already.
    pub fn cost(&self, work: Work) -> (u64, u64) {
        let cost = |parts: &[Part]| parts.iter().map(|part| evaluations(&part.sampling)).sum();
        let (all, left): (u64, u64) = (cost(&work.parts()), cost(&self.missing(work)));
        (left, all - left)
    }

    /// Draws what is not there yet, calling `look` at every evaluation; stops
    /// between two parts when `stop` says so.
    pub fn draw(
        &self,
        work: Work,
        device: Device,
        mut look: impl FnMut(Level),
        stop: impl Fn() -> bool,
    ) -> Result<(), SweepError> {
        for part in self.missing(work) {
            let file = self.file(&part);
            if stop() {
                break;
            }
            if file.exists() {
                continue; // another process was here
            }
            let x0 = part.sampling.draw(self.trained, part.first, part.n, device, &mut look);
            let features = self.net.features(&to_u8(&x0)).to_device(Device::Cpu);
            save_tensors([("features", features.to_kind(Kind::Float))], &file)?;
        }
        Ok(())
    }

    /// Whether `row` is the score of `line` by these weights and this ruler.
    pub fn made(&self, row: &Score, (sampling, n): (Sampling, u64)) -> bool {
        let asked = (n, sampling.seed, sampling.steps, sampling.sampler.to_string());
        (row.n, row.seed, row.steps, row.sampler.clone()) == asked
            && row.path == word(sampling.path)
            && row.feature_net == self.net.hash
            && row.weights == self.trained.weights()
    }

    /// The score of a line whose parts are all there; `None` before.
    pub fn score(&self, (sampling, n): (Sampling, u64)) -> Result<Option<Score>, SweepError> {
        let parts: Vec<Part> = parts_of(sampling, n).collect();
        if !parts.iter().all(|part| self.file(part).exists()) {
            return Ok(None);
        }
        let mut tally = Tally::default();
        for part in &parts {
            let _labels = tally.add(self.net, &self.features(part)?);
        }
        let floor = self.net.floor_of(self.test, n);
        Ok(Some(tally.score(self.trained, &sampling, self.net, floor)))
    }

    fn features(&self, part: &Part) -> Result<Tensor, CheckpointError> {
        let path = self.file(part);
        let found = load_tensors(&path)?.remove("features");
        let fits = |x: &Tensor| x.size().first() == Some(&(part.n as i64)) && x.dim() == 2;
        found.filter(fits).ok_or_else(|| CheckpointError::Damaged {
            path,
            why: format!("no features of {} images in it; deleted, it is drawn again", part.n),
        })
    }
}
