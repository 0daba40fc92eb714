//! C9, C11, C12: inversion, interpolation, and tables that are filled in parts.

use crate::support::{F64, close, max_diff, normal, relative, two_modes};
use from_noise::checkpoint::{load_tensors, save_tensors};
use from_noise::data::{Dataset, sample, to_u8};
use from_noise::denoiser::Gaussian;
use from_noise::evaluate::{
    ImageSampler, Quality, Sampler, Sampling, Score, ScoreTable, Shard, Sweep, SweepGrid,
    TableEntry, score,
};
use from_noise::forward::Variance;
use from_noise::guide::Snapshot;
use from_noise::metrics::{
    FeatureExtractor, FeatureNet, GROUPS, Groups, InceptionNet, Moments, frechet_distance,
};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{ddim, ddim_invert, slerp};
use from_noise::schedule::{Path, Schedule};
use std::cell::Cell;
use tch::{Device, Kind, Tensor};

fn norm(x: &Tensor) -> f64 {
    x.square().sum(Kind::Double).sqrt().double_value(&[])
}

#[test]
fn c11_slerp_ends_at_its_ends_and_keeps_the_length() {
    let (a, b) = (normal(&[3, 2, 5], 1), normal(&[3, 2, 5], 2));
    assert!(max_diff(&slerp(&a, &b, 0.0), &a) < 1e-14);
    assert!(max_diff(&slerp(&a, &b, 1.0), &b) < 1e-14);
    let (a, b) = (&a.get(0) / norm(&a.get(0)), &b.get(0) / norm(&b.get(0)));
    let between = |share| slerp(&a.unsqueeze(0), &b.unsqueeze(0), share);
    for share in [0.1, 0.5, 0.8] {
        relative(norm(&between(share)), 1.0, 1e-12);
    }
    // equal shares are equal angles
    let angle = |x: &Tensor, y: &Tensor| (x * y).sum(Kind::Double).double_value(&[]).acos();
    let whole = angle(&a, &b);
    close(angle(&a, &between(0.25).get(0)), 0.25 * whole, 1e-9);
    // the angle is that of the directions, whatever the lengths: 60 degrees
    let (short, long) =
        (Tensor::from_slice2(&[[1.0, 0.0]]), Tensor::from_slice2(&[[1.5, 2.598076211353316]]));
    let halfway = (&short + &long) / 3f64.sqrt(); // sin 30 / sin 60 of each
    assert!(max_diff(&slerp(&short, &long, 0.5), &halfway) < 1e-12);
    // parallel latents, where the formula is 0 / 0
    let twice: Tensor = 2.0 * &a;
    let same = slerp(&a.unsqueeze(0), &twice.unsqueeze(0), 0.5);
    assert!(max_diff(&same.get(0), &(1.5 * &a)) < 1e-9);
}

#[test]
fn c11_halfway_between_two_latents_the_straight_line_is_too_short() {
    let (a, b) = (normal(&[1, 4000], 3), normal(&[1, 4000], 4));
    let line: Tensor = (&a + &b) / 2.0;
    close(norm(&line) / norm(&a), 0.5f64.sqrt(), 0.05);
    close(norm(&slerp(&a, &b, 0.5)) / norm(&a), 1.0, 0.05);
}

/// Up and down again, from `n` data points: the root mean square of what is lost.
fn round_trip(steps: usize) -> (f64, f64) {
    let path = Schedule::linear(1000, 1e-4, 0.02).path(Path::Uniform, steps);
    let n = 4000;
    let (pick, z) = (Tensor::linspace(0.0, 1.0, n, F64).view([n, 1]), normal(&[n, 1], 21));
    let (left, right): (Tensor, Tensor) = (0.15 * &z - 1.0, 0.25 * z + 0.6);
    let x0 = left.where_self(&pick.lt(0.3), &right);
    let latents = ddim_invert(&two_modes(), &path, x0.shallow_clone());
    let back = ddim(&two_modes(), &path, latents.shallow_clone(), 0.0, &mut |_| panic!());
    let rms = (back - x0).square().mean(Kind::Double).sqrt().double_value(&[]);
    (rms, latents.std(true).double_value(&[]))
}

#[test]
fn c12_reconstruction_improves_with_the_number_of_steps() {
    let trips = [10, 20, 50, 100, 200, 500, 1000].map(round_trip);
    let lost = trips.map(|(rms, _)| rms);
    assert!(lost.windows(2).all(|w| w[1] < w[0]), "{lost:?}");
    assert!(lost[0] > 0.1 && lost[6] < 0.01, "{lost:?}");
    // the latents become those of the model: standard normal but for the short way that is left
    assert!((trips[6].1 - 1.0).abs() < 0.03, "std {}", trips[6].1);
}

