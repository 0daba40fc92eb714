//! Frechet distances against 40-digit arithmetic and against scipy's matrix square root.

use crate::{parity, read};
use from_noise::checkpoint::load_tensors;
use from_noise::metrics::{Moments, frechet_distance, frechet_of_gaussians};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    from: String,
    distance: f64,
    sqrtm: f64,
}

#[test]
fn e1_distances_are_those_of_exact_arithmetic_and_of_scipy() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let gaussians = load_tensors(format!("{folder}/frechet_moments.safetensors")).unwrap();
    let samples = load_tensors(format!("{folder}/frechet_samples.safetensors")).unwrap();
    let cases: Vec<Case> = read("frechet.json");
    assert!(cases.iter().any(|c| c.from == "samples") && cases.len() >= 6);
    for Case { name, from, distance, sqrtm } in cases {
        let found = if from == "moments" {
            let [mu1, sigma1, mu2, sigma2] = ["mu1", "sigma1", "mu2", "sigma2"]
                .map(|part| &gaussians[&format!("{name}.{part}")]);
            frechet_of_gaussians(mu1, sigma1, mu2, sigma2)
        } else {
            let [a, b] = ["a", "b"].map(|side| {
                let x = &samples[&format!("{name}.{side}")];
                let mut moments = Moments::new(x.size()[1]);
                x.split(64, 0).iter().for_each(|part| moments.add(part));
                moments
            });
            frechet_distance(&a, &b)
        };
        // A zero eigenvalue is rounded to some 1e-13 of the largest, and its root counts.
        let error = |truth: f64| (found - truth).abs() / truth.abs().max(1.0);
        parity(&format!("Frechet distance `{name}`: 40 digits"), error(distance), 1e-6);
        parity(&format!("Frechet distance `{name}`: SciPy's sqrtm"), error(sqrtm), 1e-6);
    }
}
