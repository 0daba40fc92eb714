//! A whole table of scores, resumable and divisible among processes.
//!
//! The work is cut into parts of [`CHUNK`] images. A finished part is a file of features below
//! `parts/`; a part that exists is not drawn again, whoever drew it, so a killed run resumes where
//! it was and the processes of an array job share the work by their numbers alone. A score is
//! computed from its parts in order, so it does not depend on who drew them.

use super::generator::{Generator, Recipe};
use super::quality::Quality;
use super::score::{CHUNK, FeatureStats, RanAway, Score, ShapeError, check_shape, finite};
use crate::checkpoint::{CheckpointError, first_digits, load_tensors, save_tensors};
use crate::data::{Dataset, to_u8};
use crate::guide::Snapshot;
use crate::metrics::{FeatureExtractor, enough_images};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// This process draws every part whose number leaves `index - 1` when divided by `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// The only one of one.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Its share of all the work.
    pub fn of<I: Iterator>(self, all: I) -> impl Iterator<Item = I::Item> {
        all.skip(self.index - 1).step_by(self.count)
    }
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
    #[error("a line of {n} images has no covariance: score at least two")]
    TooFew { n: u64 },
    #[error("{n} test images are too few to compare with: provide at least {}", Quality::LEAST)]
    NoTest { n: usize },
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    RanAway(#[from] RanAway),
}

/// A line of a table: what draws, and how many images are scored.
pub struct TableEntry {
    pub generator: Box<dyn Generator>,
    /// The generator's, asked for once.
    pub recipe: Recipe,
    pub n: u64,
    /// What else is found out, by name.
    measure: Option<(&'static str, Measure)>,
}

/// Finds something out of each image: `[n, C, H, W]` in `[-1, 1]` -> `n` rows.
type Measure = Box<dyn Fn(&Tensor) -> Tensor>;

impl TableEntry {
    pub fn new(generator: impl Generator + 'static, n: u64) -> Self {
        let recipe = generator.recipe();
        Self { generator: Box::new(generator), recipe, n, measure: None }
    }

    /// With what `measure` finds out besides when images are drawn; see [`ScoreTable::measured`].
    /// It maps `[n, C, H, W]` in `[-1, 1]` to a tensor of `n` rows, each image by itself.
    pub fn measured(
        self,
        name: &'static str,
        measure: impl Fn(&Tensor) -> Tensor + 'static,
    ) -> Self {
        Self { measure: Some((name, Box::new(measure))), ..self }
    }

    /// Keeps the images themselves, a byte a pixel, for what else is to be measured of them.
    pub fn keeping_images(self) -> Self {
        self.measured("images", to_u8)
    }

    fn cost(&self) -> u64 {
        self.recipe.nfe as u64 * self.n
    }
}

/// Images of one line that are drawn together.
struct FeatureChunk<'a> {
    line: &'a TableEntry,
    first: u64,
    n: u64,
    /// Where their features lie: the path tells all that they depend on, so it names the part.
    file: PathBuf,
}

/// A name that file systems take, which end at 255 bytes: a long one ends in the hash of the whole.
fn short(name: &str) -> String {
    const MOST: usize = 200;
    if name.len() <= MOST {
        return name.to_owned();
    }
    let start = name.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| *end <= MOST);
    let hash = first_digits(&Sha256::digest(name), 16);
    format!("{}-{hash}", &name[..start.last().unwrap_or(0)])
}

/// A table at work: a folder, what draws, what measures.
pub struct ScoreTable<'a> {
    net: &'a dyn FeatureExtractor,
    test: &'a Dataset,
    dir: PathBuf,
    lines: Vec<TableEntry>,
    /// Distances of real images, by their number.
    real_distances: RefCell<BTreeMap<u64, f64>>,
}

impl<'a> ScoreTable<'a> {
    /// The table of these lines, cheap ones first, with parts in `dir/parts`. Beside each line
    /// stands the distance of as many `test` images.
    ///
    /// # Errors
    /// No line, one that cannot be measured by `net`, one with fewer than two images; fewer test
    /// images than [`Quality`] needs.
    pub fn new(
        mut lines: Vec<TableEntry>,
        net: &'a dyn FeatureExtractor,
        test: &'a Dataset,
        dir: impl Into<PathBuf>,
    ) -> Result<Self, SweepError> {
        if test.len() < Quality::LEAST {
            return Err(SweepError::NoTest { n: test.len() });
        }
        if lines.is_empty() {
            return Err(SweepError::Empty);
        }
        for line in &lines {
            check_shape(line.generator.shape(), net)?;
            if line.n < 2 {
                return Err(SweepError::TooFew { n: line.n });
            }
        }
        lines.sort_by_key(TableEntry::cost);
        Ok(Self { net, test, dir: dir.into(), lines, real_distances: RefCell::default() })
    }

