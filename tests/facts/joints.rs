//! What scores and tables know: a generator and a feature extractor, whatever they are.

use crate::support::{self, close, max_diff, normal};
use from_noise::data::{Color, Dataset, Format, from_u8, sample, to_u8};
use from_noise::denoiser::Parameterization;
use from_noise::evaluate::{
    Classes, Generator, ImageSampler, Recipe, Sampler, Sampling, SamplingError, Score, ScoreTable,
    Shard, Sweep, SweepGrid, TableEntry, score,
};
use from_noise::forward::Variance;
use from_noise::guide::{DenoiserExt, Guidance, Snapshot};
use from_noise::metrics::{FeatureExtractor, Moments};
use from_noise::nn::UnetConfig;
use from_noise::noise::Seeded;
use from_noise::pretrained::{
    ImageConfig, NoisedClassifierConfig, Pretrained, PretrainedClassifier,
};
use from_noise::sample::{GradientAt, MeanShift, ddpm_guided};
use from_noise::schedule::Path;
use tch::{Device, Kind, Tensor, nn};

/// Features without a network: the mean brightness of the four quarters of an image.
#[derive(Debug)]
struct Quarters {
    reference: Moments,
}

fn quarters(pixels: &Tensor) -> Tensor {
    from_u8(pixels).avg_pool2d([14, 14], [14, 14], [0, 0], false, true, None::<i64>).flatten(1, -1)
}

impl Quarters {
    fn of(pixels: &Tensor) -> Self {
        Self { reference: Moments::of(4, pixels, quarters) }
    }
}

impl FeatureExtractor for Quarters {
    fn suffix(&self) -> &str {
        "-toy"
    }

    fn hash(&self) -> &str {
        "quarters"
    }

    fn shape(&self) -> [i64; 3] {
        [1, 28, 28]
    }

    fn dim(&self) -> i64 {
        4
    }

    fn features(&self, pixels: &Tensor) -> Tensor {
        quarters(pixels)
    }

    fn reference(&self) -> &Moments {
        &self.reference
    }
}

/// An untrained class-conditional U-Net of three classes.
fn labelled() -> Pretrained {
    untrained(Some(3))
}

fn untrained(classes: Option<i64>) -> Pretrained {
    support::untrained(ImageConfig {
        network: UnetConfig::tiny(),
        classes,
        parameterization: Parameterization::default(),
        ..ImageConfig::mnist()
    })
}

const SAMPLING: Sampling =
    Sampling { sampler: Sampler::Ddim(1.0), path: Path::Trailing, steps: 2, seed: 5 };

#[test]
fn class_conditional_images_do_not_depend_on_their_batch() {
    let trained = labelled();
    let sampler = |classes| ImageSampler::new(&trained, SAMPLING).unwrap().of(classes).unwrap();
    let images = sampler(Classes::InTurn);
    assert_eq!(images.recipe().condition, "classes in turn");
    let (six, last) = (images.draw(0, 6, &mut |_| {}), images.draw(4, 2, &mut |_| {}));
    assert!(max_diff(&six.narrow(0, 4, 2), &last) < 1e-2);
    // image 4 is of class 1, by its number
    let ones = sampler(Classes::Only(1)).draw(4, 1, &mut |_| {});
    assert!(max_diff(&ones, &last.narrow(0, 0, 1)) < 1e-2);
    let twos = sampler(Classes::Only(2)).draw(4, 1, &mut |_| {});
    let heard = max_diff(&twos, &ones);
    assert!(heard > 0.1, "the class is not heard: {heard}");
    let said = ImageSampler::new(&trained, SAMPLING).unwrap().of(Classes::Only(3)).unwrap_err();
    assert!(said.to_string().contains("no class 3") && said.to_string().contains("0 to 2"));
}

