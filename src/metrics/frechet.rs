//! The Frechet distance between two clouds of features, each taken for a Gaussian: FID, when the
//! features are Inception's.

use crate::checkpoint::{CheckpointError, load_tensors, save_tensors};
use crate::util::device::on_cpu;
use std::path::Path;
use tch::{Kind, Tensor};

/// The fewest images whose covariance of `dim` features is more than bias: twice as many.
pub fn enough_images(dim: i64) -> u64 {
    2 * dim as u64
}

// ANCHOR: moments
/// Count, sum and sum of outer products of a stream of features, in f64: all that a mean and a
/// covariance need, whatever the number of samples, and sums of parts are sums of the whole.
#[derive(Debug)]
pub struct Moments {
    /// `[D]`.
    sum: Tensor,
    /// `[D, D]`.
    outer: Tensor,
    n: u64,
}

impl Moments {
    /// The moments of no sample, in `dim` dimensions.
    pub fn new(dim: i64) -> Self {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, tch::kind::DOUBLE_CPU);
        Self { sum: zeros(&[dim]), outer: zeros(&[dim, dim]), n: 0 }
    }

    /// The moments of `features` of pictures `[N, C, H, W]`, 500 at a time.
    pub fn of(dim: i64, pixels: &Tensor, features: impl Fn(&Tensor) -> Tensor) -> Self {
        let mut moments = Self::new(dim);
        pixels.split(500, 0).iter().for_each(|some| moments.add(&features(some)));
        moments
    }

    /// Adds `features: [B, D]`, of any float kind and device.
    pub fn add(&mut self, features: &Tensor) {
        let x = on_cpu(features);
        let (shape, dim) = (x.size(), self.sum.size()[0]);
        assert!(shape.len() == 2 && shape[1] == dim, "moments of [B, {dim}] got {shape:?}");
        self.sum += x.sum_dim_intlist(0, false, None);
        self.outer += x.tr().matmul(&x);
        self.n += shape[0] as u64;
    }

    /// Adds what another stream has seen.
    pub fn merge(&mut self, other: &Self) {
        self.sum += &other.sum;
        self.outer += &other.outer;
        self.n += other.n;
    }

    /// The moments of all that this stream has seen but `part`.
    ///
    /// # Panics
    /// When `part` has seen more.
    pub fn without(&self, part: &Self) -> Self {
        assert!(part.n <= self.n, "{} samples cannot be left out of {}", part.n, self.n);
        Self { sum: &self.sum - &part.sum, outer: &self.outer - &part.outer, n: self.n - part.n }
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// The mean of the features, `[D]`.
    pub fn mean(&self) -> Tensor {
        &self.sum / self.n as f64
    }

    /// `[D, D]`, with the divisor `n - 1` of the published FID code.
    pub fn covariance(&self) -> Tensor {
        (&self.outer - self.sum.outer(&self.mean())) / (self.n as f64 - 1.0)
    }
}
// ANCHOR_END: moments

impl Moments {
    /// Writes the three as safetensors, atomically.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let [n, sum, outer] =
            [Tensor::from(self.n as i64), self.sum.shallow_clone(), self.outer.shallow_clone()];
        save_tensors([("n", n), ("sum", sum), ("outer", outer)], path)
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let mut found = load_tensors(path)?;
        let mut take = |name: &str| {
            found.remove(name).ok_or_else(|| CheckpointError::Damaged {
                path: path.into(),
                why: format!("no tensor `{name}` in it"),
            })
        };
        let (n, sum, outer) = (take("n")?, take("sum")?, take("outer")?);
        let dim = sum.size();
        let fits = dim.len() == 1
            && outer.size() == [dim[0], dim[0]]
            && n.numel() == 1
            && n.int64_value(&[]) >= 0;
        if !fits || [sum.kind(), outer.kind()] != [Kind::Double; 2] {
            let why = format!("sum {dim:?} and outer {:?} are no f64 moments", outer.size());
            return Err(CheckpointError::Damaged { path: path.into(), why });
        }
        Ok(Self { sum, outer, n: n.int64_value(&[]) as u64 })
    }
}

// ANCHOR: frechet
/// The Frechet distance between two streams of features (Heusel et al. 2017): never negative but
/// for rounding, and biased upwards for few samples.
///
/// # Panics
/// With fewer than two samples on either side.
pub fn frechet_distance(a: &Moments, b: &Moments) -> f64 {
    let least = a.n.min(b.n);
    assert!(least >= 2, "a covariance needs at least two samples, not {least}");
    frechet_of_gaussians(&a.mean(), &a.covariance(), &b.mean(), &b.covariance())
}

/// `|mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`, the squared Wasserstein distance between two
/// Gaussians (Dowson & Landau 1982).
///
/// The eigenvalues of `S1 S2` are those of the symmetric `S1^(1/2) S2 S1^(1/2)`, so two symmetric
/// eigendecompositions do what a general matrix root does, also when a covariance is singular.
///
/// # Shapes
/// `mu: [D]`, `sigma: [D, D]`, f64.
pub fn frechet_of_gaussians(mu1: &Tensor, sigma1: &Tensor, mu2: &Tensor, sigma2: &Tensor) -> f64 {
    let root = |values: &Tensor| values.clamp_min(0.0).sqrt(); // rounding may leave -1e-17
    let (values, vectors) = sigma1.linalg_eigh("L");
    let root1 = (&vectors * root(&values)).matmul(&vectors.tr());
    let inner = root1.matmul(sigma2).matmul(&root1);
    let cross = root(&((&inner + inner.tr()) / 2.0).linalg_eigvalsh("L"));
    let sum = |x: Tensor| x.sum(None).double_value(&[]);
    let traces = sum(sigma1.diagonal(0, 0, 1) + sigma2.diagonal(0, 0, 1));
    sum((mu1 - mu2).square()) + traces - 2.0 * sum(cross)
}
// ANCHOR_END: frechet
