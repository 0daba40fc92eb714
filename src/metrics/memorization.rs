//! Did the model learn its training images by heart?

use super::neighbors::{Neighbors, nearest_neighbors};
use tch::Tensor;

/// The nearest training image of every sample, and of images that the model never saw as the
/// yardstick: any image has some nearest training image, and only what lies nearer than unseen
/// images do was memorized.
#[derive(Debug)]
pub struct Memorization {
    /// Of the `N` samples, `[N, 1]`.
    pub samples: Neighbors,
    /// Of the `H` held-out images, `[H, 1]`.
    pub held_out: Neighbors,
}

/// Finds the nearest training image of samples and of held-out images.
///
/// # Shapes
/// `samples: [N, ...]`, `held_out: [H, ...]`, `train: [M, ...]`, all pixels (u8 will do) or all
/// features of one network; pixels find copies alone, features find shifted ones too.
///
/// # Panics
/// When one of them is empty, or shapes differ.
pub fn memorization(samples: &Tensor, held_out: &Tensor, train: &Tensor) -> Memorization {
    Memorization {
        samples: nearest_neighbors(samples, train, 1),
        held_out: nearest_neighbors(held_out, train, 1),
    }
}

impl Memorization {
    /// The probability that a sample lies farther from the training images than a held-out image
    /// does (Meehan et al. 2020, `Delta_T`; ties count half): 1/2 for samples that are like unseen
    /// images, 0 for copies, 1 for samples far from all data.
    pub fn farther_than_held_out(&self) -> f64 {
        let sorted = |found: &Neighbors| {
            let (values, _) = found.distances.flatten(0, -1).sort(0, false);
            Vec::<f64>::try_from(values).expect("a vector of doubles")
        };
        let (samples, held_out) = (sorted(&self.samples), sorted(&self.held_out));
        let beaten = |d: &f64| {
            let (below, up_to) =
                (held_out.partition_point(|h| h < d), held_out.partition_point(|h| h <= d));
            (below + up_to) as f64 / 2.0
        };
        let pairs = (samples.len() * held_out.len()) as f64;
        samples.iter().map(beaten).sum::<f64>() / pairs
    }
}
