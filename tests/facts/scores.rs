//! Scores: what a Frechet distance and a class count must say about samples whose truth is known.

use crate::support::{F64, close, max_diff, normal};
use from_noise::data::{Dataset, sample, to_u8};
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling};
use from_noise::forward::Variance;
use from_noise::guide::DenoiserExt;
use from_noise::metrics::{
    ClassifierConfig, FeatureExtractor, FeatureNet, Moments, class_histogram,
    classification_accuracy_score, confident_share, frechet_distance, frechet_of_gaussians,
};
use from_noise::noise::{Noise, Seeded};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{ddim, ddpm};
use from_noise::schedule::Path;
use tch::{Device, Kind, Tensor};

fn moments(features: &Tensor) -> Moments {
    let mut moments = Moments::new(features.size()[1]);
    moments.add(features);
    moments
}

#[test]
fn e1_a_distance_to_oneself_is_zero_and_a_shift_costs_its_square() {
    let x = normal(&[400, 16], 1);
    assert!(frechet_distance(&moments(&x), &moments(&x)).abs() <= 1e-6);
    let shift = normal(&[16], 2);
    let moved = frechet_distance(&moments(&(&x + &shift)), &moments(&x));
    close(moved, shift.square().sum(Kind::Double).double_value(&[]), 1e-6);
    // widths 1 and 2 in d dimensions: d (2 - 1)^2
    let (zero, one) = (Tensor::zeros([16], F64), Tensor::eye(16, F64));
    close(frechet_of_gaussians(&zero, &one, &zero, &(4.0 * &one)), 16.0, 1e-9);
}

/// Between two clouds of n samples of one isotropic Gaussian in d dimensions the distance is
/// d (d + 5) / (2 n) on average, not zero: distances at unequal n do not compare.
#[test]
fn e1_few_samples_cost_what_theory_says() {
    let (dim, n, trials) = (2, 300, 2000);
    let total: f64 = (0..trials)
        .map(|trial| {
            let x = normal(&[2, n, dim], 100 + trial);
            frechet_distance(&moments(&x.select(0, 0)), &moments(&x.select(0, 1)))
        })
        .sum();
    let expected = (dim * (dim + 5)) as f64 / (2 * n) as f64;
    close(total / trials as f64, expected, 0.03 * expected); // one standard error is about 1.5 %
}

#[test]
fn moments_of_parts_are_moments_of_the_whole_and_survive_the_disk() {
    let x = normal(&[500, 8], 3) + 5.0;
    let whole = moments(&x);
    let mut parts = Moments::new(8);
    for part in x.split(170, 0) {
        parts.merge(&moments(&part));
    }
    assert_eq!(parts.n(), 500);
    let gap = (parts.covariance() - whole.covariance()).abs().max().double_value(&[]);
    assert!(gap < 1e-12, "{gap:e}");
    let deviation = &x - x.mean_dim(0, true, Kind::Double);
    let direct = deviation.tr().matmul(&deviation) / 499.0;
    let gap = (whole.covariance() - direct).abs().max().double_value(&[]);
    assert!(gap < 1e-11, "{gap:e}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("moments.safetensors");
    whole.save(&path).unwrap();
    let read = Moments::load(&path).unwrap();
    assert_eq!((read.n(), read.mean()), (500, whole.mean()));
    assert_eq!(read.covariance(), whole.covariance());
    from_noise::checkpoint::save_tensors([("n", Tensor::from(1i64))], &path).unwrap();
    let message = Moments::load(&path).unwrap_err().to_string();
    assert!(message.contains("no tensor `sum`"), "{message}");
}

#[test]
fn e7_a_histogram_counts_and_its_entropy_tells_one_class_from_all() {
    let labels = Tensor::from_slice(&[0i64, 1, 2, 3, 0, 1, 2, 3]);
    let even = class_histogram(&labels, 4);
    assert_eq!(even.counts, [2; 4]);
    close(even.entropy, 4f64.ln(), 1e-12);
    let one = class_histogram(&Tensor::full([5], 2, (Kind::Int64, Device::Cpu)), 4);
    assert_eq!((one.counts, one.entropy), (vec![0, 0, 5, 0], 0.0));
}

/// Three classes, two pictures: `e^2 / (e^2 + 2) = 0.787` for the first, one third for the second.
#[test]
fn a_classifier_is_sure_where_one_class_is_likelier_than_asked() {
    let logits = Tensor::from_slice(&[0.0, 2.0, 0.0, 5.0, 5.0, 5.0]).view([2, 3]);
    let first = 2f64.exp() / (2f64.exp() + 2.0);
    for (least, share) in [(0.3, 1.0), (0.4, 0.5), (first - 1e-9, 0.5), (first + 1e-9, 0.0)] {
        assert_eq!(confident_share(&logits, least), share, "above {least}");
    }
}

/// One seed per sample: alone or among others, image i is image i.
#[test]
fn an_image_does_not_depend_on_its_batch() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/mnist-ddpm");
    let trained = Pretrained::load(dir, Device::Cpu).unwrap();
    for sampler in [Sampler::Ddim(0.5), Sampler::Ddpm(Variance::Large)] {
        let sampling = Sampling { sampler, path: Path::Uniform, steps: 5, seed: 3 };
        let mut seen = 0;
        let images = ImageSampler::new(&trained, sampling).unwrap();
        let four = images.draw(0, 4, &mut |_| seen += 1);
        assert_eq!((four.size(), seen), (vec![4, 1, 28, 28], sampling.steps));
        let last = images.draw(3, 1, &mut |_| {});
        assert!(max_diff(&four.narrow(0, 3, 1), &last) < 1e-3, "{sampler}");
        assert!(max_diff(&four.narrow(0, 0, 1), &last) > 0.5, "{sampler}: one image for all");
    }
}