#[test]
fn f12_guided_images_say_what_they_are_and_what_they_cost() {
    let mut trained = labelled();
    let images = |trained: &Pretrained, guidance, negative| {
        ImageSampler::new(trained, SAMPLING)?.guided(guidance, negative)
    };
    let said = |found: Result<ImageSampler, SamplingError>| found.unwrap_err().to_string();
    let three = Guidance::scale(3.0);
    assert!(said(images(&trained, three, None)).contains("condition_dropout"));
    assert!(said(images(&trained, three, Some(3))).contains("no class 3"));
    trained.config.condition_dropout = 0.1;
    let plain = ImageSampler::new(&trained, SAMPLING).unwrap();
    let none = images(&trained, Guidance::NONE, None).unwrap();
    assert_eq!(none.recipe(), plain.recipe());
    assert_eq!(none.draw(0, 3, &mut |_| {}), plain.draw(0, 3, &mut |_| {}));
    let guided = images(&trained, three, None).unwrap();
    let recipe = guided.recipe();
    assert_eq!((recipe.condition.as_str(), recipe.nfe), ("classes in turn, guidance 3", 4));
    let mut looks = 0;
    let (six, last) = (guided.draw(0, 6, &mut |_| looks += 1), guided.draw(4, 2, &mut |_| {}));
    assert_eq!((looks, guided.looks()), (2, 2), "a guided prediction is looked at once");
    assert!(max_diff(&six.narrow(0, 4, 2), &last) < 1e-2);
    assert!(max_diff(&six.narrow(0, 0, 3), &plain.draw(0, 3, &mut |_| {})) > 0.1);
    let away = images(&trained, three, Some(2)).unwrap();
    assert!(away.recipe().condition.ends_with("guidance 3, away from class 2"));
    assert!(max_diff(&away.draw(0, 6, &mut |_| {}), &six) > 0.1);
    // of DDIM's two levels, t = 1000 and t = 500, one is guided
    let some = Guidance { interval: Some([0.0, 10.0]), ..three };
    let some = images(&trained, some, None).unwrap().recipe();
    assert_eq!((some.condition.as_str(), some.nfe), ("classes in turn, guidance 3 in 0 to 10", 3));
    let wrong = Guidance { rescale: 2.0, ..three };
    assert!(said(images(&trained, wrong, None)).contains("phi"));
    trained.config.classes = None;
    assert!(said(images(&trained, three, None)).contains("unconditional"));
}

#[test]
fn f9_a_classifier_guides_a_model_of_either_kind_and_says_so() {
    let mut trained = labelled(); // of three classes
    let classifier = |classes| {
        let tiny = UnetConfig { out_channels: classes, ..UnetConfig::tiny() };
        let config = NoisedClassifierConfig { network: tiny, ..NoisedClassifierConfig::mnist() };
        tch::manual_seed(1);
        let vs = nn::VarStore::new(Device::Cpu);
        let classifier = config.build(&vs.root());
        PretrainedClassifier { config, classifier, hash: "abc".into() }
    };
    let images = |trained: &Pretrained| ImageSampler::new(trained, SAMPLING).unwrap();
    let three = classifier(3);
    for condition in [true, false] {
        if !condition {
            trained = untrained(None);
        }
        let plain = images(&trained);
        let none = images(&trained).guided_by(&three, 0.0).unwrap();
        let guided = images(&trained).guided_by(&three, 50.0).unwrap();
        let recipe = guided.recipe();
        assert_eq!(recipe.condition, "classes in turn, classifier guidance 50 by abc");
        assert_eq!((recipe.nfe, guided.looks()), (plain.recipe().nfe, 2), "one network draws");
        let classes = guided.classes(2, 3).unwrap();
        assert_eq!(classes, Tensor::from_slice(&[2i64, 0, 1]));
        assert_eq!(none.draw(0, 3, &mut |_| {}), plain.draw(0, 3, &mut |_| {}));
        let six = guided.draw(0, 6, &mut |_| {});
        assert!(max_diff(&six.narrow(0, 4, 2), &guided.draw(4, 2, &mut |_| {})) < 1e-2);
        let moved = max_diff(&six.narrow(0, 0, 3), &plain.draw(0, 3, &mut |_| {}));
        assert!(moved > 1e-3, "the classifier is not heard: {moved}");
        let other = guided.of(Classes::Only(1)).unwrap().draw(0, 3, &mut |_| {});
        assert!(max_diff(&other, &six.narrow(0, 0, 3)) > 1e-3, "the class is not heard");
    }
    // Algorithm 1 is its own loop, with the model's prediction clipped
    let sampling = Sampling { sampler: Sampler::Ddpm(Variance::Small), steps: 3, ..SAMPLING };
    let ancestral = || ImageSampler::new(&trained, sampling).unwrap();
    let plain = ancestral().guided_by(&three, 0.0).unwrap().draw(0, 3, &mut |_| {});
    for (gradient_at, place) in [(GradientAt::Mean, "the mean"), (GradientAt::Sample, "x_t")] {
        let shifted = |scale| ancestral().mean_shifted_by(&three, scale, gradient_at).unwrap();
        let said = shifted(50.0).recipe().condition;
        let asked = format!("classes in turn, mean shift 50 by abc, gradient at {place}");
        assert_eq!((said, shifted(50.0).looks()), (asked, 3));
        assert_eq!(shifted(0.0).draw(0, 3, &mut |_| {}), plain);
        let mut noise = Seeded::new(sampling.seed, 0);
        let start = noise.start(&trained.config.shape(3));
        let log_prob = three.classifier.log_prob(&Tensor::from_slice(&[0i64, 1, 2]));
        let shift = MeanShift { log_prob: &log_prob, scale: 50.0, gradient_at };
        let (path, model) = (sampling.levels(&trained.schedule), trained.model.given(None));
        let draw = &mut |x: &Tensor| noise.draw(x);
        let by_hand = ddpm_guided(&model.clip(1.0), &path, start, Variance::Small, &shift, draw);
        assert_eq!(shifted(50.0).draw(0, 3, &mut |_| {}), by_hand);
        assert_ne!(by_hand, plain);
    }
    let said = |found: Result<ImageSampler, SamplingError>| found.unwrap_err().to_string();
    let no_variance = images(&trained).mean_shifted_by(&three, 1.0, GradientAt::Mean);
    assert!(said(no_variance).contains("take DDPM"));
    assert!(said(images(&labelled()).guided_by(&classifier(10), 1.0)).contains("knows 3 classes"));
    assert!(said(images(&trained).guided_by(&three, f64::NAN)).contains("NaN"));
    let colour = NoisedClassifierConfig {
        format: Format { color: Color::Rgb, size: 28 },
        ..three.config.clone()
    };
    let other = PretrainedClassifier { config: colour, ..three.clone() };
    assert!(said(images(&trained).guided_by(&other, 1.0)).contains("[3, 28, 28]"));
    let unknown = images(&trained).guided_by(&three, 1.0).unwrap().of(Classes::Only(3));
    assert!(said(unknown).contains("no class 3"));
}

