//! FID by the number of steps, and samples.

use super::Net;
use anyhow::Result;
use from_noise::evaluate::{Generator, ImageSampler, Score};
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::Tensor;

/// A line of the table as it is printed.
#[derive(Debug, Serialize)]
struct Row<'a> {
    net: &'a str,
    sampler: &'a str,
    steps: usize,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    fid_real: f64,
}

/// `fid.csv` and `fid.png`, of what was drawn by the names of the networks.
pub fn fid(scores: &[(String, Score)], chapter: &mut Chapter) -> Result<()> {
    let Some((_, first)) = scores.first() else { return Ok(()) };
    let mut sorted: Vec<&(String, Score)> = scores.iter().collect();
    sorted.sort_by_key(|(net, score)| (net, &score.sampler, score.steps));
    let rows: Vec<Row> = sorted
        .iter()
        .map(|(net, score)| Row {
            net,
            sampler: &score.sampler,
            steps: score.steps,
            n: score.n,
            fid_lenet: score.fid_lenet,
            error: score.error,
            fid_real: score.fid_real,
        })
        .collect();
    chapter.results.samples(first.n);
    chapter.results.table("fid.csv", &rows)?;
    let panel = |title: &str, ddim: bool, size: f64| {
        let mut curves = Curves::new(title, "steps", "FID-LeNet").log_x().log_y();
        for lines in rows.chunk_by(|a, b| (a.net, a.sampler) == (b.net, b.sampler)) {
            if (lines[0].sampler == "DDIM eta 0") != ddim {
                continue;
            }
            let points: Vec<(f64, f64)> =
                lines.iter().map(|row| (row.steps as f64, row.fid_lenet)).collect();
            let variance = lines[0].sampler.trim_start_matches("DDPM ");
            let name =
                if ddim { lines[0].net.into() } else { format!("{}, {variance}", lines[0].net) };
            curves = curves.line(&name, &points).points(&name, &points);
        }
        curves.hline(first.fid_real, "test images").size(size, 320.0).draw()
    };
    let panels = [panel("Ancestral", false, 480.0), panel("DDIM, η = 0", true, 420.0)];
    Ok(chapter.results.figure("fid.png", &Figure::row(&panels))?)
}

/// `samples.png`: the same noise, drawn by each network in a few steps.
pub fn samples(nets: &[Net], steps: usize, chapter: &mut Chapter) -> Result<()> {
    let (mut images, mut names) = (Vec::new(), Vec::new());
    for net in nets {
        let trained = Pretrained::load(&net.dir, chapter.device)?;
        let sampling = net.shown(steps);
        images.push(ImageSampler::new(&trained, sampling)?.draw(0, 10, &mut |_| {}));
        names.push(format!("{}, {}", net.name, sampling.sampler));
    }
    let grid = Grid::new(&Tensor::cat(&images, 0), 10).scale(3).row_labels(&names);
    chapter.results.samples(10 * nets.len() as u64);
    Ok(chapter.results.figure("samples.png", &grid.draw())?)
}