#[test]
fn c12_inverting_a_gaussian_errs_by_one_over_the_steps() {
    let data = Gaussian { mean: 0.5, std: 0.3 };
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let lost = |steps: usize| {
        let top = schedule.level(1000).log_snr();
        let bottom = schedule.level(1).log_snr();
        let timestep = |i: usize| top + (bottom - top) * i as f64 / steps as f64;
        let path: Vec<_> = (0..=steps).map(|i| schedule.at_log_snr(timestep(i))).collect();
        let x0: Tensor = 0.3 * normal(&[50, 1], 5) + 0.5;
        let up = ddim_invert(&data, &path, x0.shallow_clone());
        max_diff(&ddim(&data, &path, up, 0.0, &mut |_| panic!()), &x0)
    };
    let lost = [100, 200, 400].map(lost);
    for pair in lost.windows(2) {
        close((pair[0] / pair[1]).log2(), 1.0, 0.15);
    }
}

#[test]
fn e1_the_jackknife_knows_the_error_of_a_mean() {
    let features = normal(&[600, 2], 9);
    let mut groups = Groups::new(2);
    // however the stream is cut
    for part in [features.narrow(0, 0, 7), features.narrow(0, 7, 300), features.narrow(0, 307, 293)]
    {
        groups.add(&part);
    }
    let mut all = Moments::new(2);
    all.add(&features);
    assert!(max_diff(&groups.total().covariance(), &all.covariance()) < 1e-13);
    // of a mean over equal groups it is the standard deviation of the groups' means over sqrt G
    let first = |moments: &Moments| moments.mean().double_value(&[0]);
    // each round of G samples reaches every group once, and begins one group later
    let rounds = features.select(1, 0).view([30, GROUPS as i64]).unbind(0);
    let dealt: Vec<Tensor> =
        rounds.iter().enumerate().map(|(i, round)| round.roll([i as i64], [0i64; 0])).collect();
    let means = Tensor::stack(&dealt, 0).mean_dim(0, false, Kind::Double);
    let expected = means.std(true).double_value(&[]) / (GROUPS as f64).sqrt();
    relative(groups.standard_error(first).unwrap(), expected, 1e-10);
    let mut few = Groups::new(2);
    few.add(&features.narrow(0, 0, 39));
    assert_eq!(few.standard_error(first), None);
}

