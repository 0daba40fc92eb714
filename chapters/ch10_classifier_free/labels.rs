//! What labels are worth: networks that were told some of them, or all.

use super::Args;
use anyhow::Result;
use from_noise::evaluate::{Generator, ImageSampler, Sampling, Sweep};
use from_noise::guide::Guidance;
use from_noise::util::cli::{self, Chapter, Cost, TableArgs};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Without the condition, with it, and guided.
pub const SCALES: [f64; 3] = [0.0, 1.0, 2.0];

/// A network at a scale.
#[derive(Debug, Serialize)]
struct Row {
    /// The share of the training images whose label the network was told.
    labelled: f64,
    scale: f64,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    /// The share of samples that the independent classifier puts into the class asked for.
    accuracy: Option<f64>,
    fid_real: f64,
}

/// The flags of the table, for each network in the folder.
fn tables(folder: &Path, args: &Args) -> Result<Vec<TableArgs>> {
    let table = |dir: PathBuf| TableArgs { weights: dir, ..args.table.clone() };
    Ok(cli::runs_in(folder)?.into_iter().map(table).collect())
}

/// What [`show`] costs.
pub fn cost(folder: &Path, sweep: &Sweep, guidances: &[Guidance], args: &Args) -> Result<Cost> {
    let costs = tables(folder, args)?.into_iter().map(|table| table.cost(sweep, guidances));
    costs.reduce(|a, b| Ok(a? + b?)).expect("at least one network")
}

/// `labels.csv`, by the share of labels and the scale.
pub fn show(
    folder: &Path,
    sweep: &Sweep,
    guidances: &[Guidance],
    args: &Args,
    chapter: &mut Chapter,
) -> Result<()> {
    let (sampling, n): (Sampling, u64) = sweep.samplings()[0];
    let mut rows = Vec::new();
    for table in tables(folder, args)? {
        let (trained, _, scores) = table.fill(sweep, guidances, args.common.smoke, chapter)?;
        for &guidance in guidances {
            let images = ImageSampler::new(&trained, sampling)?.guided(guidance, None)?;
            let condition = images.recipe().condition;
            let score = scores.iter().find(|score| score.condition == condition);
            rows.extend(score.map(|score| Row {
                labelled: trained.config.labelled,
                scale: guidance.scale,
                n: score.n,
                fid_lenet: score.distance,
                error: score.error,
                accuracy: score.class_accuracy,
                fid_real: score.fid_real,
            }));
        }
    }
    if !rows.is_empty() {
        chapter.results.samples(n);
        chapter.results.table("labels.csv", &rows)?;
    }
    Ok(())
}