/// Sees every image as one of the class 1.
#[derive(Debug)]
struct Ones(Quarters);

impl FeatureExtractor for Ones {
    fn suffix(&self) -> &str {
        "-toy"
    }

    fn hash(&self) -> &str {
        "ones"
    }

    fn shape(&self) -> [i64; 3] {
        self.0.shape()
    }

    fn dim(&self) -> i64 {
        4
    }

    fn features(&self, pixels: &Tensor) -> Tensor {
        quarters(pixels)
    }

    fn reference(&self) -> &Moments {
        self.0.reference()
    }

    fn classify(&self, features: &Tensor) -> Option<Tensor> {
        Some(Tensor::ones([features.size()[0]], (Kind::Int64, Device::Cpu)))
    }

    fn classes(&self) -> usize {
        3
    }
}

#[test]
fn a_score_says_how_often_the_class_asked_for_was_found() {
    let trained = labelled();
    let net = Ones(Quarters::of(&sample::dataset().images));
    let accuracy =
        |images: &dyn Generator| score(images, &net, 40, 0.0, |_, _| {}, |_| {}).class_accuracy;
    let images = |classes| ImageSampler::new(&trained, SAMPLING).unwrap().of(classes).unwrap();
    assert_eq!(accuracy(&images(Classes::InTurn)), Some(13.0 / 40.0), "1, 4, ..., 37");
    assert_eq!(accuracy(&images(Classes::Only(1))), Some(1.0));
    assert_eq!(accuracy(&images(Classes::Only(0))), Some(0.0));
    assert_eq!(accuracy(&Digits), None, "no class was asked for");
    let blind = score(&images(Classes::InTurn), &net.0, 40, 0.0, |_, _| {}, |_| {});
    assert_eq!(blind.class_accuracy, None, "this network does not classify");
}

#[test]
fn any_feature_extractor_scores_any_generator() {
    let trained = labelled();
    let images = ImageSampler::new(&trained, SAMPLING).unwrap();
    let net = Quarters::of(&sample::dataset().images);
    let mut drawn = Vec::new();
    let keep = |pixels: &Tensor, classes: Option<&Tensor>| {
        assert!(classes.is_none(), "quarters know no classes");
        drawn.push(pixels.shallow_clone());
    };
    let found = score(&images, &net, 60, 0.25, keep, |_| {});
    let pixels = Tensor::cat(&drawn, 0);
    assert_eq!(pixels.size(), [60, 1, 28, 28]);
    let moments = Moments::of(4, &pixels, quarters);
    let expected = from_noise::metrics::frechet_distance(&moments, net.reference());
    close(found.distance, expected, 1e-12);
    assert_eq!((found.class_entropy, found.fid_real), (0.0, 0.25));
    assert_eq!(
        (found.feature_net.as_str(), found.condition.as_str()),
        ("quarters", "classes in turn")
    );
}

