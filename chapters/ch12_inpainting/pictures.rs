//! What is completed, and what image to image makes of a digit.

use super::Config;
use super::networks::Networks;
use anyhow::Result;
use from_noise::data::{Dataset, Mask, from_u8};
use from_noise::evaluate::{Generator, Known};
use from_noise::forward::q_sample;
use from_noise::guide::DenoiserExt;
use from_noise::nn::ClassLabels;
use from_noise::noise::Seeded;
use from_noise::plot::{Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::ddim;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use tch::Tensor;

/// Digits in a row.
const SHOWN: usize = 8;

/// `completions.png`: for each mask what was there, what was known, and what each way makes of it.
pub fn completions(
    config: &Config,
    networks: &Networks,
    known: &dyn Fn(Mask) -> Known,
    chapter: &mut Chapter,
) -> Result<()> {
    let shown = SHOWN.min(config.n as usize) as i64;
    let mut panels = Vec::new();
    for mask in config.masks {
        let given = known(mask);
        let images = given.images.narrow(0, 0, shown);
        let grey = images.full_like(-0.4);
        let (mut rows, mut names) = (vec![images.where_self(&given.mask, &grey)], vec!["known"]);
        for way in &config.ways {
            let inpainter = networks.inpainter(config, *way, known(mask))?;
            rows.push(on_cpu(&inpainter.draw(0, shown as u64, &mut |_| {})));
        }
        let ways = ["projection", "replacement", "RePaint", "trained"];
        names.extend(&ways[..config.ways.len()]);
        rows.push(images);
        names.push("the digit");
        let grid = Grid::new(&Tensor::cat(&rows, 0), shown as usize).scale(2);
        panels.push(grid.row_labels(&names).title(mask.to_string()).draw());
    }
    let right = panels.split_off(2);
    chapter.results.samples(shown as u64 * 4 * config.ways.len() as u64);
    let figure = Figure::row(&[Figure::column(&panels), Figure::column(&right)]);
    Ok(chapter.results.figure("completions.png", &figure)?)
}

/// `strengths.png`: digits noised to more and more of the way, and drawn down again (SDEdit).
pub fn strengths(
    config: &Config,
    trained: &Pretrained,
    test: &Dataset,
    chapter: &mut Chapter,
) -> Result<()> {
    let few = test.first(SHOWN);
    let images = from_u8(&few.images).to_device(trained.device);
    let whole = config.sampling.levels(&trained.schedule);
    let labels = trained.config.classes.map(|_| ClassLabels::new(&few.labels));
    let model = trained.model.given(labels).clip(1.0);
    let eps = Seeded::new(chapter.seed, 1 << 34).draw(&images);
    let (mut rows, mut names) = (vec![on_cpu(&images)], vec!["the digit".to_owned()]);
    for strength in [0.3, 0.5, 0.7, 0.9, 1.0] {
        // ANCHOR: strength
        // image to image: only the last part of the path, from the noised image
        let from = ((1.0 - strength) * (whole.len() - 1) as f64).round() as usize;
        let path: &[Level] = &whole[from..];
        let x = q_sample(&images, &eps, path[0]);
        let x0 = ddim(&model, path, x, 0.0, &mut |x| x.zeros_like());
        // ANCHOR_END: strength
        rows.push(on_cpu(&x0));
        names.push(format!("strength {strength}"));
    }
    let grid = Grid::new(&Tensor::cat(&rows, 0), few.len()).scale(3).row_labels(&names);
    chapter.results.samples(rows.len() as u64 * few.len() as u64);
    Ok(chapter.results.figure("strengths.png", &grid.draw())?)
}
