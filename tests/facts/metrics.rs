//! Inception Score, precision and recall, KID and nearest neighbours where the answer is known.

use crate::support::{F64, close, normal};
use from_noise::metrics::{
    KidConfig, MeanStd, inception_score, kid, memorization, nearest_neighbors, precision_recall,
    squared_mmd,
};
use tch::{Device, Kind, Tensor};

fn column(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).view([-1, 1])
}

fn numbers(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.flatten(0, -1)).unwrap()
}

#[test]
fn e3_an_inception_score_goes_from_one_to_the_number_of_classes() {
    let sure = Tensor::eye(10, F64).repeat([6, 1]); // 0, 1, ..., 9, 0, 1, ...
    for splits in [1, 2, 6] {
        let MeanStd { mean, std } = inception_score(&sure, splits);
        close(mean, 10.0, 1e-12);
        close(std, 0.0, 1e-12);
    }
    let blind = Tensor::full([50, 10], 0.1, F64);
    close(inception_score(&blind, 5).mean, 1.0, 1e-12);
    let one_class = Tensor::eye(10, F64).narrow(0, 3, 1).repeat([50, 1]);
    close(inception_score(&one_class, 1).mean, 1.0, 1e-12);
    // two sure samples of class 0, one of class 1: exp of the entropy of (2/3, 1/3)
    let three = Tensor::eye(2, F64).index_select(0, &Tensor::from_slice(&[0i64, 0, 1]));
    let entropy = 2.0 / 3.0 * 1.5f64.ln() + 3f64.ln() / 3.0;
    close(inception_score(&three, 1).mean, entropy.exp(), 1e-12);
    // splits of four: (0, 0, 1, 1) has 2 classes, (1, 1, 1, 1) has 1
    let eight = Tensor::from_slice(&[0i64, 0, 1, 1, 1, 1, 1, 1]);
    let found = inception_score(&Tensor::eye(2, F64).index_select(0, &eight), 2);
    close(found.mean, 1.5, 1e-12);
    close(found.std, 0.5, 1e-12);
}

#[test]
fn e4_equal_sets_have_all_and_distant_ones_nothing_in_common() {
    let x = normal(&[300, 8], 1);
    let same = precision_recall(&x, &x, 3);
    assert_eq!((same.precision, same.recall), (1.0, 1.0));
    let apart = precision_recall(&(&x + 100.0), &x, 3);
    assert_eq!((apart.precision, apart.recall), (0.0, 0.0));
    // all samples one picture: it is real, and it is all that there is
    let one = x.narrow(0, 7, 1).repeat([50, 1]);
    let collapsed = precision_recall(&one, &x, 3);
    assert_eq!((collapsed.precision, collapsed.recall), (1.0, 1.0 / 300.0));
}

#[test]
fn e4_a_dropped_mode_costs_recall_and_an_invented_one_precision() {
    let far = Tensor::from_slice(&[50.0, 0.0]);
    let half = normal(&[400, 2], 2);
    let both = Tensor::cat(&[normal(&[200, 2], 3), normal(&[200, 2], 4) + &far], 0);
    let dropped = precision_recall(&half, &both, 3);
    assert!(dropped.precision > 0.9, "{dropped:?}");
    assert!((0.4..=0.5).contains(&dropped.recall), "{dropped:?}");
    let invented = precision_recall(&both, &half, 3);
    assert_eq!((invented.precision, invented.recall), (dropped.recall, dropped.precision));
}