/// Draws the real digits, and counts no evaluation: nothing of diffusion in it.
struct Digits;

impl Generator for Digits {
    fn shape(&self) -> [i64; 3] {
        [1, 28, 28]
    }

    fn recipe(&self) -> Recipe {
        let empty = String::new;
        Recipe {
            sampler: "digits".into(),
            path: empty(),
            steps: 0,
            nfe: 0,
            seed: 0,
            weights: empty(),
            hash: "none".into(),
            condition: empty(),
        }
    }

    fn draw(&self, first: u64, n: u64, _look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        sample::digits().narrow(0, first as i64, n as i64)
    }
}

#[test]
fn a_table_takes_lines_of_all_kinds() {
    let trained = labelled();
    let grid = SweepGrid {
        samplers: vec![Sampler::Ddim(0.0), Sampler::Heun],
        paths: vec![Path::Trailing],
        steps: vec![2],
        evaluations: Vec::new(),
        n: 50,
    };
    let sweep = Sweep { seed: 2, grid: vec![grid] };
    let one_class = |sampling| ImageSampler::new(&trained, sampling)?.of(Classes::Only(1));
    let mut lines = sweep.lines(one_class).unwrap();
    lines.extend(sweep.lines(|sampling| ImageSampler::new(&trained, sampling)).unwrap());
    let brightness = |x: &Tensor| x.mean_dim(&[1i64, 2, 3][..], false, Kind::Float);
    lines.push(TableEntry::new(Digits, 256).measured("brightness", brightness));
    let (data, dir) = (sample::dataset(), tempfile::tempdir().unwrap());
    let net = Quarters::of(&data.images);
    let table = ScoreTable::new(lines, &net, &data, dir.path()).unwrap();
    let lines: Vec<&TableEntry> = table.lines().iter().collect();
    table.draw(&lines, Shard::WHOLE, |_| {}, || false).unwrap();
    let rows: Vec<Score> = lines.iter().map(|line| table.score(line).unwrap().unwrap()).collect();
    assert_eq!(rows[0].sampler, "digits", "what costs nothing comes first");
    close(rows[0].distance, 0.0, 1e-9);
    // what is measured of each image when it is drawn is kept beside its features
    let measured = table.measured(lines[0]).unwrap().unwrap();
    assert_eq!(measured, brightness(&Digits.draw(0, 256, &mut |_| {})));
    assert!(table.measured(lines[1]).unwrap().is_none());
    for (i, row) in rows.iter().enumerate() {
        for (j, line) in lines.iter().enumerate() {
            assert_eq!(table.made(row, line), i == j, "row {i} and line {j}");
        }
    }
    let by = |sampler: &str, condition: &str| {
        let fits = |row: &&Score| row.sampler == sampler && row.condition == condition;
        rows.iter().find(fits).unwrap().distance
    };
    assert_ne!(by("Heun", "class 1"), by("Heun", "classes in turn"));
}

#[test]
fn the_floor_is_that_of_a_random_subset() {
    // Two kinds of real images, one after the other: the first half is not like the whole.
    let dark = normal(&[300, 1, 28, 28], 1) * 0.05 - 0.8;
    let light = normal(&[300, 1, 28, 28], 2) * 0.05 + 0.8;
    let images = to_u8(&Tensor::cat(&[dark, light], 0));
    let labels = Tensor::zeros([600], (Kind::Int64, Device::Cpu));
    let test = Dataset::new("two kinds", images, labels, vec!["any".into()]);
    let net = Quarters::of(&test.images);
    let first = Moments::of(4, &test.images.narrow(0, 0, 300), quarters);
    let cleaner = from_noise::metrics::frechet_distance(&first, net.reference());
    let [a, b] = [0, 1].map(|seed| net.distance_of_real(&test, 300, seed));
    assert!(a < cleaner / 20.0 && b < cleaner / 20.0, "{a} {b}, the first half {cleaner}");
    assert!(a != b && a == net.distance_of_real(&test, 300, 0), "by the seed alone");
    close(net.distance_of_real(&test, 600, 7), 0.0, 1e-9);
}
