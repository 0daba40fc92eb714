//! What a table of scores is asked for: samplers, paths and steps, as a file or a chapter names them.

use super::generator::Generator;
use super::sampling::{Sampler, Sampling, SamplingError};
use super::score::CHUNK;
use super::score_table::TableEntry;
use crate::schedule::{Path, Schedule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Every sampler with every path and number of steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepGrid {
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

/// A table of scores that is asked for: its seed and its grids.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    #[serde(default)]
    pub seed: u64,
    #[serde(alias = "combine")]
    pub grid: Vec<SweepGrid>,
}

impl Sweep {
    /// What is drawn, and how many images of it; each once, in the order of the file.
    pub fn samplings(&self) -> Vec<(Sampling, u64)> {
        let mut found: Vec<(Sampling, u64)> = Vec::new();
        for SweepGrid { samplers, paths, steps, evaluations, n } in &self.grid {
            for (&sampler, &path) in samplers.iter().flat_map(|s| paths.iter().map(move |p| (s, p)))
            {
                let within = evaluations.iter().filter_map(|&most| sampler.steps_within(most));
                for steps in steps.iter().copied().chain(within) {
                    let line = (Sampling { sampler, path, steps, seed: self.seed }, *n);
                    if !found.contains(&line) {
                        found.push(line);
                    }
                }
            }
        }
        found
    }

    /// The table's lines, each drawn by what `generator` makes of its sampling.
    pub fn lines<G: Generator + 'static>(
        &self,
        generator: impl Fn(Sampling) -> Result<G, SamplingError>,
    ) -> Result<Vec<TableEntry>, SamplingError> {
        if self.grid.iter().any(|grid| grid.evaluations.contains(&0)) {
            return Err(SamplingError::NoEvaluations);
        }
        let line = |(sampling, n)| Ok(TableEntry::new(generator(sampling)?, n));
        self.samplings().into_iter().map(line).collect()
    }

    /// Evaluations of the network on one image that the whole table takes, part by part: lines that
    /// differ in their number of images alone share parts.
    pub fn evaluations(&self, schedule: &Schedule) -> u64 {
        let mut parts: Vec<(Sampling, BTreeSet<(u64, u64)>)> = Vec::new();
        for (sampling, n) in self.samplings() {
            let part = |first| (first, CHUNK.min(n - first));
            let mine = (0..n).step_by(CHUNK as usize).map(part);
            match parts.iter_mut().find(|(known, _)| *known == sampling) {
                Some((_, known)) => known.extend(mine),
                None => parts.push((sampling, mine.collect())),
            }
        }
        let images = |parts: &BTreeSet<(u64, u64)>| parts.iter().map(|(_, n)| n).sum::<u64>();
        parts
            .iter()
            .map(|(sampling, parts)| sampling.evaluations(schedule) as u64 * images(parts))
            .sum()
    }
}
