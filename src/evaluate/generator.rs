//! What draws images, whatever it is: the one thing that scores, tables and the tool know.

use crate::guide::Snapshot;
use tch::Tensor;

// ANCHOR: generator
/// Draws images by their numbers.
///
/// Image `i` is the same whatever batch it is drawn in, so that scores can be cut into parts and
/// shared out among processes. A generator owns all that the images depend on: weights, sampler,
/// noise, condition, guidance, clipping, decoding. A cascade is a generator that draws from
/// another one; a latent model is one that decodes before it returns.
pub trait Generator {
    /// `[C, H, W]`.
    fn shape(&self) -> [i64; 3];

    /// What the images depend on.
    fn recipe(&self) -> Recipe;

    /// The classes that the images `first..first + n` are asked to be of, `[n]` (i64); none if they
    /// are not conditioned on classes.
    fn classes(&self, _first: u64, _n: u64) -> Option<Tensor> {
        None
    }

    /// How often [`draw`](Self::draw) calls `look`. A guided prediction is looked at once, and takes
    /// two evaluations of the network.
    fn looks(&self) -> usize {
        self.recipe().nfe
    }

    /// Stages of the cascade that ends here; 1 where nothing is enlarged.
    fn stages(&self) -> u64 {
        1
    }

    /// The images `first, first + 1, ...`: `[n, C, H, W]`, in `[-1, 1]`. `look` is shown every
    /// prediction.
    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor;
}
// ANCHOR_END: generator

/// What the images of a [`Generator`] depend on, as it stands in tables: generators of equal
/// recipes draw equal images.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub sampler: String,
    pub path: String,
    /// Noisy levels of the path that were asked for.
    pub steps: usize,
    /// Evaluations of the network per image.
    pub nfe: usize,
    pub seed: u64,
    /// Which weights draw, for people.
    pub weights: String,
    /// Hash of the weights.
    pub hash: String,
    /// What the images are conditioned on and how they are guided; empty if they are not.
    pub condition: String,
}

/// The rows of `given` that belong to the images `first..first + n`, `[n]`: row `i` modulo their
/// number.
pub(super) fn rows_in_turn(given: &Tensor, first: u64, n: u64) -> Tensor {
    Tensor::arange_start(first as i64, (first + n) as i64, tch::kind::INT64_CPU)
        .remainder(given.size()[0])
}
