//! What a table of scores is asked for: samplers, paths and steps, as a file or a chapter names them.

use super::generator::Generator;
use super::sampling::{Sampler, Sampling, SamplingError};
use super::score::CHUNK;
use super::score_table::TableEntry;
use crate::schedule::{Path, Schedule};
use serde::{Deserialize, Serialize};

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
        let line = |(sampling, n)| Ok(TableEntry::new(generator(sampling)?, n));
        self.samplings().into_iter().map(line).collect()
    }

    /// Evaluations of the network on one image that the whole table takes, part by part: lines that
    /// differ in their number of images alone share parts.
    pub fn evaluations(&self, schedule: &Schedule) -> u64 {
        let mut parts: Vec<(Sampling, u64, u64)> = Vec::new();
        for (sampling, n) in self.samplings() {
            for first in (0..n).step_by(CHUNK as usize) {
                let part = (sampling, first, CHUNK.min(n - first));
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        parts.iter().map(|(sampling, _, n)| sampling.evaluations(schedule) as u64 * n).sum()
    }
}
