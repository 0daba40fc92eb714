//! The curves of the table: by the scale of guidance, and by what an image costs.

use super::lines::{Guide, Line, Nets};
use super::scores::Row;
use anyhow::Result;
use from_noise::evaluate::{Generator, Sampling};
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;
use serde::Serialize;
use std::time::Instant;

/// `scales.png`: the unconditional network by the scale of its guidance.
pub fn scales(rows: &[Row], steps: usize, chapter: &mut Chapter) -> Result<()> {
    let mine = |row: &&Row| {
        row.network == "unconditional" && row.sampler == "DDIM eta 0" && row.steps == steps
    };
    let line = |guide: &str, of: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        let rows = rows.iter().filter(mine);
        let rows = rows.filter(|row| row.guide == guide || row.guide == "nothing");
        let mut points: Vec<_> = rows.map(|row| (row.gamma, of(row))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let panel = |title: &str, y: &str, of: fn(&Row) -> f64| {
        let names = ["noised classifier", "clean classifier"];
        let curves = Curves::new(title, "scale γ", y);
        names.iter().fold(curves, |curves, name| {
            let points = line(name, of);
            curves.line(*name, &points).points(*name, &points)
        })
    };
    let size = |curves: Curves, wide: f64| curves.size(wide, 280.0);
    let fid = panel("Distance from the data", "FID-LeNet", |row| row.fid_lenet);
    let fid = fid.hline(rows[0].fid_real, "test images");
    let right = panel("The class asked for", "share (LeNet)", |row| row.right_by_lenet);
    let (precision, recall) = (
        line("noised classifier", |row| row.precision),
        line("noised classifier", |row| row.recall),
    );
    let manifold = Curves::new("Quality and variety", "scale γ", "share")
        .line("precision", &precision)
        .points("precision", &precision)
        .line("recall", &recall)
        .points("recall", &recall);
    let panels = [
        size(fid.without_legend(), 280.0).draw(),
        size(right, 400.0).draw(),
        size(manifold, 360.0).draw(),
    ];
    Ok(chapter.results.figure("scales.png", &Figure::row(&panels))?)
}

/// The conditional network, by what guides it.
#[derive(Debug, Serialize)]
struct Compute {
    guide: &'static str,
    gamma: f64,
    steps: usize,
    /// What a step costs, in steps of the unguided network.
    step: f64,
    /// What an image costs, in the same unit.
    cost: f64,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    right_by_lenet: f64,
}

/// What a guided step costs, in units of the unguided one: the fastest of some runs, in which
/// all take turns, so that what else the machine does falls on all alike.
fn step_costs(nets: &Nets, sampling: Sampling, smoke: bool) -> Result<Vec<(&'static str, f64)>> {
    let guides = [Guide::Nothing, Guide::Noised(1.0), Guide::Free(1.0)];
    let (runs, n) = if smoke { (1, 2) } else { (10, 50) };
    let mut best = [f64::INFINITY; 3];
    for _ in 0..runs {
        for (best, guide) in best.iter_mut().zip(guides) {
            let sampling = Sampling { steps: 2, ..sampling };
            let images = Line { conditional: true, sampling, guide }.images(nets)?;
            let started = Instant::now();
            let _ = images.draw(0, n, &mut |_| {}).double_value(&[0, 0, 0, 0]);
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    let name = |guide| Line { conditional: true, sampling, guide }.guide();
    Ok(guides.map(name).into_iter().zip(best.map(|seconds| seconds / best[0])).collect())
}

/// `compute.csv` and `compute.png`: a classifier against classifier-free guidance, at equal cost.
pub fn compute(
    rows: &[Row],
    nets: &Nets,
    sampling: Sampling,
    smoke: bool,
    chapter: &mut Chapter,
) -> Result<()> {
    let mut found: Vec<Compute> = Vec::new();
    for (guide, step) in step_costs(nets, sampling, smoke)? {
        let mine = rows.iter().filter(|row| {
            row.network == "conditional" && row.sampler == "DDIM eta 0" && row.guide == guide
        });
        found.extend(mine.map(|row| Compute {
            guide,
            gamma: row.gamma,
            steps: row.steps,
            step,
            cost: step * row.steps as f64,
            n: row.n,
            fid_lenet: row.fid_lenet,
            error: row.error,
            right_by_lenet: row.right_by_lenet,
        }));
    }
    found.sort_by_key(|row| (row.gamma as i64, row.guide, row.steps));
    chapter.results.table("compute.csv", &found)?;
    let panel = |title: &str, y: &str, of: fn(&Compute) -> f64| {
        let names = [
            ("nothing", "none, γ = 1"),
            ("noised classifier", "a classifier, γ = 2"),
            ("classifier-free", "classifier-free, γ = 2"),
        ];
        let curves = Curves::new(title, "cost of an image (unguided steps)", y).log_x();
        names.iter().fold(curves, |curves, (guide, name)| {
            let mine = found.iter().filter(|row| row.guide == *guide);
            let points: Vec<_> = mine.map(|row| (row.cost, of(row))).collect();
            curves.line(*name, &points).points(*name, &points)
        })
    };
    let fid = panel("Distance from the data", "FID-LeNet", |row| row.fid_lenet);
    let fid = fid.hline(rows[0].fid_real, "test images").without_legend();
    let right = panel("The class asked for", "share (LeNet)", |row| row.right_by_lenet);
    let panels = [fid.size(340.0, 300.0).draw(), right.size(520.0, 300.0).draw()];
    Ok(chapter.results.figure("compute.png", &Figure::row(&panels))?)
}
