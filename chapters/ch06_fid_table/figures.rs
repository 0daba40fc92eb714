//! The pictures of chapter 6.

use anyhow::Result;
use from_noise::evaluate::table1::{CIFAR10, SAMPLERS};
use from_noise::evaluate::{Sampling, Score};
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// `fid.png` shows our curves above the paper's: those of the most images, and those of the number of
/// images that has most points.
pub fn curves(scores: &[Score], trained: &Pretrained, chapter: &mut Chapter) -> Result<()> {
    let path = Path::Uniform.to_string();
    let uniform: Vec<&Score> = scores.iter().filter(|score| score.path == path).collect();
    let of =
        |n: u64| -> Vec<&Score> { uniform.iter().copied().filter(|score| score.n == n).collect() };
    let counts: BTreeSet<u64> = uniform.iter().map(|score| score.n).collect();
    let points = |n: &u64| of(*n).len();
    let longest = counts.iter().copied().max_by_key(|n| (points(n), Reverse(*n)));
    let Some(longest) = longest else { return Ok(()) };
    let several = |n: &u64| points(n) > SAMPLERS.len(); // more than one number of steps
    let most = counts.iter().copied().rev().find(several).unwrap_or(longest);
    let mut shown = vec![most, longest];
    shown.dedup();
    let data = trained.config.data.caption();
    let ours = shown.iter().map(|n| panel(format!("FID-LeNet, {data}, n = {n}"), &of(*n)));
    let ours = Figure::row(&ours.collect::<Vec<_>>());
    let title = "The paper's FID, CIFAR-10, n = 50000";
    let mut right = Curves::new(title, "steps", "FID").log_x().log_y().size(465.0, 330.0);
    for (i, sampler) in SAMPLERS.iter().enumerate() {
        let line = CIFAR10.map(|(steps, fids)| (steps as f64, fids[i]));
        right = right.line(sampler.to_string(), &line).points(sampler.to_string(), &line);
    }
    chapter.results.samples(most);
    Ok(chapter.results.figure("fid.png", &Figure::column(&[ours, right.draw()]))?)
}

/// A curve for each sampler, with a band of two standard errors.
fn panel(title: String, scores: &[&Score]) -> Figure {
    let mut curves = Curves::new(title, "steps", "FID-LeNet").log_x().log_y();
    for sampler in SAMPLERS {
        let name = sampler.to_string();
        let mut mine: Vec<&&Score> = scores.iter().filter(|score| score.sampler == name).collect();
        mine.sort_by_key(|score| score.steps);
        let point = |score: &&&Score| (score.steps as f64, score.distance);
        let line: Vec<(f64, f64)> = mine.iter().map(point).collect();
        let spread = |score: &&&Score| {
            let two = 2.0 * score.error.unwrap_or(0.0);
            (score.steps as f64, score.distance - two, score.distance + two)
        };
        let band: Vec<(f64, f64, f64)> = mine.iter().map(spread).collect();
        curves = curves.band(&name, &band).line(&name, &line).points(&name, &line);
    }
    curves.hline(scores[0].fid_real, "test images").without_legend().size(310.0, 330.0).draw()
}

/// `same-latents.png` shows eight latents drawn by each sampler, with few steps on either path and
/// with many.
pub fn same_latents(
    trained: &Pretrained,
    (few, many): (usize, usize),
    chapter: &mut Chapter,
) -> Result<()> {
    let panel = |path: Path, steps: usize| -> Result<Figure> {
        let rows = SAMPLERS.map(|sampler| {
            (sampler.to_string(), Sampling { sampler, path, steps, seed: chapter.seed })
        });
        let grid = cli::same_latents(trained, &rows, 8, &mut |_| {})?;
        Ok(grid.title(format!("{steps} steps, {path}")).draw())
    };
    let panels =
        [panel(Path::Uniform, few)?, panel(Path::Trailing, few)?, panel(Path::Uniform, many)?];
    chapter.results.samples(8);
    Ok(chapter.results.figure("same-latents.png", &Figure::column(&panels))?)
}
