//! Inception Score, KID, precision and recall against torch-fidelity, nearest neighbours against
//! numpy.

use crate::{EXACT, assert_close, flat, read};
use from_noise::checkpoint::load_tensors;
use from_noise::metrics::{
    MeanStd, inception_score, nearest_neighbors, precision_recall, squared_mmd,
};
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    inception_score: Vec<Splits>,
    kid: Vec<Kid>,
    precision_recall: Vec<Shares>,
    nearest: Vec<Nearest>,
}

#[derive(Deserialize)]
struct Splits {
    splits: usize,
    mean: f64,
    std: f64,
}

#[derive(Deserialize)]
struct Kid {
    dims: i64,
    kid: f64,
}

#[derive(Deserialize)]
struct Shares {
    dims: i64,
    k: usize,
    inside: Inside,
}

#[derive(Deserialize)]
struct Inside {
    samples: u32,
    real: u32,
}

#[derive(Deserialize)]
struct Nearest {
    dims: i64,
    indices: Vec<Vec<i64>>,
    distances: Vec<Vec<f64>>,
}

/// The 200 rows of the first cloud and the 96 of the second, f32, and what golden files say of them.
fn clouds() -> (Tensor, Tensor, Golden) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let found = load_tensors(format!("{folder}/frechet_samples.safetensors")).unwrap();
    let [a, b] = ["d128.a", "d128.b"].map(|name| found[name].shallow_clone());
    (a, b, read("metrics.json"))
}

#[test]
fn e3_inception_scores_are_those_of_torch_fidelity() {
    let (a, _, golden) = clouds();
    let p = (a.narrow(1, 0, 10).to_kind(Kind::Double) * 3.0).softmax(-1, None::<Kind>);
    assert_eq!(golden.inception_score.len(), 3);
    for Splits { splits, mean, std } in golden.inception_score {
        let MeanStd { mean: found, std: spread } = inception_score(&p, splits);
        assert_close(&format!("{splits} splits"), &[found, spread], &[mean, std], EXACT);
    }
}

#[test]
fn e8_kid_is_that_of_torch_fidelity() {
    let (a, b, golden) = clouds();
    assert_eq!(golden.kid.len(), 2);
    for Kid { dims, kid } in golden.kid {
        let [a, b] = [&a, &b].map(|x| x.narrow(0, 0, 96).narrow(1, 0, dims));
        assert_close(&format!("{dims} dims"), &[squared_mmd(&a, &b)], &[kid], EXACT);
    }
}

#[test]
fn e4_precision_and_recall_are_those_of_torch_fidelity() {
    let (a, b, golden) = clouds();
    assert_eq!(golden.precision_recall.len(), 4);
    for Shares { dims, k, inside } in golden.precision_recall {
        let found = precision_recall(&a.narrow(1, 0, dims), &b.narrow(1, 0, dims), k);
        let expected = (f64::from(inside.samples) / 200.0, f64::from(inside.real) / 96.0);
        assert_eq!((found.precision, found.recall), expected, "{dims} dims, k = {k}");
    }
}

#[test]
fn e8_nearest_neighbours_are_those_of_numpy() {
    let (a, b, golden) = clouds();
    assert_eq!(golden.nearest.len(), 2);
    for Nearest { dims, indices, distances } in golden.nearest {
        let found =
            nearest_neighbors(&b.narrow(0, 0, 8).narrow(1, 0, dims), &a.narrow(1, 0, dims), 3);
        let found_indices = Vec::<i64>::try_from(found.indices.flatten(0, -1)).unwrap();
        assert_eq!(found_indices, indices.concat());
        assert_close("distances", &flat(&found.distances), &distances.concat(), EXACT);
    }
}
