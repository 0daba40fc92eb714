//! Distributions in the plane whose density, and so whose score at every noise level, is known.
//!
//! All but the checkerboard *are* mixtures of round Gaussians: a curve is 256 of them strung
//! along it, close enough (at most two standard deviations apart) that no bead shows. Hand
//! [`Toy::mixture`] to the exact denoiser and there is no approximation left in a comparison.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use rand::RngExt;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::stream;

/// How many Gaussians stand along a curve.
const ON_CURVE: usize = 256;
/// The width of a curve: the standard deviation of the Gaussians along it.
const CURVE_STD: f64 = 0.03;
/// Squares along one side of the checkerboard.
const SQUARES: usize = 4;

/// A distribution in the plane, in about `[-1, 1]^2`.
///
/// | name | mean (x, y) | standard deviation (x, y) | Gaussians |
/// |---|---|---|---|
/// | `swiss-roll` | 0.1415, 0.0150 | 0.4694, 0.4926 | 256 |
/// | `moons` | 0, 0 | 0.5781, 0.3308 | 256 |
/// | `spiral` | 0, 0 | 0.5093, 0.4924 | 256 |
/// | `checkerboard` | 0, 0 | 0.5774, 0.5774 | none |
/// | `ring8` | 0, 0 | 0.5679, 0.5679 | 8 |
/// | `grid25` | 0, 0 | 0.5671, 0.5671 | 25 |
/// | `two-modes` | 0.1200, 0 | 0.7669, 0.2247 | 2 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Toy {
    /// One and a half turns of a spiral that starts a third of the way out: the toy of
    /// Sohl-Dickstein et al. 2015.
    SwissRoll,
    /// Two interleaved half circles.
    Moons,
    /// Two arms of one and a half turns from the centre, opposite each other.
    Spiral,
    /// The eight dark squares of a 4 x 4 board, uniform; the one without a mixture.
    Checkerboard,
    /// Eight equal Gaussians (std 0.05) on a circle of radius 0.8.
    Ring8,
    /// Twenty-five equal Gaussians (std 0.04) on a 5 x 5 grid of spacing 0.4.
    Grid25,
    /// Weights 0.3 and 0.7, means (-1, 0) and (0.6, 0), stds 0.15 and 0.25: the first coordinate
    /// is the one-dimensional two-mode fixture of the tests.
    TwoModes,
}

/// A mixture of round Gaussians in the plane: component `k` has weight `weights[k]`, mean
/// `means[k]` and covariance `stds[k]^2 I`.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// They sum to 1.
    pub weights: Vec<f64>,
    pub means: Vec<[f64; 2]>,
    pub stds: Vec<f64>,
}

impl Components {
    fn equal(means: Vec<[f64; 2]>, std: f64) -> Self {
        let k = means.len();
        Self { weights: vec![1.0 / k as f64; k], means, stds: vec![std; k] }
    }

    /// The means as a tensor: `[K, 2]`, f64.
    pub fn means_tensor(&self) -> Tensor {
        Tensor::from_slice2(&self.means)
    }

    fn draw(&self, which: &WeightedIndex<f64>, rng: &mut ChaCha12Rng) -> [f64; 2] {
        let k = which.sample(rng);
        self.means[k].map(|mean| {
            let z: f64 = StandardNormal.sample(rng);
            mean + self.stds[k] * z
        })
    }
}

impl Toy {
    /// Draws the first `n` points of the toy distribution; see [`Toy::sample_from`].
    pub fn sample(self, n: usize, seed: u64) -> Tensor {
        self.sample_from(0, n, seed)
    }