/// The jackknife's error over the scatter of 60 distances; `samples` draws 400 features by a seed.
fn told_over_scatter(samples: impl Fn(u64) -> Tensor) -> f64 {
    let mut reference = Moments::new(4);
    reference.add(&normal(&[4000, 4], 1000));
    let distance = |moments: &Moments| frechet_distance(moments, &reference);
    let runs = (0..60).map(|seed| {
        let mut groups = Groups::new(4);
        groups.add(&samples(seed));
        (distance(&groups.total()), groups.standard_error(distance).unwrap())
    });
    let runs: Vec<(f64, f64)> = runs.collect();
    let n = runs.len() as f64;
    let mean = runs.iter().map(|run| run.0).sum::<f64>() / n;
    let scatter = (runs.iter().map(|run| (run.0 - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let told = runs.iter().map(|run| run.1).sum::<f64>() / n;
    told / scatter
}

#[test]
fn e1_the_jackknife_knows_how_far_distances_scatter() {
    // the scatter itself is known to a tenth
    close(told_over_scatter(|seed| normal(&[400, 4], seed) * 1.2 + 0.3), 1.0, 0.3);
}

#[test]
fn e1_the_jackknife_knows_the_error_of_classes_drawn_in_turn() {
    // ten classes as far apart as digits are: no group may be without some of them
    let class = Tensor::arange(400, (Kind::Double, Device::Cpu)).remainder(10).unsqueeze(1);
    close(told_over_scatter(|seed| normal(&[400, 4], seed) + 5.0 * &class), 1.0, 0.3);
}

/// Five lines of a table that costs seconds.
fn small_sweep() -> Sweep {
    let line = |samplers: &[Sampler], steps: &[usize], n| SweepGrid {
        samplers: samplers.to_vec(),
        paths: vec![Path::Trailing],
        steps: steps.to_vec(),
        evaluations: Vec::new(),
        n,
    };
    let large = Sampler::Ddpm(Variance::Large);
    let grid = vec![line(&[Sampler::Ddim(0.0), large], &[1, 2], 550), line(&[large], &[1], 1050)];
    Sweep { seed: 4, grid }
}

/// What fills the table.
struct Table {
    trained: Pretrained,
    net: FeatureNet,
    test: Dataset,
}

impl Table {
    fn new() -> Self {
        Self {
            trained: Pretrained::load("weights/mnist-ddpm", Device::Cpu).unwrap(),
            net: FeatureNet::load("weights/mnist-classifier", Device::Cpu).unwrap(),
            test: sample::dataset(),
        }
    }

    fn table(&self, dir: &std::path::Path) -> ScoreTable<'_> {
        let lines = small_sweep().lines(|sampling| ImageSampler::new(&self.trained, sampling));
        ScoreTable::new(lines.unwrap(), &self.net, &self.test, dir).unwrap()
    }
}

/// All lines in `dir`, drawn by `shards` processes one after the other; and how many evaluations
/// that took.
fn filled(dir: &std::path::Path, shards: usize) -> (Vec<Score>, usize) {
    let parts = Table::new();
    let table = parts.table(dir);
    let lines: Vec<&TableEntry> = table.lines().iter().collect();
    let looked = Cell::new(0);
    let look = |_: &Snapshot| looked.set(looked.get() + 1);
    for index in 1..=shards {
        assert!(table.score(lines[4]).unwrap().is_none(), "not before all parts are there");
        let shard = Shard { index, count: shards };
        let (left, _) = table.cost(&lines, shard);
        let before = looked.get();
        table.draw(&lines, shard, look, || false).unwrap();
        assert_eq!(left, (looked.get() - before) as u64, "the estimate is what was drawn");
    }
    let scores = lines.iter().map(|line| table.score(line).unwrap().unwrap()).collect();
    (scores, looked.get())
}

#[test]
fn c9_a_table_is_the_same_however_it_was_shared_out_and_resumed() {
    let [one, three] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (alone, evaluations) = filled(one.path(), 1);
    // each of four lines has parts of 500 and 50 images; the fifth shares the first of one of them
    assert_eq!(evaluations, 2 * (2 + 4) + 2);
    let (shared, again) = filled(three.path(), 3);
    assert_eq!((alone.clone(), evaluations), (shared, again));
    assert!(alone.iter().all(|score| score.error.unwrap() > 0.0 && score.distance > 0.0));
    let parts = Table::new();
    let table = parts.table(one.path());
    let lines: Vec<&TableEntry> = table.lines().iter().collect();
    assert_eq!(lines.len(), 5);
    let cost = |line: &TableEntry| line.recipe.nfe as u64 * line.n;
    assert!(lines.windows(2).all(|w| cost(w[0]) <= cost(w[1])), "cheap lines first");
    // the parts of a line are one stream of images
    let TableEntry { generator, n, .. } = lines[0];
    let fid_real = alone[0].fid_real;
    assert_eq!(alone[0], score(&**generator, &parts.net, *n, fid_real, |_, _| {}, |_| {}));
    // quality and variety are those of the same images
    let mut features = Vec::new();
    let keep = |pixels: &Tensor, _: Option<&Tensor>| features.push(parts.net.features(pixels));
    score(&**generator, &parts.net, *n, fid_real, keep, |_| {});
    let quality = Quality::of(&parts.net, &Tensor::cat(&features, 0), &parts.test);
    assert_eq!(table.quality(lines[0]).unwrap(), Some(quality));
    // after two steps all images look alike
    assert!(quality.inception_score.unwrap() < 2.0 && quality.recall < 0.1, "{quality:?}");
    // beside it stands what as many real images score
    let [few, all] = [100, *n].map(|n| parts.net.distance_of_real(&parts.test, n, 0));
    assert!(fid_real == all && few > all, "{fid_real} {few} {all}");
    // a lost part is drawn again, and nothing else
    let parts = walk(one.path());
    assert_eq!(parts.len(), 10);
    std::fs::remove_file(&parts[3]).unwrap();
    // what a line takes is judged by the parts that are there: here the first 500 images of 550
    let took = load_tensors(&parts[2]).unwrap()["seconds"].double_value(&[]);
    let two_steps =
        |line: &&TableEntry| line.recipe.sampler == "DDIM eta 0" && line.recipe.steps == 2;
    let line = lines.into_iter().find(two_steps).unwrap();
    relative(table.seconds(line).unwrap().unwrap(), took / 500.0 * 550.0, 1e-12);
    let (resumed, few) = filled_again(one.path());
    assert_eq!(resumed, alone);
    assert!((1..=2).contains(&few), "{few} evaluations for one part");
    // a damaged one is named, and one whose features are no rows
    let refused = || {
        let said = std::panic::catch_unwind(|| filled_again(one.path())).unwrap_err();
        said.downcast_ref::<String>().unwrap().clone()
    };
    let whole = std::fs::read(&parts[5]).unwrap();
    std::fs::write(&parts[5], b"no tensors").unwrap();
    let said = refused();
    assert!(said.contains("safetensors") && said.contains("damaged"), "{said}");
    std::fs::write(&parts[5], whole).unwrap();
    let n = load_tensors(&parts[5]).unwrap()["features"].size()[0];
    let flat = Tensor::zeros([n], (Kind::Float, Device::Cpu));
    save_tensors([("features", flat)], &parts[5]).unwrap();
    let said = refused();
    assert!(said.contains("no features of") && said.contains("damaged"), "{said}");
}

#[test]
fn a_line_keeps_its_images_where_that_is_asked_for() {
    let (scratch, parts) = (tempfile::tempdir().unwrap(), Table::new());
    let [kept, not] = [2, 3].map(|steps| {
        let (sampler, path) = (Sampler::Ddim(0.0), Path::Trailing);
        let sampling = Sampling { sampler, path, steps, seed: 1 };
        TableEntry::new(ImageSampler::new(&parts.trained, sampling).unwrap(), 4)
    });
    let lines = vec![kept.keeping_images(), not];
    let table = ScoreTable::new(lines, &parts.net, &parts.test, scratch.path()).unwrap();
    let [kept, not] = table.lines() else { panic!("two lines") };
    assert!(table.measured(kept).unwrap().is_none(), "not before they are drawn");
    table.draw(&[kept, not], Shard::WHOLE, |_| {}, || false).unwrap();
    let drawn = to_u8(&kept.generator.draw(0, 4, &mut |_| {}));
    assert_eq!(table.measured(kept).unwrap().unwrap(), drawn);
    assert!(table.measured(not).unwrap().is_none(), "nobody asked for them");
}

/// As [`filled`] by one process, where some parts exist.
fn filled_again(dir: &std::path::Path) -> (Vec<Score>, usize) {
    let parts = Table::new();
    let table = parts.table(dir);
    let lines: Vec<&TableEntry> = table.lines().iter().collect();
    let looked = Cell::new(0);
    let look = |_: &Snapshot| looked.set(looked.get() + 1);
    table.draw(&lines, Shard::WHOLE, look, || false).unwrap();
    let scored = |line: &&TableEntry| match table.score(line) {
        Ok(score) => score.unwrap(),
        Err(error) => panic!("{error}"),
    };
    (lines.iter().map(scored).collect(), looked.get())
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn shards_are_read_as_typed_and_cover_the_work_once() {
    assert_eq!("2/8".parse(), Ok(Shard { index: 2, count: 8 }));
    for wrong in ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/2"] {
        let said = wrong.parse::<Shard>().unwrap_err();
        assert!(said.contains("1/8"), "{wrong}: {said}");
    }
}

#[test]
fn a_distance_is_called_fid_by_the_published_inception_alone() {
    let head =
        "sampler,path,steps,nfe,n,METRIC,error,fid_real,feature_net,seed,weights,class_entropy";
    let read = |columns: &str, value: &str, net: &str| {
        let head = head.replace("METRIC", columns);
        let text = format!("{head}\nDDIM eta 0,uniform,10,10,500,{value},,2.5,{net},0,ema,0\n");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.deserialize::<Score>().next().unwrap().unwrap()
    };
    let published = InceptionNet::PUBLISHED;
    for (score, name) in [
        (read("metric,distance", "FID,4", published), "FID"),
        (read("metric,distance", "FD-Inception,4", "0123"), "FD-Inception"),
        (read("metric,distance", "FID-LeNet,4", "0123"), "FID-LeNet"),
        (read("fid_lenet", "4", "0123"), "FID-LeNet"),
        (read("fid_lenet", "4", published), "FID"),
    ] {
        assert_eq!((score.metric(), score.distance), (name, 4.0));
        assert!(score.to_string().starts_with(&format!("{name} 4.00 (n = 500")), "{score}");
    }
}
