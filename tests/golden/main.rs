//! Our formulas against independent implementations: diffusers 0.42.1, torch-fidelity 0.4.0,
//! pytorch-fid 0.3.0, scikit-image 0.26.0, improved-diffusion, and quadrature.
//!
//! The numbers and the scripts that wrote them stand beside this file; README.md says what each
//! holds. The U-Nets are read by the tests of `nn`.

mod bound;
mod frechet;
mod improved;
mod inception;
mod metrics;
mod published;
mod runs;
mod schedules;
mod similarity;
mod steps;
mod text;

use from_noise::denoiser::Denoiser;
use from_noise::forward::Variance;
use from_noise::guide::DenoiserExt;
use from_noise::schedule::Schedule;
use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

/// Both sides compute in f64 (epsilon 2e-16): a table is a product of up to 1000 factors, a step
/// divides by `alpha` down to 6e-3, a run repeats that 20 times where the denoisers contract. That
/// costs up to three digits (measured: 2e-13), and the errors to be caught are far larger. Errors
/// are relative to the largest entry or to 1; where entries are tiny the test divides first.
const EXACT: f64 = 1e-12;

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    assert!(!want.is_empty(), "{what}: nothing to compare");
    let size = want.iter().fold(1.0, |m: f64, w| m.max(w.abs()));
    for (g, w) in got.iter().zip(want) {
        let error = (g - w).abs() / size;
        let near = error <= tolerance; // NaN is not near anything
        assert!(near, "{what}: {g:e} for {w:e}, off by {error:e}\n got {got:?}\nwant {want:?}");
    }
}

/// Prints a comparison with another implementation, for `cargo xtask parity`, and checks its error.
#[track_caller]
fn parity(what: &str, error: f64, bound: f64) {
    println!("parity: {what:<64} {error:9.1e}  of {bound:.0e}");
    assert!(error <= bound, "{what}: off by {error:e}, more than {bound:e}");
}

fn flat(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn column(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).view([-1, 1])
}

fn schedule(name: &str) -> Schedule {
    match name {
        "linear" => Schedule::linear(1000, 1e-4, 0.02),
        "cosine" => Schedule::cosine(1000, 0.008),
        other => panic!("no schedule called {other}"),
    }
}

fn variance(name: &str) -> Variance {
    match name {
        "fixed_small" | "small" => Variance::Small,
        "fixed_large" | "large" => Variance::Large,
        "learned_range" => Variance::Learned,
        other => panic!("no variance called {other}"),
    }
}

/// Not `clip(INFINITY)` for "off": clipping derives eps again and would hide a wrong one.
fn clipped_if(clip: bool, model: impl Denoiser + 'static) -> Box<dyn Denoiser> {
    if clip { Box::new(model.clip(1.0)) } else { Box::new(model) }
}

/// Numbers in [-1, 1), by splitmix64 from the FNV-1a hash of a name: as common.py does.
fn uniform(name: &str, count: usize) -> Vec<f64> {
    let hash = |hash: u64, byte: u8| (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let number = |i: u64| {
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(52) - 1.0
    };
    (1..=count as u64).map(number).collect()
}