    /// The points number `first, first + 1, ...` of an endless supply: step `k` of a training run
    /// that never repeats a point takes `sample_from(k * batch, batch, seed)`.
    ///
    /// Point `i` depends on `seed` and `i` alone.
    ///
    /// # Shapes
    /// Returns `[n, 2]`, f32, on the CPU.
    pub fn sample_from(self, first: u64, n: usize, seed: u64) -> Tensor {
        let parts = self.mixture().map(|parts| {
            let which = WeightedIndex::new(&parts.weights).expect("the weights are positive");
            (parts, which)
        });
        let mut points: Vec<f32> = Vec::with_capacity(2 * n);
        for i in first..first + n as u64 {
            let mut rng = stream(seed, b"toy2d\0\0\0", i);
            let point = match &parts {
                Some((parts, which)) => parts.draw(which, &mut rng),
                None => dark_square(&mut rng),
            };
            points.extend(point.map(|x| x as f32));
        }
        Tensor::from_slice(&points).view([n as i64, 2]) // [2n] -> [n, 2]
    }

    /// The Gaussians that the points come from; `None` for the checkerboard.
    pub fn mixture(self) -> Option<Components> {
        let parts = match self {
            Toy::SwissRoll => curve(ON_CURVE, |u| {
                let angle = 1.5 * PI * (1.0 + 2.0 * u);
                polar(angle / (4.5 * PI), angle)
            }),
            Toy::Moons => both_halves(|u| {
                let (sin, cos) = (PI * u).sin_cos();
                [[cos - 0.5, sin - 0.25], [0.5 - cos, 0.25 - sin]].map(|p| p.map(|x| x / 1.5))
            }),
            Toy::Spiral => both_halves(|u| {
                let turned = u.sqrt(); // nearly even steps along the arm
                let arm = polar(turned, 3.0 * PI * turned);
                [arm, arm.map(|x| -x)]
            }),
            Toy::Checkerboard => return None,
            Toy::Ring8 => {
                let ring = (0..8).map(|k| polar(0.8, 2.0 * PI * k as f64 / 8.0));
                Components::equal(ring.collect(), 0.05)
            }
            Toy::Grid25 => {
                let at = |k: usize| 0.4 * k as f64 - 0.8;
                let grid = (0..25).map(|k| [at(k % 5), at(k / 5)]);
                Components::equal(grid.collect(), 0.04)
            }
            Toy::TwoModes => Components {
                weights: vec![0.3, 0.7],
                means: vec![[-1.0, 0.0], [0.6, 0.0]],
                stds: vec![0.15, 0.25],
            },
        };
        Some(parts)
    }
}

fn polar(radius: f64, angle: f64) -> [f64; 2] {
    [radius * angle.cos(), radius * angle.sin()]
}

/// `n` equal Gaussians at the midpoints of `n` equal pieces of `[0, 1]`, bent along the curve.
fn curve(n: usize, at: impl Fn(f64) -> [f64; 2]) -> Components {
    let means = (0..n).map(|k| at((k as f64 + 0.5) / n as f64));
    Components::equal(means.collect(), CURVE_STD)
}

/// Two curves that share the Gaussians equally.
fn both_halves(at: impl Fn(f64) -> [[f64; 2]; 2]) -> Components {
    let n = ON_CURVE / 2;
    let means = (0..n).flat_map(|k| at((k as f64 + 0.5) / n as f64));
    Components::equal(means.collect(), CURVE_STD)
}

fn dark_square(rng: &mut ChaCha12Rng) -> [f64; 2] {
    let row = rng.random_range(0..SQUARES as u32);
    let column = 2 * rng.random_range(0..SQUARES as u32 / 2) + row % 2;
    [column, row].map(|cell| (cell as f64 + rng.random::<f64>()) * 2.0 / SQUARES as f64 - 1.0)
}

impl fmt::Display for Toy {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let value = self.to_possible_value().expect("every toy has a name");
        f.pad(value.get_name())
    }
}

/// A name that no 2-D distribution has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no 2-D data called {name:?}; choose one of: {}", names())]
pub struct UnknownToy {
    pub name: String,
}

fn names() -> String {
    let names: Vec<String> = Toy::value_variants().iter().map(Toy::to_string).collect();
    names.join(", ")
}

impl FromStr for Toy {
    type Err = UnknownToy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        <Self as ValueEnum>::from_str(name, false).map_err(|_| UnknownToy { name: name.into() })
    }
}

#[cfg(test)]
#[path = "toy2d_tests.rs"]
mod tests;
