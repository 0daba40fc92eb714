//! The pictures of chapter 7, and the table of paths.

use super::{PATHS, SOLVERS};
use anyhow::Result;
use from_noise::evaluate::{Sampling, Score};
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter};
use serde::Serialize;

/// `fid.png` shows the FID of each solver on the path of its paper by evaluations: all of it, and the
/// best part enlarged.
pub fn curves(scores: &[Score], trained: &Pretrained, chapter: &mut Chapter) -> Result<()> {
    let Some(n) = scores.iter().map(|score| score.n).max() else { return Ok(()) };
    chapter.results.samples(n);
    let title = format!("{}, n = {n}", trained.config.data.caption());
    let mut all = Curves::new(title, "evaluations", "FID-LeNet");
    let mut near = Curves::new("Near the best", "evaluations", "FID-LeNet");
    for (sampler, path) in SOLVERS {
        let mine = scores.iter().filter(|score| score.is_by(sampler, path));
        let mut points: Vec<(f64, f64)> =
            mine.map(|score| (score.nfe as f64, score.distance)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let add = |curves: Curves| {
            curves.line(sampler.to_string(), &points).points(sampler.to_string(), &points)
        };
        (all, near) = (add(all), add(near));
    }
    let best = scores.iter().map(|score| score.distance).fold(f64::INFINITY, f64::min);
    let panels = [
        all.hline(scores[0].fid_real, "test images").without_legend().size(340.0, 330.0),
        near.y_range(0.9 * best, 3.0 * best).size(460.0, 330.0),
    ];
    let panels = panels.map(|panel| panel.log_x().log_y().draw());
    Ok(chapter.results.figure("fid.png", &Figure::row(&panels))?)
}

/// A line of the table of paths, at ten evaluations.
#[derive(Debug, Serialize)]
struct ByPath {
    solver: String,
    nfe: usize,
    uniform: String,
    quadratic: String,
    trailing: String,
    log_snr: String,
    karras: String,
}

/// `paths.csv` has the FID of every solver on every path at ten evaluations.
pub fn table_of_paths(scores: &[Score], chapter: &mut Chapter) -> Result<()> {
    let by_path = SOLVERS[..5].iter().map(|(sampler, _)| {
        let steps = sampler.steps_within(10).unwrap_or(1);
        let cell = |path: Path| {
            let found = scores.iter().find(|s| s.is_by(*sampler, path) && s.steps == steps);
            found.map_or(String::new(), Score::in_short)
        };
        let [uniform, quadratic, trailing, log_snr, karras] = PATHS.map(cell);
        let (solver, nfe) = (sampler.to_string(), sampler.evaluations(steps));
        ByPath { solver, nfe, uniform, quadratic, trailing, log_snr, karras }
    });
    Ok(chapter.results.table("paths.csv", &by_path.collect::<Vec<_>>())?)
}

/// `same-latents.png` shows eight latents drawn by every solver, with two numbers of evaluations.
pub fn same_latents(
    trained: &Pretrained,
    evaluations: [usize; 2],
    chapter: &mut Chapter,
) -> Result<()> {
    let panel = |most: usize| -> Result<Figure> {
        let rows = SOLVERS.map(|(sampler, path)| {
            let steps = sampler.steps_within(most).unwrap_or(1);
            let name = format!("{sampler}, {}", sampler.evaluations(steps));
            (name, Sampling { sampler, path, steps, seed: chapter.seed })
        });
        let grid = cli::same_latents(trained, &rows, 8, &mut |_| {})?;
        Ok(grid.title(format!("At most {most} evaluations")).draw())
    };
    let [few, many] = evaluations;
    let figure = Figure::column(&[panel(few)?, panel(many)?]);
    chapter.results.samples(8);
    Ok(chapter.results.figure("same-latents.png", &figure)?)
}
