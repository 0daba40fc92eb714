//! Why sigma-hat fails on one path and not on the other.

use anyhow::Result;
use from_noise::evaluate::table1::SAMPLERS;
use from_noise::evaluate::{Generator, ImageSampler, Sampling};
use from_noise::forward::posterior;
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::Tensor;

/// What the last noise does, path by path.
#[derive(Debug, Serialize)]
struct LastNoise {
    path: String,
    sampler: String,
    /// The level at which the sampler evaluates last.
    last_t: f64,
    /// The noise that level has by definition.
    sigma: f64,
    /// The standard deviation of the noise added on arrival there.
    added: f64,
    /// The standard deviation of the samples where digits have no ink: the outermost pixels.
    border: f64,
}

/// `last-noise.csv` compares the noise of the second-last step with what its level should have.
pub fn table(trained: &Pretrained, steps: usize, chapter: &mut Chapter) -> Result<()> {
    if steps < 2 {
        return Ok(()); // there is no step before the last
    }
    let mut rows = Vec::new();
    for path in [Path::Uniform, Path::Trailing] {
        let levels = trained.schedule.path(path, steps);
        let (t, s) = (levels[steps - 2], levels[steps - 1]);
        let q = posterior(t, s);
        for (sampler, added) in [(SAMPLERS[3], q.var_small), (SAMPLERS[4], q.var_large)] {
            let sampling = Sampling { sampler, path, steps, seed: chapter.seed };
            let x0 = ImageSampler::new(trained, sampling)?.draw(0, 64, &mut |_| {});
            rows.push(LastNoise {
                path: path.to_string(),
                sampler: sampler.to_string(),
                last_t: trained.schedule.t_of(s),
                sigma: s.sigma,
                added: added.sqrt(),
                border: border_std(&x0),
            });
        }
    }
    chapter.results.samples(64);
    Ok(chapter.results.table("last-noise.csv", &rows)?)
}

fn border_std(x0: &Tensor) -> f64 {
    let last = x0.size()[3] - 1;
    let columns = Tensor::cat(&[x0.select(3, 0), x0.select(3, last)], 2);
    let rows = Tensor::cat(&[x0.select(2, 0), x0.select(2, last)], 2);
    on_cpu(&Tensor::cat(&[columns, rows], 2)).std(false).double_value(&[])
}