    /// All lines, cheap ones first.
    pub fn lines(&self) -> &[TableEntry] {
        &self.lines
    }

    /// What a user should know of lines with too few images.
    pub fn warning(&self) -> Option<String> {
        let (dim, enough) = (self.net.dim(), enough_images(self.net.dim()));
        let fewest = self.lines.iter().map(|line| line.n).min().filter(|n| *n < enough)?;
        Some(format!(
            "a covariance of {dim} features from {fewest} images is mostly bias: take {enough} or \
             more"
        ))
    }

    fn parts_of<'b>(&self, line: &'b TableEntry) -> Vec<FeatureChunk<'b>> {
        let recipe = &line.recipe;
        let mut name =
            format!("{} {} {} seed {}", recipe.sampler, recipe.path, recipe.steps, recipe.seed);
        if !recipe.condition.is_empty() {
            name = format!("{name} {}", recipe.condition);
        }
        let nets = format!("{}-{}", recipe.hash, self.net.hash());
        let folder = self.dir.join("parts").join(nets).join(short(&name.replace(' ', "-")));
        let measured = line.measure.as_ref().map_or(String::new(), |(name, _)| format!("-{name}"));
        let part = |first| {
            let n = CHUNK.min(line.n - first);
            let file = folder.join(format!("{first:06}-{n}{measured}.safetensors"));
            FeatureChunk { line, first, n, file }
        };
        (0..line.n).step_by(CHUNK as usize).map(part).collect()
    }

    /// The parts of all lines, each once: lines that differ in their number of images share some.
    fn parts<'b>(&self, lines: impl Iterator<Item = &'b TableEntry>) -> Vec<FeatureChunk<'b>> {
        let mut known = BTreeSet::new();
        let parts = lines.flat_map(|line| self.parts_of(line));
        parts.filter(|part| known.insert(part.file.clone())).collect()
    }

    /// The parts of `todo` that fall to `shard`. All processes share out the whole table alike,
    /// whatever of it is done.
    fn share(&self, todo: &[&TableEntry], shard: Shard) -> Vec<FeatureChunk<'_>> {
        let wanted: BTreeSet<PathBuf> =
            self.parts(todo.iter().copied()).into_iter().map(|part| part.file).collect();
        let all = self.parts(self.lines.iter()).into_iter();
        let mine = shard.of(all);
        mine.filter(|part| wanted.contains(&part.file)).collect()
    }

    /// Predictions about a batch that `todo` costs this process: those yet to be made, and those made
    /// already.
    pub fn cost(&self, todo: &[&TableEntry], shard: Shard) -> (u64, u64) {
        let parts = self.share(todo, shard);
        let (done, left): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.file.exists());
        let cost = |parts: &[&FeatureChunk]| {
            parts.iter().map(|part| part.line.generator.looks() as u64).sum::<u64>()
        };
        (cost(&left), cost(&done))
    }

    /// Draws what of `todo` falls to `shard` and is not there yet, showing `look` every
    /// prediction; stops between two parts when `stop` says so.
    pub fn draw(
        &self,
        todo: &[&TableEntry],
        shard: Shard,
        mut look: impl FnMut(&Snapshot),
        stop: impl Fn() -> bool,
    ) -> Result<(), SweepError> {
        for FeatureChunk { line, first, n, file } in self.share(todo, shard) {
            if file.exists() {
                continue;
            }
            if stop() {
                break;
            }
            let started = Instant::now();
            let x0 = finite(line.generator.draw(first, n, &mut look), &line.recipe)?;
            let features = self.net.features(&to_u8(&x0)).to_device(Device::Cpu);
            let seconds = Tensor::from(started.elapsed().as_secs_f64());
            let mut found = vec![("features", features.to_kind(Kind::Float)), ("seconds", seconds)];
            if let Some((name, measure)) = &line.measure {
                found.push((name, measure(&x0).to_device(Device::Cpu)));
            }
            save_tensors(found, &file)?;
        }
        Ok(())
    }

    /// Whether `row` is the score of `line` by this network.
    pub fn made(&self, row: &Score, line: &TableEntry) -> bool {
        let recipe = &line.recipe;
        let same = (row.n, row.seed, row.steps, row.feature_net.as_str())
            == (line.n, recipe.seed, recipe.steps, self.net.hash());
        same && (&row.sampler, &row.path, &row.weights, &row.condition)
            == (&recipe.sampler, &recipe.path, &recipe.weights, &recipe.condition)
    }

    /// The line that draws by this recipe, and its score among `rows`, if it is complete.
    ///
    /// # Panics
    /// When no line has the recipe.
    pub fn scored<'b>(
        &'b self,
        rows: &'b [Score],
        recipe: &Recipe,
    ) -> Option<(&'b TableEntry, &'b Score)> {
        let line = self.lines.iter().find(|line| line.recipe == *recipe);
        let line = line.expect("a line of the table");
        Some((line, rows.iter().find(|row| self.made(row, line))?))
    }

    /// Whether all parts of a line are there.
    pub fn is_drawn(&self, line: &TableEntry) -> bool {
        self.parts_of(line).iter().all(|part| part.file.exists())
    }

    /// The score of a line whose parts are all there; `None` before.
    pub fn score(&self, line: &TableEntry) -> Result<Option<Score>, SweepError> {
        let Some(parts) = self.features(line)? else { return Ok(None) };
        let mut stats = FeatureStats::new(self.net.dim());
        for features in &parts {
            let _labels = stats.add(self.net, features);
        }
        Ok(Some(stats.score(&*line.generator, self.net, self.fid_real(line.n))))
    }

    /// What the distance of a line mixes; `None` before its parts are all there.
    pub fn quality(&self, line: &TableEntry) -> Result<Option<Quality>, SweepError> {
        let Some(parts) = self.features(line)? else { return Ok(None) };
        Ok(Some(Quality::of(self.net, &Tensor::cat(&parts, 0), self.test)))
    }

    /// What a line [`measured`](TableEntry::measured), `n` rows; `None` before its parts are all
    /// there, and of a line that measures nothing.
    pub fn measured(&self, line: &TableEntry) -> Result<Option<Tensor>, SweepError> {
        let Some((name, _)) = line.measure else { return Ok(None) };
        Ok(self.saved(line, name, None)?.map(|parts| Tensor::cat(&parts, 0)))
    }

    /// The features of a line's parts, in order; `None` before all are there.
    fn features(&self, line: &TableEntry) -> Result<Option<Vec<Tensor>>, SweepError> {
        self.saved(line, "features", Some(2))
    }

    /// What a line's parts hold by that name, of so many dimensions if that is known, in order;
    /// `None` before all are there.
    fn saved(
        &self,
        line: &TableEntry,
        name: &str,
        dims: Option<usize>,
    ) -> Result<Option<Vec<Tensor>>, SweepError> {
        if !self.is_drawn(line) {
            return Ok(None);
        }
        let parts = self.parts_of(line);
        Ok(Some(parts.iter().map(|part| saved(part, name, dims)).collect::<Result<_, _>>()?))
    }

    /// The distance of `n` real test images.
    pub fn fid_real(&self, n: u64) -> f64 {
        let mut real_distances = self.real_distances.borrow_mut();
        *real_distances.entry(n).or_insert_with(|| self.net.distance_of_real(self.test, n, 0))
    }

    /// How long one process takes to draw a line, in seconds, judged by the parts that are there;
    /// `None` where none tells.
    pub fn seconds(&self, line: &TableEntry) -> Result<Option<f64>, SweepError> {
        let (mut seconds, mut images) = (0.0, 0);
        for part in self.parts_of(line).iter().filter(|part| part.file.exists()) {
            if let Some(took) = load_tensors(&part.file)?.remove("seconds") {
                seconds += took.double_value(&[]);
                images += part.n;
            }
        }
        Ok((images > 0).then(|| seconds / images as f64 * line.n as f64))
    }
}

fn saved(part: &FeatureChunk, name: &str, dims: Option<usize>) -> Result<Tensor, CheckpointError> {
    let found = load_tensors(&part.file)?.remove(name);
    let fits = |x: &Tensor| {
        x.size().first() == Some(&(part.n as i64)) && dims.is_none_or(|dims| x.dim() == dims)
    };
    found.filter(fits).ok_or_else(|| CheckpointError::Damaged {
        path: part.file.clone(),
        why: format!("no {name} of {} images in it; deleted, it is drawn again", part.n),
    })
}
