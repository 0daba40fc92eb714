//! Our Inception against pytorch-fid's, with weights made by a formula.

use crate::{parity, uniform};
use from_noise::checkpoint::{load_tensors, save_tensors};
use from_noise::data::Dataset;
use from_noise::metrics::{FeatureExtractor, InceptionNet, Moments, frechet_distance};
use from_noise::nn::Inception;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tch::{Device, Kind, Tensor, nn};

fn weights(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let u = Tensor::from_slice(&uniform(name, count)).view(shape);
    let scaled = match shape {
        _ if name.ends_with("running_var") => 1.5 + u / 2.0,
        _ if name.ends_with("bn.weight") => 1.0 + u / 5.0,
        [_] => u / 50.0,
        [_, inner @ ..] => u * (6.0 / inner.iter().product::<i64>() as f64).sqrt(),
        [] => unreachable!("every tensor of Inception has a dimension"),
    };
    scaled.to_kind(Kind::Float)
}

/// The network in a file of its own.
fn file() -> PathBuf {
    static WRITTEN: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = WRITTEN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let vs = nn::VarStore::new(Device::Cpu);
        let _net = Inception::new(&vs.root());
        let made = vs.variables().into_iter().map(|(name, variable)| {
            let tensor = weights(&name, &variable.size());
            (&*name.leak(), tensor)
        });
        save_tensors(made, dir.path().join("inception.safetensors")).unwrap();
        dir
    });
    dir.path().join("inception.safetensors")
}

/// Squares of 32, 16, 8 and 4 pixels.
fn pixels() -> Tensor {
    let noise: Vec<u8> =
        uniform("pixels", 8 * 3 * 32 * 32).iter().map(|u| ((u + 1.0) * 128.0) as u8).collect();
    let noise = Tensor::from_slice(&noise).view([8, 3, 32, 32]);
    let squares = |(i, side): (i64, i64)| {
        let few = noise.select(0, i).slice(1, None, None, side).slice(2, None, None, side);
        few.repeat_interleave_self_int(side, 1, None).repeat_interleave_self_int(side, 2, None)
    };
    let sides = [32, 32, 16, 16, 8, 8, 4, 4];
    Tensor::stack(&(0..8).zip(sides).map(squares).collect::<Vec<_>>(), 0)
}

#[test]
fn the_features_of_inception_are_pytorch_fids() {
    let golden = format!("{}/tests/golden/inception.safetensors", env!("CARGO_MANIFEST_DIR"));
    let golden = load_tensors(golden).unwrap();
    let net = InceptionNet::load(file(), [3, 32, 32], Device::Cpu).unwrap();
    let features = net.features(&pixels());
    assert_eq!(features.size(), [8, Inception::FEATURES]);
    let size = |x: &Tensor| x.abs().max().double_value(&[]);
    let far = |a: &Tensor, b: &Tensor| size(&(a - b)) / size(b);
    let want = &golden["features"];
    let error = far(&features, want);
    parity("features of Inception, of the largest: pytorch-fid", error, 1e-5);
    // most of a feature is the same for all images of a random network: what differs is compared, too
    let centred = |x: &Tensor| x - x.mean_dim([0].as_slice(), true, Kind::Float);
    let error = far(&centred(&features), &centred(want));
    parity("differences of such features between images: pytorch-fid", error, 1e-3);
    let logits = net.logits(&features.narrow(0, 0, 2)).unwrap();
    let error = far(&logits, &golden["logits"]);
    parity("logits of Inception, of the largest: pytorch-fid", error, 1e-5);
}

#[test]
fn gray_pictures_are_repeated_and_other_weights_have_another_name() {
    let net = InceptionNet::load(file(), [1, 32, 32], Device::Cpu).unwrap();
    let gray = pixels().narrow(0, 4, 1).narrow(1, 0, 1);
    let (one, three) = (net.features(&gray), net.features(&gray.repeat([1, 3, 1, 1])));
    assert_eq!(one, three);
    assert_ne!(net.suffix(), "", "these are not the published weights");
}

#[test]
fn moments_of_the_reference_are_found_again_and_those_of_other_images_are_not() {
    let cache = tempfile::tempdir().unwrap();
    let data = |first| {
        let images = pixels().narrow(0, first, 3);
        let labels = Tensor::zeros([3], tch::kind::INT64_CPU);
        Dataset::new("squares", images, labels, vec!["any".into()])
    };
    let mean = |first| {
        let net = InceptionNet::load(file(), [3, 32, 32], Device::Cpu).unwrap();
        let net = net.compared_with(&data(first), cache.path()).unwrap();
        assert_eq!(net.reference().n(), 3);
        net.reference().mean()
    };
    let files = || std::fs::read_dir(cache.path()).unwrap().count();
    let made = mean(0);
    assert_eq!(files(), 1);
    assert_eq!(mean(0), made);
    assert_eq!(files(), 1);
    assert_ne!(mean(2), made);
    assert_eq!(files(), 2);
}

/// The tool as it is typed, in a folder.
fn type_in(dir: &Path, words: &[&str]) -> (bool, String) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_from-noise"));
    let out = tool.args(words).current_dir(dir).output().unwrap();
    let said = [out.stdout, out.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (out.status.success(), said)
}

#[test]
fn the_tool_measures_by_inception_and_does_not_call_it_fid_with_other_weights() {
    let (dir, weights) = (tempfile::tempdir().unwrap(), file());
    let weights = weights.to_str().unwrap();
    let images = pixels();
    for (name, some) in [("a.npz", images.narrow(0, 0, 5)), ("b.npz", images.narrow(0, 2, 6))] {
        Tensor::write_npz(&[("arr_0", some)], dir.path().join(name)).unwrap();
    }
    let score = |rest: &[&str]| {
        type_in(dir.path(), &[&["score", "a.npz", "b.npz", "--device", "cpu"], rest].concat())
    };
    let (done, said) = score(&["--inception", weights, "--force"]);
    assert!(done && said.contains("is not the published network"), "{said}");
    let found = said.split("FD-Inception ").nth(1).unwrap();
    let found: f64 = found.split_whitespace().next().unwrap().parse().unwrap();
    let net = InceptionNet::load(weights, [3, 32, 32], Device::Cpu).unwrap();
    let moments = |some: &Tensor| Moments::of(net.dim(), some, |pixels| net.features(pixels));
    let [a, b] = [images.narrow(0, 0, 5), images.narrow(0, 2, 6)].map(|some| moments(&some));
    let expected = frechet_distance(&a, &b);
    assert!((found - expected).abs() < 1e-6 + 1e-4 * expected, "{found}, expected {expected}");
    for (flags, words) in [
        (&["--inception", "none.pth"][..], "cargo xtask weights fid-inception"),
        (&["--inception", "a.npz"], "a.npz is damaged"),
        (&["--inception", weights, "--size", "32"], "leave it out"),
        (&["--size", "32"], "--inception"),
    ] {
        let (done, said) = score(flags);
        assert!(!done && said.contains(words), "{flags:?}: {said}");
    }
}
