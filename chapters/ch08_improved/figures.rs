//! FID by the number of steps, and samples.

use super::nets::Net;
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
            fid_lenet: score.distance,
            error: score.error,
            fid_real: score.fid_real,
        })
        .collect();
    chapter.results.samples(first.n);
    chapter.results.table("fid.csv", &rows)?;
    let mut nets: Vec<&str> = rows.iter().map(|row| row.net).collect();
    nets.dedup();
    let panel = |title: &str, ddim: bool| {
        let mut curves = Curves::new(title, "steps", "FID-LeNet").log_x().log_y().colours_of(&nets);
        for lines in rows.chunk_by(|a, b| (a.net, a.sampler) == (b.net, b.sampler)) {
            let sampler = lines[0].sampler;
            if (sampler == "DDIM eta 0") != ddim {
                continue;
            }
            let points: Vec<(f64, f64)> =
                lines.iter().map(|row| (row.steps as f64, row.fid_lenet)).collect();
            curves = match sampler {
                "DDPM small" => curves.dashed(lines[0].net, &points),
                _ => curves.line(lines[0].net, &points).points(lines[0].net, &points),
            };
        }
        curves.hline(first.fid_real, "test images")
    };
    let left = panel("Ancestral", false).without_legend().size(360.0, 320.0);
    let right = panel("DDIM, η = 0", true).size(460.0, 320.0);
    Ok(chapter.results.figure("fid.png", &Figure::row(&[left.draw(), right.draw()]))?)
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
