//! Kernel Inception Distance: a distance of two clouds of features without bias, whatever their
//! number.

use super::MeanStd;
use crate::data::batch_indices;
use crate::noise::mix;
use crate::util::device::on_cpu;
use tch::Tensor;

/// How KID is estimated. The defaults are those of the published code: 100 subsets of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KidConfig {
    pub subsets: usize,
    /// Samples that each subset draws from either side, without replacement.
    pub size: usize,
    pub seed: u64,
}

impl Default for KidConfig {
    fn default() -> Self {
        Self { subsets: 100, size: 1000, seed: 0 }
    }
}

/// KID (Binkowski et al. 2018): [`squared_mmd`] of random subsets of the two sides, whose size
/// bounds the memory; its mean, and its standard deviation between subsets.
///
/// Unlike a Frechet distance it is not biased by few samples: near 0, and as often below it, for
/// two draws from one distribution. Subsets overlap, so the standard deviation is that of a
/// distance from `size` samples, not the error of the mean, and it is 0 when a subset is the whole.
///
/// # Shapes
/// `a: [N, D]`, `b: [M, D]` features.
///
/// # Panics
/// Without a subset, with subsets of less than two samples, or of more than there are.
pub fn kid(a: &Tensor, b: &Tensor, config: KidConfig) -> MeanStd {
    let KidConfig { subsets, size, seed } = config;
    let fewest = a.size()[0].min(b.size()[0]) as usize;
    assert!(size <= fewest, "subsets of {size} cannot be drawn from {fewest} samples");
    assert!(subsets >= 1, "KID needs at least one subset");
    let subset = |x: &Tensor, side: u64, number: usize| {
        let chosen = batch_indices(mix(seed, side, number as u64), 0, size, x.size()[0] as usize);
        x.index_select(0, &chosen.to_device(x.device()))
    };
    let distance = |number| squared_mmd(&subset(a, 0, number), &subset(b, 1, number));
    MeanStd::of(&(0..subsets).map(distance).collect::<Vec<f64>>())
}

/// The squared maximum mean discrepancy `E k(x, x') + E k(y, y') - 2 E k(x, y)` under KID's kernel
/// `k(x, y) = (x . y / D + 1)^3`, estimated without bias (Gretton et al. 2012, eq. 3: a sample is
/// not paired with itself).
///
/// The kernel sees the first three moments of the features, where a Frechet distance sees two.
///
/// # Shapes
/// `x: [N, D]`, `y: [M, D]`, at least two samples each; takes memory for `N^2 + M^2 + N M` numbers.
///
/// # Panics
/// On other shapes.
pub fn squared_mmd(x: &Tensor, y: &Tensor) -> f64 {
    let ((n, d), (m, width)) = (x.size2().expect("[N, D]"), y.size2().expect("[M, D]"));
    assert!(d == width, "features of width {d} and {width} do not compare");
    assert!(n >= 2 && m >= 2, "an estimate without bias needs two samples a side, not {n} and {m}");
    let (x, y) = (on_cpu(x), on_cpu(y));
    let kernel = |a: &Tensor, b: &Tensor| (a.matmul(&b.tr()) / d as f64 + 1.0).pow_tensor_scalar(3);
    let sum = |k: &Tensor| k.sum(None).double_value(&[]);
    let pairs = |k: &Tensor| sum(k) - k.trace().double_value(&[]);
    let (n, m) = (n as f64, m as f64);
    let within =
        pairs(&kernel(&x, &x)) / (n * (n - 1.0)) + pairs(&kernel(&y, &y)) / (m * (m - 1.0));
    within - 2.0 * sum(&kernel(&x, &y)) / (n * m)
}
