//! The table as it is printed, beside the paper's.

use super::{CELEBA, CIFAR10, PATHS, Printed, SAMPLERS};
use anyhow::Result;
use from_noise::evaluate::{Sampler, Score};
use from_noise::util::cli::Chapter;
use serde::Serialize;

/// A row of the table as it is printed: the paper's turned on its side.
#[derive(Debug, Serialize)]
struct Row {
    data: &'static str,
    steps: usize,
    path: String,
    n: u64,
    fid_real: String,
    eta_0: String,
    #[serde(rename = "eta_0.2")]
    eta_02: String,
    #[serde(rename = "eta_0.5")]
    eta_05: String,
    eta_1: String,
    sigma_hat: String,
}

impl Row {
    fn new(
        data: &'static str,
        (steps, path, n): (usize, &str, u64),
        fid_real: String,
        fids: [String; 5],
    ) -> Self {
        let [eta_0, eta_02, eta_05, eta_1, sigma_hat] = fids;
        let path = path.into();
        Self { data, steps, path, n, fid_real, eta_0, eta_02, eta_05, eta_1, sigma_hat }
    }
}

/// The complete rows, and whatever lines of the others there are.
fn printed(scores: &[Score]) -> Vec<Row> {
    let mut keys: Vec<(usize, &str, u64)> = Vec::new();
    for score in scores {
        let key = (score.steps, score.path.as_str(), score.n);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let place = |path: &str| PATHS.iter().position(|known| known.to_string() == path);
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
        Row::new("MNIST", (steps, path, n), fid_real, SAMPLERS.each_ref().map(cell))
    };
    keys.iter().map(row).collect()
}

/// `fid.csv` is our table and `paper.csv` the paper's.
pub fn tables(scores: &[Score], chapter: &mut Chapter) -> Result<()> {
    chapter.results.table("fid.csv", &printed(scores))?;
    let paper = |data: &'static str, path: &'static str, table: Printed| {
        table.map(|(steps, fids)| {
            let fids = fids.map(|fid| fid.to_string());
            Row::new(data, (steps, path, 50_000), String::new(), fids)
        })
    };
    let rows = [paper("CIFAR-10", "quadratic", CIFAR10), paper("CelebA", "uniform", CELEBA)];
    chapter.results.samples(50_000);
    Ok(chapter.results.table("paper.csv", rows.as_flattened())?)
}