#[test]
fn a_sampling_is_the_sampler_it_names() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/mnist-ddpm");
    let trained = Pretrained::load(dir, Device::Cpu).unwrap();
    let model = trained.model.given(None).clip(1.0);
    let path = trained.schedule.path(Path::Trailing, 4);
    let direct = |sampler: &dyn Fn(Tensor, Noise) -> Tensor| {
        let mut noise = Seeded::new(7, 2);
        let start = noise.start(&[2, 1, 28, 28]);
        sampler(start, &mut |x| noise.draw(x))
    };
    let (small, large) = (Variance::Small, Variance::Large);
    for (sampler, expected) in [
        (Sampler::Ddim(0.0), direct(&|x, z| ddim(&model, &path, x, 0.0, z))),
        (Sampler::Ddim(0.5), direct(&|x, z| ddim(&model, &path, x, 0.5, z))),
        (Sampler::Ddpm(small), direct(&|x, z| ddpm(&model, &path, x, small, z))),
        (Sampler::Ddpm(large), direct(&|x, z| ddpm(&model, &path, x, large, z))),
    ] {
        let sampling = Sampling { sampler, path: Path::Trailing, steps: 4, seed: 7 };
        let found = ImageSampler::new(&trained, sampling).unwrap().draw(2, 2, &mut |_| {});
        assert!(max_diff(&found, &expected) < 1e-6, "{sampler} is another sampler");
    }
}

/// Real images teach the classifier, wrong labels do not.
#[test]
fn e7_real_data_score_their_own_accuracy() {
    let Dataset { images, labels, classes, .. } = sample::dataset();
    let part = |from: i64, n: i64, labels: &Tensor| {
        let (images, labels) = (images.narrow(0, from, n), labels.narrow(0, from, n));
        Dataset::new("part", images, labels, classes.clone())
    };
    let mut config = ClassifierConfig { batch: 32, ..Default::default() };
    config.train.ema_decay = 0.98;
    let test = part(192, 64, &labels);
    let score = |labels: &Tensor| {
        let taught = part(0, 192, labels);
        classification_accuracy_score(&taught, &test, &config, 200, Device::Cpu).unwrap()
    };
    let (real, wrong) = (score(&labels), score(&((&labels + 1).remainder(10))));
    assert!(real > 0.75, "taught by 192 real digits: {real}");
    assert!(wrong < 0.15, "taught by wrong labels: {wrong}");
}

#[test]
fn the_feature_net_knows_digits() {
    let digits = sample::dataset();
    let net = feature_net();
    let right = net.classify(&net.features(&digits.images)).unwrap().eq_tensor(&digits.labels);
    let share = right.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!(share >= 0.99, "right on {share} of 256 test digits");
}

fn feature_net() -> FeatureNet {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/mnist-classifier");
    FeatureNet::load(dir, Device::Cpu).unwrap()
}

/// More noise, or more blur, is farther from the data; the data themselves are at the floor.
#[test]
fn e2_noise_and_blur_cost_more_the_more_there_is() {
    let net = feature_net();
    assert!((0.0..5.0).contains(&net.fid_real), "real images are at {}", net.fid_real);
    assert_eq!(net.reference().n(), 60_000);
    let digits = sample::digits();
    let distance =
        |x: &Tensor| frechet_distance(&moments(&net.features(&to_u8(x))), net.reference());
    let eps = normal(&[256, 1, 28, 28], 4).to_kind(Kind::Float);
    let noisy: Vec<f64> =
        [0.0, 0.2, 0.4, 0.8].iter().map(|sigma| distance(&(&digits + &eps * *sigma))).collect();
    assert!(noisy.is_sorted_by(|a, b| a < b), "{noisy:?}");
    let blurred: Vec<f64> = [1, 3, 5, 9]
        .iter()
        .map(|side| {
            let blur = (&digits + 1.0).avg_pool2d(
                [*side; 2],
                [1, 1],
                [side / 2; 2],
                false,
                true,
                None::<i64>,
            );
            distance(&(blur - 1.0))
        })
        .collect();
    assert!(blurred.is_sorted_by(|a, b| a < b), "{blurred:?}");
    assert!((noisy[0] - blurred[0]).abs() < 1e-6);
}