/// Real images at 0, 1, 3; with k = 1 their balls are [-1, 1], [0, 2] and [1, 5]. Samples at 2, 4,
/// 5.5, 20; theirs are [0, 4], [2.5, 5.5], [4, 7] and [5.5, 34.5].
#[test]
fn e4_balls_are_as_wide_as_the_kth_neighbour_is_far() {
    let (samples, real) = (column(&[2.0, 4.0, 5.5, 20.0]), column(&[0.0, 1.0, 3.0]));
    let found = precision_recall(&samples, &real, 1);
    assert_eq!((found.precision, found.recall), (0.5, 1.0));
    // k = 2: [-3, 3], [-1, 3], [0, 6] hold three; [-1.5, 5.5] of the sample at 2 holds all
    let found = precision_recall(&samples, &real, 2);
    assert_eq!((found.precision, found.recall), (0.75, 1.0));
}

/// More rows than a block holds: against all pairs at once.
#[test]
fn e4_blocks_give_what_all_pairs_give() {
    let (a, b) = (normal(&[1300, 5], 5), normal(&[2100, 5], 6) * 1.2);
    let k = 3;
    let pairs = |x: &Tensor, y: &Tensor| (x.unsqueeze(1) - y.unsqueeze(0)).square();
    let pairs = |x: &Tensor, y: &Tensor| pairs(x, y).sum_dim_intlist(-1, false, None::<Kind>);
    let share = |x: &Tensor, of: &Tensor| {
        let (radii, _) = pairs(of, of).kthvalue(k + 1, 1, false);
        let inside = pairs(x, of).le_tensor(&radii).any_dim(1, false);
        inside.sum(Kind::Int64).int64_value(&[]) as f64 / x.size()[0] as f64
    };
    let found = precision_recall(&a, &b, k as usize);
    assert_eq!((found.precision, found.recall), (share(&a, &b), share(&b, &a)));
    assert!(found.recall < 1.0 && found.precision < 1.0, "{found:?} tells nothing");

    let found = nearest_neighbors(&a, &b, 4);
    let (squared, indices) = pairs(&a, &b).topk(4, 1, false, true);
    assert_eq!(found.indices, indices);
    let gap = (found.distances - squared.sqrt()).abs().max().double_value(&[]);
    assert!(gap < 1e-12, "{gap:e}");
}

/// x = (0, 1), y = (1, 2, 3) in one dimension, where k(x, y) = (x y + 1)^3: within x the pair has
/// 1, within y 27, 64 and 343, across 1, 1, 1, 8, 27 and 64.
#[test]
fn e8_kid_of_five_numbers_is_that_of_the_hand() {
    let (x, y) = (column(&[0.0, 1.0]), column(&[1.0, 2.0, 3.0]));
    let expected = 1.0 + (27.0 + 64.0 + 343.0) / 3.0 - 2.0 * 102.0 / 6.0;
    close(squared_mmd(&x, &y), expected, 1e-12);
    close(squared_mmd(&y, &x), expected, 1e-12);
    // in two dimensions the inner product is halved
    let twice = |x: &Tensor| x.repeat([1, 2]);
    close(squared_mmd(&twice(&x), &twice(&y)), expected, 1e-12);
}

/// In one dimension `E (x y + 1)^3 = 1 + 3 m m' + 3 s s' + c c'`, with first, second and third
/// moments m, s and c: KID is three times the squared gaps of the first two and that of the third.
#[test]
fn e8_kid_is_zero_on_average_for_one_distribution_and_the_closed_form_for_two() {
    let draw = |seed: u64, n: i64| normal(&[n, 1], seed);
    let trials = 400;
    let found: Vec<f64> =
        (0..trials).map(|i| squared_mmd(&draw(2 * i, 50), &draw(2 * i + 1, 30))).collect();
    let MeanStd { mean, std } = MeanStd::of(&found);
    let error = std / (trials as f64).sqrt();
    assert!(mean.abs() < 4.0 * error, "{mean} +- {error}");
    let negative = found.iter().filter(|kid| **kid < 0.0).count();
    assert!(negative > 100, "{negative} of {trials} are negative");

    // m = 0.5: moments (0, 1, 0) and (0.5, 1.25, 1.625)
    let expected = 3.0 * 0.25 + 3.0 * 0.0625 + 1.625f64.powi(2);
    let far: Vec<f64> =
        (0..trials).map(|i| squared_mmd(&draw(i, 50), &(draw(i + 999, 30) + 0.5))).collect();
    let MeanStd { mean, std } = MeanStd::of(&far);
    let error = std / (trials as f64).sqrt();
    assert!((mean - expected).abs() < 4.0 * error, "{mean} +- {error}, not {expected}");
}

