//! What the network draws.

use anyhow::Result;
use from_noise::evaluate::table1::SAMPLERS;
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling, Sweep};
use from_noise::plot::Grid;
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter};

/// Rows and columns of the grid.
const SIDE: u64 = 8;

/// `samples.png`, none left out, and `same-latents.png`: what the five samplers of the table make of
/// the same noise in its fewest steps.
pub fn show(trained: &Pretrained, sweep: &Sweep, chapter: &mut Chapter) -> Result<()> {
    let fewest = *sweep.grid[0].steps.iter().min().expect("a table has steps");
    let (seed, steps) = (chapter.seed, if fewest < 10 { fewest } else { 100 }); // of a smoke run
    let sampling = Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps, seed };
    let drawn = ImageSampler::new(trained, sampling)?.draw(0, SIDE * SIDE, &mut |_| {});
    chapter.results.samples(SIDE * SIDE);
    chapter.results.figure("samples.png", &Grid::new(&drawn, SIDE as usize).scale(2).draw())?;
    let rows = SAMPLERS.map(|sampler| {
        let sampling = Sampling { sampler, path: Path::Quadratic, steps: fewest, seed };
        (sampler.to_string(), sampling)
    });
    let grid = cli::same_latents(trained, &rows, SIDE, &mut |_| {})?;
    chapter.results.samples(SIDE);
    let title = format!("{fewest} steps, quadratic");
    Ok(chapter.results.figure("same-latents.png", &grid.title(title).draw())?)
}
