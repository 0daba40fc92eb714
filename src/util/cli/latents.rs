//! The picture that compares samplings: each draws the same latents.

use crate::evaluate::{Generator, ImageSampler, Sampling, SamplingError};
use crate::guide::Snapshot;
use crate::plot::Grid;
use crate::pretrained::Pretrained;
use tch::Tensor;

/// The first `n` latents drawn by each of the named samplings, one row each. `look` is shown every
/// evaluation of the network.
pub fn same_latents(
    trained: &Pretrained,
    rows: &[(String, Sampling)],
    n: u64,
    look: &mut dyn FnMut(&Snapshot),
) -> Result<Grid, SamplingError> {
    let mut images = Vec::new();
    for (_, sampling) in rows {
        images.push(ImageSampler::new(trained, *sampling)?.draw(0, n, look));
    }
    let names: Vec<&String> = rows.iter().map(|(name, _)| name).collect();
    Ok(Grid::new(&Tensor::cat(&images, 0), n as usize).scale(3).row_labels(&names))
}
