//! Table 1 of the DDIM paper (Song et al. 2020): its five samplers, what it printed, and scores laid
//! out as it does.

use super::{Sampler, Score};
use crate::forward::Variance;
use crate::schedule::Path;
use serde::Serialize;

/// The five samplers, the table's rows: four of eta, and `sigma_hat`.
pub const SAMPLERS: [Sampler; 5] = [
    Sampler::Ddim(0.0),
    Sampler::Ddim(0.2),
    Sampler::Ddim(0.5),
    Sampler::Ddim(1.0),
    Sampler::Ddpm(Variance::Large),
];

/// Images of each of the paper's scores.
pub const IMAGES: u64 = 50_000;

/// What the paper found: numbers of steps, and FID in the order of [`SAMPLERS`].
pub type Printed = [(usize, [f64; 5]); 5];

/// Its half for CIFAR-10, on the quadratic path (section D.2).
pub const CIFAR10: Printed = [
    (10, [13.36, 14.04, 16.66, 41.07, 367.43]),
    (20, [6.84, 7.11, 8.35, 18.36, 133.37]),
    (50, [4.67, 4.77, 5.25, 8.01, 32.72]),
    (100, [4.16, 4.25, 4.46, 5.78, 9.99]),
    (1000, [4.04, 4.09, 4.29, 4.73, 3.17]),
];

/// Its half for CelebA, 64 x 64, on the uniform path.
pub const CELEBA: Printed = [
    (10, [17.33, 17.66, 19.86, 33.12, 299.71]),
    (20, [13.73, 14.11, 16.06, 26.03, 183.83]),
    (50, [9.17, 9.51, 11.01, 18.48, 71.71]),
    (100, [6.53, 6.79, 8.09, 13.93, 45.20]),
    (1000, [3.51, 3.64, 4.28, 5.98, 3.26]),
];

/// The scores of one number of steps: the paper's table turned on its side.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Of which images, and whose scores.
    pub data: String,
    pub steps: usize,
    pub path: String,
    pub n: u64,
    /// The distance of as many real images; empty where the paper tells none.
    pub fid_real: String,
    pub eta_0: String,
    #[serde(rename = "eta_0.2")]
    pub eta_02: String,
    #[serde(rename = "eta_0.5")]
    pub eta_05: String,
    pub eta_1: String,
    pub sigma_hat: String,
}

impl Row {
    fn new(
        data: &str,
        (steps, path, n): (usize, &str, u64),
        fid_real: String,
        fids: [String; 5],
    ) -> Self {
        let [eta_0, eta_02, eta_05, eta_1, sigma_hat] = fids;
        let (data, path) = (data.into(), path.into());
        Self { data, steps, path, n, fid_real, eta_0, eta_02, eta_05, eta_1, sigma_hat }
    }
}

/// The scores of images of `data`, a row for each number of steps on each of the `paths`: those on
/// the first path come first, and fewer images before more. A score that is not there leaves its
/// cell empty.
pub fn rows(data: &str, paths: &[Path], scores: &[Score]) -> Vec<Row> {
    let mut keys: Vec<(usize, &str, u64)> = Vec::new();
    for score in scores {
        let key = (score.steps, score.path.as_str(), score.n);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let place = |path: &str| paths.iter().position(|known| known.to_string() == path);
    keys.sort_by_key(|(steps, path, n)| (*n, place(path), *steps));
    let row = |&(steps, path, n): &(usize, &str, u64)| {
        let find = |sampler: &Sampler| {
            let name = sampler.to_string();
            scores.iter().find(|score| {
                (score.steps, score.path.as_str(), score.n, &score.sampler)
                    == (steps, path, n, &name)
            })
        };
        let fid_real = SAMPLERS.iter().find_map(&find);
        let fid_real = fid_real.map_or(String::new(), |score| format!("{:.2}", score.fid_real));
        let cell = |sampler: &Sampler| find(sampler).map_or(String::new(), Score::in_short);
        Row::new(data, (steps, path, n), fid_real, SAMPLERS.each_ref().map(cell))
    };
    keys.iter().map(row).collect()
}

/// Both halves of the paper's table, under these names.
pub fn papers(cifar10: &str, celeba: &str) -> Vec<Row> {
    let half = |data: &str, path: Path, table: Printed| {
        table.map(|(steps, fids)| {
            let key = (steps, &*path.to_string(), IMAGES);
            Row::new(data, key, String::new(), fids.map(|fid| fid.to_string()))
        })
    };
    let halves = [half(cifar10, Path::Quadratic, CIFAR10), half(celeba, Path::Uniform, CELEBA)];
    halves.into_iter().flatten().collect()
}
