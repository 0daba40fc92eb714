//! What the stages draw.

use super::Config;
use super::base::{Base, Interpolated, Stages};
use super::page::larger;
use anyhow::Result;
use from_noise::data::Interpolation;
use from_noise::evaluate::{Generator, ImageSampler};
use from_noise::plot::Grid;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use tch::Tensor;

/// Images in a row.
const SHOWN: u64 = 12;

/// `cascade.png`: the small images, the large ones drawn from them by interpolation and at each noise
/// level, and what one network draws at once.
pub fn show(config: &Config, stages: &Stages, chapter: &mut Chapter) -> Result<()> {
    let n = SHOWN.min(config.n);
    let base = Base::new(config, stages, 1.0)?;
    let factor = stages.direct.config.format.size as i64 / base.shape()[1];
    let low = on_cpu(&base.draw(0, n, &mut |_| {}));
    let mut rows = vec![larger(&low, stages.direct.config.format.size as i64)];
    let mut names = vec!["the base".to_owned(), "bicubic".to_owned()];
    let bicubic = Interpolated { by: base.clone(), how: Interpolation::Bicubic, factor };
    rows.push(on_cpu(&bicubic.draw(0, n, &mut |_| {})));
    for &level in &config.noise_levels {
        let images = stages.cascade(config, &base, level, 1.0)?;
        rows.push(on_cpu(&images.draw(0, n, &mut |_| {})));
        names.push(format!("cascade, level {level}"));
    }
    if let Some(&scale) = config.scales.last() {
        let images = stages.cascade(config, &base, config.guided_at, scale)?;
        rows.push(on_cpu(&images.draw(0, n, &mut |_| {})));
        names.push(format!("level {}, γ = {scale}", config.guided_at));
    }
    let direct = ImageSampler::new(&stages.direct, config.direct)?;
    rows.push(on_cpu(&direct.draw(0, n, &mut |_| {})));
    names.push("direct".to_owned());
    let grid = Grid::new(&Tensor::cat(&rows, 0), n as usize).scale(3).row_labels(&names);
    chapter.results.samples(n * rows.len() as u64);
    Ok(chapter.results.figure("cascade.png", &grid.draw())?)
}
