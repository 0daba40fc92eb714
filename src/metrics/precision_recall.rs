//! Improved precision and recall: are samples realistic, and is everything real among them?

use super::neighbors::{in_any_ball, nearest};
use tch::{Kind, Tensor};

/// Shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PrecisionRecall {
    /// The share of samples that lie on the manifold of real images: quality.
    pub precision: f64,
    /// The share of real images that lie on the manifold of samples: diversity.
    pub recall: f64,
}

/// Improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1 and 2). The manifold of a set is
/// the union of balls around its members, each as wide as the distance to the member's `k`-th
/// nearest neighbour among the others; the paper takes `k = 3`.
///
/// Both depend on the numbers of images and on `k`, and one outlier with its wide ball can hold
/// many images: compare equal numbers only.
///
/// # Shapes
/// `samples: [N, D]`, `real: [M, D]` features, more than `k` of each. Memory does not grow with
/// `N M`, time does.
///
/// # Panics
/// On other shapes, and with too few images.
pub fn precision_recall(samples: &Tensor, real: &Tensor, k: usize) -> PrecisionRecall {
    PrecisionRecall {
        precision: share_on_manifold(samples, real, k),
        recall: share_on_manifold(real, samples, k),
    }
}

fn share_on_manifold(x: &Tensor, of: &Tensor, k: usize) -> f64 {
    let (k, n) = (k as i64, of.size()[0]);
    assert!(1 <= k && k < n, "{n} images have no neighbour number {k}");
    let (squared, _) = nearest(of, of, k + 1); // number 0 is the image itself
    let inside = in_any_ball(x, of, &squared.select(1, k)).sum(Kind::Int64).int64_value(&[]);
    inside as f64 / x.size()[0] as f64
}
