//! A whole table of scores, resumable and divisible among processes.
//!
//! The work is cut into parts of [`CHUNK`] images. A finished part is a file of features below
//! `parts/`; a part that exists is not drawn again, whoever drew it, so a killed run resumes where
//! it was and the processes of an array job share the work by their numbers alone. A score is
//! computed from its parts in order, so it does not depend on who drew them.

use super::sampling::{Sampler, Sampling, SamplingError};
use super::score::{CHUNK, RulerError, Score, Tally, check_ruler};
use crate::checkpoint::{CheckpointError, load_tensors, save_tensors};
use crate::data::{Dataset, to_u8};
use crate::metrics::FeatureNet;
use crate::schedule::{Level, Path};
use crate::trained::Trained;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;
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

/// A line of a table: how to draw, and how many images.
pub type Line = (Sampling, u64);

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
    /// The table's lines: cheap ones first, each once.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
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

    fn parts(lines: &[Line]) -> Vec<Part> {
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
    trained: &'a Trained,
    net: &'a FeatureNet,
    test: &'a Dataset,
    dir: PathBuf,
    lines: Vec<Line>,
    /// Of lines of so many images.
    floors: RefCell<BTreeMap<u64, f64>>,
}

impl<'a> Filling<'a> {
    /// With parts in `dir/parts`. The floor of a line of `n` images is the distance of the first
    /// `n` of `test`.
    ///
    /// # Errors
    /// A line of `sweep` that cannot be drawn by `trained`, or not be measured by `net`.
    pub fn new(
        sweep: &Sweep,
        trained: &'a Trained,
        net: &'a FeatureNet,
        test: &'a Dataset,
        dir: impl Into<PathBuf>,
    ) -> Result<Self, SweepError> {
        check_ruler(trained, net)?;
        if test.len() < 2 {
            return Err(SweepError::NoTest { n: test.len() });
        }
        let (dir, lines) = (dir.into(), sweep.lines());
        if lines.is_empty() {
            return Err(SweepError::Empty);
        }
        for &(sampling, n) in &lines {
            sampling.check(trained)?;
            if n < 2 {
                return Err(SweepError::TooFew { n });
            }
        }
        Ok(Self { trained, net, test, dir, lines, floors: RefCell::default() })
    }

    /// All lines of the sweep, cheap ones first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Where the features of a part lie: the path tells all that they depend on.
    fn file(&self, part: &Part) -> PathBuf {
        let Part { sampling, first, n } = part;
        let name = format!(
            "{} {} {} seed {}",
            sampling.sampler, sampling.path, sampling.steps, sampling.seed
        );
        let nets = format!("{}-{}", self.trained.hash, self.net.hash);
        let folder = self.dir.join("parts").join(nets).join(name.replace(' ', "-"));
        folder.join(format!("{first:06}-{n}.safetensors"))
    }

    /// The parts of `todo` that fall to `shard`. All processes share out the whole sweep alike,
    /// whatever of it is done.
    fn share(&self, todo: &[Line], shard: Shard) -> Vec<Part> {
        let wanted = Sweep::parts(todo);
        let all = Sweep::parts(&self.lines).into_iter();
        let mine = all.skip(shard.index - 1).step_by(shard.count);
        mine.filter(|part| wanted.contains(part)).collect()
    }

    /// Evaluations of a batch that `todo` costs this process: those yet to be made, and those made
    /// already.
    pub fn cost(&self, todo: &[Line], shard: Shard) -> (u64, u64) {
        let parts = self.share(todo, shard);
        let (done, left): (Vec<_>, Vec<_>) =
            parts.iter().partition(|part| self.file(part).exists());
        let cost =
            |parts: &[&Part]| parts.iter().map(|part| evaluations(&part.sampling)).sum::<u64>();
        (cost(&left), cost(&done))
    }

    /// Draws what of `todo` falls to `shard` and is not there yet, calling `look` at every
    /// evaluation; stops between two parts when `stop` says so.
    pub fn draw(
        &self,
        todo: &[Line],
        shard: Shard,
        device: Device,
        mut look: impl FnMut(Level),
        stop: impl Fn() -> bool,
    ) -> Result<(), SweepError> {
        for part in self.share(todo, shard) {
            let file = self.file(&part);
            if file.exists() {
                continue;
            }
            if stop() {
                break;
            }
            let started = Instant::now();
            let x0 = part.sampling.draw(self.trained, part.first, part.n, device, &mut look);
            let features = self.net.features(&to_u8(&x0)).to_device(Device::Cpu);
            let seconds = Tensor::from(started.elapsed().as_secs_f64());
            let features = features.to_kind(Kind::Float);
            save_tensors([("features", features), ("seconds", seconds)], &file)?;
        }
        Ok(())
    }

    /// Whether `row` is the score of `line` by these weights and this ruler.
    pub fn made(&self, row: &Score, (sampling, n): Line) -> bool {
        let asked = (n, sampling.seed, sampling.steps, sampling.sampler.to_string());
        (row.n, row.seed, row.steps, row.sampler.clone()) == asked
            && row.path == sampling.path.to_string()
            && row.feature_net == self.net.hash
            && row.weights == self.trained.weights()
    }

    /// The score of a line whose parts are all there; `None` before.
    pub fn score(&self, (sampling, n): Line) -> Result<Option<Score>, SweepError> {
        let parts: Vec<Part> = parts_of(sampling, n).collect();
        if !parts.iter().all(|part| self.file(part).exists()) {
            return Ok(None);
        }
        let mut tally = Tally::default();
        for part in &parts {
            let _labels = tally.add(self.net, &self.features(part)?);
        }
        let mut floors = self.floors.borrow_mut();
        let floor = *floors.entry(n).or_insert_with(|| self.net.floor_of(self.test, n));
        Ok(Some(tally.score(self.trained, &sampling, self.net, floor)))
    }

    /// How long one process takes to draw a line, in seconds, judged by the parts that are there;
    /// `None` where none tells.
    pub fn seconds(&self, (sampling, n): Line) -> Result<Option<f64>, SweepError> {
        let (mut seconds, mut images) = (0.0, 0);
        for part in parts_of(sampling, n).filter(|part| self.file(part).exists()) {
            if let Some(took) = load_tensors(self.file(&part))?.remove("seconds") {
                seconds += took.double_value(&[]);
                images += part.n;
            }
        }
        Ok((images > 0).then(|| seconds / images as f64 * n as f64))
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
