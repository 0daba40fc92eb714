//! The pictures of chapter 7, and the table of paths.

use super::{PATHS, SOLVERS};
use anyhow::Result;
use from_noise::evaluate::{Sampling, Score};
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter};
use serde::Serialize;

/// `fid.png` shows the FID of each solver on the path of its paper by evaluations.
pub fn curves(scores: &[Score], chapter: &mut Chapter) -> Result<()> {
    let Some(n) = scores.iter().map(|score| score.n).max() else { return Ok(()) };
    chapter.results.samples(n);
    let mut curves = Curves::new(format!("Digits, n = {n}"), "evaluations", "FID-LeNet");
    for (sampler, path) in SOLVERS {
        let mine = scores.iter().filter(|score| score.is_by(sampler, path));
        let mut points: Vec<(f64, f64)> =
            mine.map(|score| (score.nfe as f64, score.fid_lenet)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves = curves.line(sampler.to_string(), &points).points(sampler.to_string(), &points);
    }
    let curves = curves.hline(scores[0].fid_real, "test images").log_x().log_y();
    Ok(chapter.results.figure("fid.png", &curves.size(560.0, 380.0).draw())?)
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
        Ok(cli::same_latents(trained, &rows, 8, &mut |_| {})?.draw())
    };
    let [few, many] = evaluations;
    let figure = Figure::row(&[panel(few)?, panel(many)?]);
    chapter.results.samples(8);
    Ok(chapter.results.figure("same-latents.png", &figure)?)
}