#[test]
fn e8_kid_of_subsets_is_seeded_and_that_of_the_whole_if_they_are() {
    let (a, b) = (normal(&[60, 4], 1), normal(&[80, 4], 2) + 0.3);
    let config = KidConfig { subsets: 200, size: 20, seed: 1 };
    let found = kid(&a, &b, config);
    assert_eq!(found, kid(&a, &b, config));
    assert_ne!(found, kid(&a, &b, KidConfig { seed: 2, ..config }));
    let whole = squared_mmd(&a, &b);
    let error = found.std / (config.subsets as f64).sqrt();
    assert!(error > 0.0 && (found.mean - whole).abs() < 4.0 * error, "{found}, not {whole}");
    let all = kid(&a, &b.narrow(0, 0, 60), KidConfig { subsets: 3, size: 60, seed: 0 });
    close(all.mean, squared_mmd(&a, &b.narrow(0, 0, 60)), 1e-12);
    close(all.std, 0.0, 1e-12);
}

#[test]
fn e8_copies_of_training_images_are_found_at_distance_zero() {
    let train = (normal(&[1200, 1, 6, 6], 3) * 40.0 + 128.0).clamp(0.0, 255.0).to_kind(Kind::Uint8);
    let held_out =
        (normal(&[50, 1, 6, 6], 4) * 40.0 + 128.0).clamp(0.0, 255.0).to_kind(Kind::Uint8);
    let chosen = Tensor::from_slice(&[1100i64, 3, 700]);
    let copies = memorization(&train.index_select(0, &chosen), &held_out, &train);
    assert_eq!(numbers(&copies.samples.distances), [0.0; 3]);
    assert_eq!(copies.samples.indices.flatten(0, -1), chosen);
    assert!(copies.held_out.distances.min().double_value(&[]) > 0.0);
    assert_eq!(copies.farther_than_held_out(), 0.0);
    assert_eq!(memorization(&held_out, &held_out, &train).farther_than_held_out(), 0.5);
    // copies are copies also where a feature is not a whole number
    let features = normal(&[1200, 64], 5) + 30.0;
    let found = nearest_neighbors(&features.narrow(0, 1000, 100), &features, 1);
    assert_eq!(found.distances, Tensor::zeros([100, 1], F64));
    assert_eq!(
        found.indices.flatten(0, -1),
        Tensor::arange_start(1000, 1100, (Kind::Int64, Device::Cpu))
    );
}

/// Training images at 0 and 10. Held-out ones at 1, 12 and 6 are 1, 2 and 4 away; samples at 10, 2,
/// -3 and 30 are 0, 2, 3 and 20 away: farther than 0, 1.5, 2 and 3 of the three.
#[test]
fn e8_ties_count_half_among_distances_to_the_training_images() {
    let train = column(&[0.0, 10.0]);
    let samples = column(&[10.0, 2.0, -3.0, 30.0]);
    let found = memorization(&samples, &column(&[1.0, 12.0, 6.0]), &train);
    assert_eq!(numbers(&found.held_out.distances), [1.0, 2.0, 4.0]);
    assert_eq!(numbers(&found.samples.distances), [0.0, 2.0, 3.0, 20.0]);
    assert_eq!(Vec::<i64>::try_from(found.samples.indices.flatten(0, -1)).unwrap(), [1, 0, 0, 1]);
    assert_eq!(found.farther_than_held_out(), (0.0 + 1.5 + 2.0 + 3.0) / 12.0);
}
