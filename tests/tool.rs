//! `from-noise` as it is typed: every example of its help, what it writes read back by other code,
//! and what it refuses.

mod desk;

use desk::{Desk, save_pictures, text};
use from_noise::checkpoint::{load_tensors, read_config, save_weights};
use from_noise::data::captions::{Facts, Part, Scene, Tokenizer};
use from_noise::data::{Color, Format, Interpolation, Source, sample, to_u8};
use from_noise::denoiser::{Head, Parameterization};
use from_noise::evaluate::{
    CHUNK, Generator, ImageSampler, Sampler, Sampling, ScoreTable, Shard, Sweep,
};
use from_noise::metrics::{
    ClassifierConfig, FeatureExtractor, FeatureNet, KidConfig, Moments, frechet_distance, kid,
    precision_recall,
};
use from_noise::nn::unet::{TokenAttention, TokenForm};
use from_noise::nn::{TextConfig, UnetConfig};
use from_noise::noise::Seeded;
use from_noise::pretrained::{
    ClipConfig, ImageCondition, ImageConfig, LowRes, NoisedClassifierConfig, Pretrained,
};
use from_noise::schedule::Path as Levels;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// Smaller than the network that the chapters draw with, and so faster.
const RUN: &str = "weights/mnist-ddpm";

/// The array `name` of a `.npz`, read by libtorch's own bindings.
fn array(path: &Path, name: &str) -> Tensor {
    let found = Tensor::read_npz(path).unwrap();
    let found = found.into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no {name} in {}", path.display())).1
}

fn trained() -> Pretrained {
    Pretrained::load(RUN, Device::Cpu).unwrap()
}

/// 256 real digits, `[256, 1, 28, 28]`, u8: just as many as a covariance of 128 features wants.
fn digits() -> Tensor {
    sample::dataset().images
}

fn save_npz(path: &Path, arrays: &[(&str, Tensor)]) {
    Tensor::write_npz(arrays, path).unwrap();
}

/// The images `first..first + n` of a sampling.
fn draw(trained: &Pretrained, sampling: Sampling, first: u64, n: u64) -> Tensor {
    ImageSampler::new(trained, sampling).unwrap().draw(first, n, &mut |_| {})
}

/// The number that a score's line begins with.
fn distance(said: &str) -> f64 {
    let word = said.trim_start_matches("FID-LeNet").trim_start_matches("Frechet distance");
    word.split_whitespace().next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

/// The weights that come with the crate, in a run directory whose data are a folder of pictures.
fn own_run(desk: &Desk) {
    let images = digits();
    save_pictures(&images.narrow(0, 0, 40), &desk.path("pets/test/all"));
    let run = desk.path("my-run");
    fs::create_dir_all(&run).unwrap();
    let config = fs::read_to_string(Path::new(RUN).join("config.json")).unwrap();
    fs::write(run.join("config.json"), config.replace("\"mnist\"", "\"./pets\"")).unwrap();
    fs::copy(Path::new(RUN).join("ema.safetensors"), run.join("ema.safetensors")).unwrap();
}

/// The help's example of a table, made small and of one's own data.
fn small_table(desk: &Desk) -> String {
    own_run(desk);
    let help = desk.succeeds("table --help");
    let (_, example) = help.split_once("with sweep.toml:").unwrap();
    let (example, _) = example.split_once("Usage:").unwrap();
    let small = [
        ("weights/mnist-unet-v", "my-run"),
        ("[\"trailing\", \"log-snr\"]", "[\"trailing\"]"),
        ("steps = [10, 20]", "steps = [1, 2]"),
        ("[19, 39]", "[3]"),
        ("n = 2000 ", "n = 39 "),
        ("n = 2000\n", "n = 40\n"),
    ];
    small.iter().fold(example.to_owned(), |text, (long, short)| {
        assert!(text.contains(long), "{long:?} is not in the help's example");
        text.replace(long, short)
    })
}

#[test]
fn every_example_of_the_help_works_as_it_stands() {
    let desk = Desk::new();
    let images = digits();
    save_pictures(&images, &desk.path("pictures"));
    save_npz(&desk.path("few.npz"), &[("arr_0", images.narrow(0, 0, 5).squeeze_dim(1))]);
    let scene = Scene::draw(0, 0, Part::Test).render(32);
    save_npz(&desk.path("drawn.npz"), &[("arr_0", scene.unsqueeze(0))]);
    let noise = Seeded::new(3, 0).start(&[2, 1, 28, 28]);
    noise.write_npy(desk.path("x_T.npy")).unwrap();
    let lower = |_, y| image::Luma([if y < 14 { 0 } else { 255u8 }]);
    for name in ["digit.png", "mask.png"] {
        image::GrayImage::from_fn(28, 28, lower).save(desk.path(name)).unwrap();
    }
    let numbers = |n| Tensor::arange(n, (Kind::Double, Device::Cpu));
    for name in ["ours.npz", "theirs.npz"] {
        save_npz(&desk.path(name), &[("mu", numbers(3)), ("sigma", numbers(3).diag(0))]);
    }
    let table = small_table(&desk);
    fs::write(desk.path("sweep.toml"), table).unwrap();
    let mut examples = 0;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (config, golden) = ("examples/openai-cifar10", repository.join("tests/golden/diffusers"));
    fs::create_dir_all(desk.path(config)).unwrap();
    let config = Path::new(config).join("config.json");
    fs::copy(repository.join(&config), desk.path(config.to_str().unwrap())).unwrap();
    for folder in ["downloads/ddpm-cifar10-32", "my-pipeline/unet", "my-pipeline/scheduler"] {
        fs::create_dir_all(desk.path(folder)).unwrap();
        let theirs = match folder.split_once('/').unwrap() {
            ("downloads", _) => golden.join("old"),
            (_, part) => golden.join("pipeline").join(part),
        };
        for file in fs::read_dir(theirs).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), desk.path(folder).join(file.file_name())).unwrap();
        }
    }
    for command in ["", "sample", "score", "table", "info", "import", "export"] {
        // `digits.npz` of the scores: 256 images; the samples' examples write over it.
        save_npz(&desk.path("digits.npz"), &[("arr_0", images.shallow_clone())]);
        let help = desk.succeeds(&format!("{command} --help"));
        let lines = help.lines().filter_map(|line| line.trim().strip_prefix("cargo from-noise "));
        let lines: Vec<&str> = lines.collect();
        assert!(!lines.is_empty(), "the help of {command:?} has no example");
        for line in lines {
            let few = line
                .replace("--samples 1000", "--samples 4")
                .replace("--samples 16", "--samples 4");
            // the model here is of 16 x 16
            let few = few.replace("import downloads", "import --data ./pets downloads");
            if few.contains("cifar10_uncond") {
                // the published file has 210 MB; another one is refused, tensor by tensor
                desk.refuses(
                    &few.replace(
                        "cifar10_uncond_50M_500K.pt",
                        "my-pipeline/unet/diffusion_pytorch_model.safetensors",
                    ),
                    &["wrong shape: conv_in.bias"],
                );
                continue;
            }
            let counted = line.contains(" --samples ") || line.contains(" --noise ");
            let short = if line.starts_with("sample") && !counted { " --n 4" } else { "" };
            desk.succeeds(&format!("{few}{short}"));
            examples += 1;
        }
    }
    assert!(examples >= 21, "{examples} examples");
    for name in ["samples.png", "digits.gif", "digits.npy", "pictures-stats.npz"] {
        assert!(desk.path(name).exists(), "{name}");
    }
    assert!(desk.path("runs/table/table.csv").exists());
}

#[test]
fn an_array_holds_the_pixels_of_the_same_sampling() {
    let desk = Desk::new();
    let said = desk.succeeds(&format!(
        "sample {RUN} --n 3 --steps 4 --seed 5 --sampler ddpm --variance large --path uniform \
         --out deep/er/a.npz --out a.npy --out a.png --out a.gif"
    ));
    assert!(said.contains("4 evaluations of the network an image"), "{said}");
    let variance = from_noise::forward::Variance::Large;
    let (sampler, path) = (Sampler::Ddpm(variance), Levels::Uniform);
    let sampling = Sampling { sampler, path, steps: 4, seed: 5 };
    let drawn = draw(&trained(), sampling, 0, 3);
    let expected = to_u8(&drawn).permute([0, 2, 3, 1]);
    let found = array(&desk.path("deep/er/a.npz"), "arr_0");
    assert_eq!((found.kind(), found.size()), (Kind::Uint8, vec![3, 28, 28, 1]));
    assert_eq!(found, expected);
    assert_eq!(Tensor::read_npy(desk.path("a.npy")).unwrap(), expected);
    let grid = image::open(desk.path("a.png")).unwrap();
    assert!(grid.width() >= 2 * 56 && grid.height() >= 2 * 56, "2 by 2, doubled");
    assert!(fs::read(desk.path("a.gif")).unwrap().starts_with(b"GIF89a"));

    let sidecar: Value = serde_json::from_str(&desk.read("deep/er/a.npz.json")).unwrap();
    assert_eq!((&sidecar["n"], &sidecar["seed"]), (&json!(3), &json!(5)));
    assert_eq!(sidecar["config"]["sampling"], serde_json::to_value(sampling).unwrap());
    assert_eq!(sidecar["config"]["weights"], json!(trained().weights()));
    let command = sidecar["command"].as_str().unwrap();
    assert!(command.starts_with("cargo from-noise sample weights/mnist-ddpm --n 3"), "{command}");
    let files = desk.files();
    assert_eq!(files.len(), 8, "four results, four sidecars: {files:?}");

    // The same arrays, the same bytes: nothing in the file tells the time.
    let bytes = fs::read(desk.path("deep/er/a.npz")).unwrap();
    let line = command.strip_prefix("cargo from-noise ").unwrap();
    desk.succeeds(line);
    assert_eq!(bytes, fs::read(desk.path("deep/er/a.npz")).unwrap());
}

#[test]
fn images_do_not_depend_on_how_many_are_drawn() {
    let desk = Desk::new();
    let n = CHUNK + 2;
    desk.succeeds(&format!("sample {RUN} --n {n} --steps 1 --out all.npz"));
    let (sampler, path) = (Sampler::Ddim(0.0), Levels::Trailing);
    let sampling = Sampling { sampler, path, steps: 1, seed: 0 };
    let tail = to_u8(&draw(&trained(), sampling, CHUNK, 2));
    let all = array(&desk.path("all.npz"), "arr_0");
    assert_eq!(all.size()[0], n as i64);
    assert_eq!(all.narrow(0, CHUNK as i64, 2), tail.permute([0, 2, 3, 1]));
}

#[test]
fn every_sampler_draws_and_its_evaluations_are_counted() {
    let desk = Desk::new();
    let churn = json!({"edm": {"amount": 5.0, "above": 0.05, "below": 10.0, "scale": 1.0}});
    let samplers = [
        ("ddim", json!({"ddim": 0.0})),
        ("ddpm", json!({"ddpm": "small"})),
        ("heun", json!("heun")),
        ("edm", churn),
        ("dpm-solver-2", json!("dpm-solver-2")),
        ("dpm-solver-3", json!("dpm-solver-3")),
        ("dpm-solver-2m", json!("dpm-solver-2m")),
        ("dpm-solver++2m", json!("dpm-solver++2m")),
        ("dpm-solver++2m-sde", json!("dpm-solver++2m-sde")),
        ("unipc", json!("unipc")),
    ];
    let trained = trained();
    for (name, sampler) in samplers {
        let said = desk.succeeds(&format!(
            "sample {RUN} --n 2 --steps 4 --sampler {name} --path log-snr --out {name}.npz"
        ));
        let sampler: Sampler = serde_json::from_value(sampler).unwrap();
        let evaluations = sampler.evaluations(4);
        assert!(said.contains(&format!("by {sampler} ")), "{name}: {said}");
        assert!(said.contains(&format!("{evaluations} evaluations of the network")), "{said}");
        let sampling = Sampling { sampler, path: Levels::LogSnr, steps: 4, seed: 0 };
        let expected = to_u8(&draw(&trained, sampling, 0, 2));
        let found = array(&desk.path(&format!("{name}.npz")), "arr_0");
        assert_eq!(found, expected.permute([0, 2, 3, 1]), "{name}");
    }
}

#[test]
fn the_seeded_start_given_as_noise_gives_the_seeded_images() {
    let desk = Desk::new();
    let start = Seeded::new(9, 0).start(&[4, 1, 28, 28]);
    start.write_npy(desk.path("x_T.npy")).unwrap();
    start.to_kind(Kind::Double).write_npy(desk.path("doubles.npy")).unwrap();
    for flags in ["--sampler ddim --eta 1", "--sampler edm --no-clip"] {
        let line = format!("sample {RUN} --steps 3 --seed 9 --path log-snr {flags}");
        desk.succeeds(&format!("{line} --n 4 --out seeded.npz"));
        desk.succeeds(&format!("{line} --noise x_T.npy --out given.npz"));
        desk.succeeds(&format!("{line} --noise doubles.npy --n 2 --out two.npz"));
        let read = |name: &str| array(&desk.path(name), "arr_0");
        assert_eq!(read("given.npz"), read("seeded.npz"), "{flags}");
        // Kernels may round otherwise for another batch size: by a step of the 256 at most.
        let [two, four] = ["two.npz", "seeded.npz"].map(|name| read(name).to_kind(Kind::Int));
        let apart = (two - four.narrow(0, 0, 2)).abs().max().int64_value(&[]);
        assert!(apart <= 1, "{flags}: apart by {apart}");
    }
    let other = "--steps 3 --path log-snr --out other.npz";
    desk.succeeds(&format!("sample {RUN} --noise x_T.npy --no-clip {other}"));
    desk.succeeds(&format!("sample {RUN} --seed 9 --n 4 --steps 3 --path log-snr --out clip.npz"));
    let read = |name: &str| array(&desk.path(name), "arr_0");
    assert_ne!(read("other.npz"), read("clip.npz"), "--no-clip changes the images");
}

#[test]
fn what_cannot_be_sampled_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    let refused =
        |flags: &str, words: &[&str]| desk.refuses(&format!("sample {RUN} {flags}"), words);
    refused("--sampler heun --eta 1", &["--eta means nothing to heun", "ddim"]);
    refused("--sampler ddim --variance large", &["--variance means nothing to ddim", "ddpm"]);
    refused("--s-noise 1", &["--s-noise means nothing to ddim", "edm"]);
    refused("--sampler euler", &["euler", "dpm-solver++2m-sde"]);
    refused("--eta 1.5", &["eta is 1.5", "to 1"]);
    refused("--sampler ddpm --variance learned", &["no variance", "small or large"]);
    refused("--sampler edm --s-churn=-1", &["numbers from 0 up"]);
    refused("--steps 1001", &["1 to 1000"]);
    refused("--n 0", &["0"]);
    refused("--out x.jpg", &["x.jpg", ".npz"]);
    refused("--noise nowhere.npy", &["cannot read nowhere.npy"]);
    desk.refuses("sample nowhere", &["nowhere is no run directory", "weights/mnist-unet-v"]);
    desk.refuses("sample weights/mnist-classifier", &["no image model"]);
    fs::create_dir(desk.path("x.png")).unwrap();
    refused("--out x.png", &["is a folder"]);

    let noise = |shape: &[i64]| Seeded::new(0, 0).start(shape);
    noise(&[2, 3, 32, 32]).write_npy(desk.path("rgb.npy")).unwrap();
    refused("--noise rgb.npy", &["expected noise of shape [N, 1, 28, 28]", "[2, 3, 32, 32]"]);
    noise(&[2, 1, 28, 28]).write_npy(desk.path("two.npy")).unwrap();
    refused("--noise two.npy --n 3", &["2 images, not 3"]);
    digits().write_npy(desk.path("u8.npy")).unwrap();
    refused("--noise u8.npy", &["expected floats"]);
    (noise(&[2, 1, 28, 28]) / 0.0).write_npy(desk.path("infinite.npy")).unwrap();
    refused("--noise infinite.npy", &["infinite"]);
    let whole = fs::read(desk.path("two.npy")).unwrap();
    for length in [9, whole.len() - 1] {
        fs::write(desk.path("cut.npy"), &whole[..length]).unwrap();
        refused("--noise cut.npy", &["cut.npy"]);
    }
}

#[test]
fn two_gaussians_are_as_far_apart_as_the_closed_form_says() {
    let desk = Desk::new();
    let save = |name: &str, mu: &[f64], deviations: &[f64]| {
        let sigma = Tensor::from_slice(deviations).square().diag(0);
        save_npz(&desk.path(name), &[("mu", Tensor::from_slice(mu)), ("sigma", sigma)]);
    };
    save("a.npz", &[1.0, 2.0, 3.0], &[1.0, 0.5, 0.0]);
    save("b.npz", &[1.5, 2.0, 1.0], &[2.0, 0.25, 0.125]);
    let expected = 0.25 + 4.0 + 1.0 + 0.0625 + 0.125f64.powi(2);
    for line in ["score a.npz b.npz", "score b.npz a.npz"] {
        let said = desk.succeeds(line);
        close(distance(&said), expected, 1e-6);
        assert!(said.contains("n = unknown and unknown, 3 features"), "{said}");
    }
    close(distance(&desk.succeeds("score a.npz a.npz")), 0.0, 5e-6);
    save("four.npz", &[0.0; 4], &[1.0; 4]);
    desk.refuses("score a.npz four.npz", &["a.npz has 3 features", "four.npz has 4"]);
    let square = Tensor::eye(3, (Kind::Double, Device::Cpu));
    save_npz(&desk.path("odd.npz"), &[("mu", square.get(0).narrow(0, 0, 2)), ("sigma", square)]);
    desk.refuses("score odd.npz a.npz", &["mu of shape [D]", "[2]", "[3, 3]"]);
    let infinite = Tensor::from_slice(&[f64::NAN]);
    save_npz(&desk.path("nan.npz"), &[("mu", infinite.copy()), ("sigma", infinite.view([1, 1]))]);
    desk.refuses("score nan.npz nan.npz", &["not finite"]);
}

/// numpy 2.4's `savez_compressed` of sigma = [[2, 0.5], [0.5, 1]] in Fortran order and of
/// mu = [3, -1].
const PACKED: &str = "504b03042d0000000800000021006d2ab676ffffffffffffffff090014007369676d612e6e707901001000a00000000000000050000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a1aea3a09e965f54529498179f5f94920a120f292a4d050a17672416a402b91a463a0a469a3a0ab50ae4032e06087080500fec51e90ff600504b03042d0000000800000021003d9595aaffffffffffffffff060014006d752e6e70790100100090000000000000004d000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e0630e07080d01ff60300504b01022d032d0000000800000021006d2ab67650000000a00000000900000000000000000000008001000000007369676d612e6e7079504b01022d032d0000000800000021003d9595aa4d0000009000000006000000000000000000000080018b0000006d752e6e7079504b050600000000020002006b000000100100000000";

#[test]
fn files_that_numpy_packed_are_read() {
    let desk = Desk::new();
    let digit = |i: usize| u8::from_str_radix(&PACKED[i..i + 2], 16).unwrap();
    let packed: Vec<u8> = (0..PACKED.len()).step_by(2).map(digit).collect();
    fs::write(desk.path("packed.npz"), &packed).unwrap();
    desk.succeeds("score packed.npz packed.npz --save plain.npz");
    let row = |values: [f64; 2]| Tensor::from_slice(&values);
    assert_eq!(array(&desk.path("plain.npz"), "mu"), row([3.0, -1.0]));
    let sigma = Tensor::stack(&[row([2.0, 0.5]), row([0.5, 1.0])], 0);
    assert_eq!(array(&desk.path("plain.npz"), "sigma"), sigma);
    // Whatever is damaged is an error, and never read beyond its end.
    for (length, at) in [(0, 0), (200, 0), (400, 0), (401, 90), (401, 395)] {
        let mut bytes = packed[..length].to_vec();
        if let Some(byte) = bytes.get_mut(at).filter(|_| at > 0) {
            *byte ^= 0x55;
        }
        fs::write(desk.path("damaged.npz"), bytes).unwrap();
        desk.refuses("score damaged.npz packed.npz", &["damaged.npz", "again"]);
    }
}

#[test]
fn pictures_and_arrays_of_the_same_images_score_the_same() {
    let desk = Desk::new();
    let images = digits(); // [256, 1, 28, 28]
    save_pictures(&images, &desk.path("flat"));
    save_pictures(&images.narrow(0, 0, 100), &desk.path("classes/a"));
    save_pictures(&images.narrow(0, 100, 156), &desk.path("classes/b"));
    save_npz(&desk.path("nhw.npz"), &[("arr_0", images.squeeze_dim(1))]);
    save_npz(&desk.path("nhwc.npz"), &[("any_name", images.permute([0, 2, 3, 1]).contiguous())]);
    images.write_npy(desk.path("nchw.npy")).unwrap();

    let net = FeatureNet::load("weights/mnist-classifier", Device::Cpu).unwrap();
    let mut moments = Moments::new(128);
    moments.add(&net.features(&images));
    let expected = frechet_distance(&moments, net.reference());
    moments.save(desk.path("mine.safetensors")).unwrap();
    let reference = "weights/mnist-classifier/train-moments.safetensors";
    let sides = ["flat", "classes", "nhw.npz", "nhwc.npz", "nchw.npy", "mine.safetensors"];
    for side in sides {
        let said = desk.succeeds(&format!("score {side} {reference}"));
        close(distance(&said), expected, 1e-5 * expected);
        let depends = "n = 256 and 60000, 128 features, feature net ";
        assert!(said.contains(depends), "{side}: {said}");
        let named = said.contains(net.hash());
        assert_eq!(named, !side.ends_with("safetensors"), "{said}");
    }
    let trace = moments.covariance().trace().double_value(&[]);
    for (a, b) in [("flat", "flat"), ("nchw.npy", "classes"), ("nhw.npz", "mine.safetensors")] {
        close(distance(&desk.succeeds(&format!("score {a} {b}"))), 0.0, 1e-6 * trace);
    }

    let said = desk.succeeds(&format!("score flat {reference} --save deep/stats.npz"));
    assert!(said.contains("wrote deep/stats.npz"), "{said}");
    let stats = desk.path("deep/stats.npz");
    let (mu, sigma) = (array(&stats, "mu"), array(&stats, "sigma"));
    assert_eq!((mu.kind(), sigma.kind()), (Kind::Double, Kind::Double));
    let apart = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
    assert!(apart(&mu, &moments.mean()) < 1e-4 && apart(&sigma, &moments.covariance()) < 1e-4);
    let again = desk.succeeds(&format!("score deep/stats.npz {reference}"));
    close(distance(&again), distance(&said), 2e-6);
    assert!(again.contains("n = 256 and 60000"), "the count is kept: {again}");
}

#[test]
fn a_classifier_of_colour_images_measures_them() {
    let desk = Desk::new();
    let format = Format { color: Color::Rgb, size: 16 };
    let config = ClassifierConfig { format, classes: 2, ..ClassifierConfig::default() };
    let vs = nn::VarStore::new(Device::Cpu);
    let _network = config.build(&vs.root());
    save_weights(&vs, desk.path("net/ema.safetensors"), 1).unwrap();
    let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
    fs::write(desk.path("net/config.json"), saved.to_string()).unwrap();
    let noise = |first| to_u8(&(Seeded::new(1, first).start(&[260, 3, 16, 16]) * 0.5));
    let (a, b) = (noise(0), noise(1000));
    for name in ["train", "test"] {
        let mut moments = Moments::new(128);
        moments.add(&some_features(&b));
        moments.save(desk.path(&format!("net/{name}-moments.safetensors"))).unwrap();
    }
    let channels_last = a.permute([0, 2, 3, 1]).contiguous();
    save_npz(&desk.path("last.npz"), &[("arr_0", channels_last.shallow_clone())]);
    a.write_npy(desk.path("first.npy")).unwrap();
    b.write_npy(desk.path("b.npy")).unwrap();
    fs::create_dir(desk.path("pictures")).unwrap();
    for i in 0..260 {
        let pixels: Vec<u8> = Vec::try_from(channels_last.get(i).flatten(0, -1)).unwrap();
        let picture = image::RgbImage::from_raw(16, 16, pixels).unwrap();
        picture.save(desk.path(&format!("pictures/{i:03}.png"))).unwrap();
    }
    let net = FeatureNet::load(desk.path("net"), Device::Cpu).unwrap();
    let moments = [&a, &b].map(|images| {
        let mut moments = Moments::new(128);
        moments.add(&net.features(images));
        moments
    });
    let expected = frechet_distance(&moments[0], &moments[1]);
    for side in ["last.npz", "first.npy", "pictures"] {
        let said = desk.succeeds(&format!("score {side} b.npy --classifier net"));
        close(distance(&said), expected, 1e-3 * expected + 1e-6);
        assert!(said.contains(net.hash()), "{said}");
    }
    let digits = digits();
    digits.write_npy(desk.path("digits.npy")).unwrap();
    let words = ["[N, 16, 16, 3] or [N, 3, 16, 16]", "found [256, 1, 28, 28]"];
    desk.refuses("score digits.npy b.npy --classifier net", &words);
}

/// Some features `[N, 128]` of images, by no network.
fn some_features(images: &Tensor) -> Tensor {
    images.flatten(1, -1).narrow(1, 0, 128).to_kind(Kind::Float)
}

#[test]
fn too_few_images_or_others_than_the_classifier_reads_are_refused() {
    let desk = Desk::new();
    let reference = "weights/mnist-classifier/train-moments.safetensors";
    let refused = |side: &str, words: &[&str]| {
        desk.refuses(&format!("score {side} {reference}"), words);
    };
    let images = digits();
    let save = |name: &str, images: Tensor| save_npz(&desk.path(name), &[("arr_0", images)]);
    save("few.npz", images.narrow(0, 0, 255));
    refused("few.npz", &["255 images", "128 features", "at least 256", "--force"]);
    desk.refuses(&format!("score {reference} few.npz"), &["255 images"]);
    desk.succeeds(&format!("score few.npz {reference} --force"));
    save("one.npz", images.narrow(0, 0, 1));
    refused("one.npz --force", &["at least two"]);
    save("none.npz", images.narrow(0, 0, 0));
    refused("none.npz", &["[0, 1, 28, 28]"]);
    let zeros = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
    save("rgb.npz", zeros(&[300, 32, 32, 3], Kind::Uint8));
    refused(
        "rgb.npz",
        &["[N, 28, 28], [N, 28, 28, 1] or [N, 1, 28, 28]", "found [300, 32, 32, 3]"],
    );
    save("flat.npz", zeros(&[300, 784], Kind::Uint8));
    refused("flat.npz", &["found [300, 784]"]);
    save("float.npz", zeros(&[300, 28, 28], Kind::Float));
    refused("float.npz", &["expected pixels 0 to 255 as u8", "Float"]);
    save_npz(&desk.path("two.npz"), &[("x", images.shallow_clone()), ("y", images.copy())]);
    refused("two.npz", &["mu and sigma", "arr_0", "[x, y]"]);
    refused("nowhere.npz", &["there is no nowhere.npz", "folder of pictures"]);
    fs::write(desk.path("text.txt"), "no images").unwrap();
    refused("text.txt", &["text.txt", ".npz"]);
    refused("weights/mnist-ddpm/ema.safetensors", &["no moments"]);
    fs::create_dir(desk.path("empty")).unwrap();
    refused("empty", &["empty: expected png or jpeg", "an empty folder"]);
    let large = image::GrayImage::new(64, 48);
    fs::create_dir(desk.path("large")).unwrap();
    large.save(desk.path("large/a.png")).unwrap();
    refused("large", &["28 x 28", "64 x 48", "a.png"]);
    fs::write(desk.path("large/a.png"), b"no png").unwrap();
    refused("large", &["a.png", "png or jpeg"]);
    save("digits.npz", images);
    let score = format!("score digits.npz {reference}");
    desk.refuses(&format!("{score} --classifier {RUN}"), &["no classifier", "train-classifier"]);
    desk.refuses(&format!("{score} --save stats.txt"), &["stats.txt", ".npz"]);
    desk.refuses(&format!("{score} --save text.txt/stats.npz"), &["cannot write"]);
}

/// The number behind `word` in what was said.
#[track_caller]
fn after(said: &str, word: &str) -> f64 {
    let (_, rest) = said.split_once(word).unwrap_or_else(|| panic!("no {word:?} in: {said}"));
    let number = rest.trim_start().split([' ', ',', '\n']).next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("{word:?} is followed by no number in: {said}"))
}

#[test]
fn every_metric_is_what_the_library_says_of_the_same_images() {
    let desk = Desk::new();
    let images = digits();
    let a = images.narrow(0, 0, 100);
    let b = images.narrow(0, 100, 150);
    save_pictures(&a, &desk.path("a"));
    save_npz(&desk.path("b.npz"), &[("arr_0", b.shallow_clone())]);
    let net = FeatureNet::load("weights/mnist-classifier", Device::Cpu).unwrap();
    let [x, y] = [&a, &b].map(|images| net.features(images));
    let said = desk.succeeds("score a b.npz --metrics is,pr,kid");
    assert!(!said.contains("FID"), "not asked for: {said}");
    let lines: Vec<&str> = said.lines().collect();
    let starts = ["IS-LeNet of a ", "IS-LeNet of b.npz ", "precision ", "KID-LeNet "];
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{said}");
    assert!(lines.len() == 4 && lines.iter().all(|line| line.contains(net.hash())), "{said}");

    let shares = precision_recall(&x, &y, 3);
    close(after(lines[2], "precision"), shares.precision, 1e-6);
    close(after(lines[2], "recall"), shares.recall, 1e-6);
    assert!(lines[2].contains("k = 3, n = 100 and 150, 128 features"), "{said}");
    let wider = desk.succeeds("score a b.npz --metrics pr --neighbors 5");
    close(after(&wider, "precision"), precision_recall(&x, &y, 5).precision, 1e-6);
    let found = kid(&x, &y, KidConfig { size: 50, ..KidConfig::default() });
    close(after(lines[3], "KID-LeNet"), found.mean, 1e-6 * found.mean.abs() + 1e-6);
    assert!(lines[3].contains("n = 100 and 150, 100 subsets of 50"), "{said}");
    // ten digits, seen clearly, ten or fifteen a split
    for line in &lines[..2] {
        let (_, numbers) = line.split_once(" of ").unwrap();
        let (score, spread) = (after(numbers, " "), after(numbers, "+-"));
        assert!((4.0..10.0).contains(&score) && spread > 0.0, "{line}");
        assert!(line.contains("10 splits, 10 classes"), "{line}");
    }

    // A folder that is sorted by class is shuffled first: no split sees one digit alone.
    let labels = sample::dataset().labels.narrow(0, 0, 100);
    save_pictures(&a.index_select(0, &labels.argsort(0, false)), &desk.path("sorted"));
    let said = desk.succeeds("score sorted b.npz --metrics is");
    assert!(after(&said, "IS-LeNet of sorted") > 4.0, "{said}");
}

#[test]
fn what_was_learned_by_heart_is_found() {
    let desk = Desk::new();
    let images = digits();
    let [train, held_out, others] =
        [(0, 100), (100, 60), (160, 90)].map(|(first, n)| images.narrow(0, first, n));
    save_pictures(&train, &desk.path("train"));
    for (name, images) in
        [("copies", train.narrow(0, 5, 12)), ("held", held_out), ("others", others)]
    {
        save_npz(&desk.path(&format!("{name}.npz")), &[("arr_0", images)]);
    }
    let of = |a: &str| {
        let line = format!("score {a}.npz train --metrics memorization --held-out held.npz");
        after(&desk.succeeds(&line), "memorization")
    };
    assert_eq!(of("copies"), 0.0);
    assert_eq!(of("held"), 0.5);
    close(of("others"), 0.5, 0.1);
    let net = FeatureNet::load("weights/mnist-classifier", Device::Cpu).unwrap();
    let features = |name: &str| net.features(&array(&desk.path(name), "arr_0"));
    let (others, held) = (features("others.npz"), features("held.npz"));
    let found = from_noise::metrics::memorization(&others, &held, &net.features(&train));
    close(of("others"), found.farther_than_held_out(), 1e-6);

    let line = "score copies.npz train --metrics memorization --held-out held.npz";
    let said = desk.succeeds(&format!("{line} --nearest pairs.png"));
    assert!(said.contains("  pairs.png") && said.contains("n = 12, of 100, 60 held out"), "{said}");
    // of copies, the lower row of the picture is the upper one
    let picture = image::open(desk.path("pairs.png")).unwrap().to_rgb8();
    let (wide, side) = (picture.width(), 84);
    let title = picture.height() - 2 * side - 3;
    let row = |top| -> Vec<_> {
        let of_line = |y| (wide - 10 * side..wide).map(move |x| (x, title + y));
        (top..top + side).flat_map(of_line).map(|(x, y)| *picture.get_pixel(x, y)).collect()
    };
    assert!(row(0) == row(side + 3) && row(0) != row(1), "the copies differ from the images");
    assert!(desk.path("pairs.png.json").exists());

    for (line, words) in [
        ("score copies.npz train --metrics memorization", &["--held-out", "mnist:test"][..]),
        ("score copies.npz train --held-out held.npz", &["--held-out means nothing"]),
        ("score copies.npz train --nearest x.png", &["--held-out"]),
        (&format!("{line} --nearest x.jpg"), &[".png"]),
        ("score copies.npz mnist:some", &["there is no mnist:some", "mnist:test or the like"]),
    ] {
        desk.refuses(line, words);
    }
}

#[test]
fn pictures_are_compared_with_their_captions_by_rule() {
    let desk = Desk::new();
    let scenes: Vec<Scene> = (0..6).map(|index| Scene::draw(0, index, Part::Test)).collect();
    let images: Vec<Tensor> = scenes.iter().map(|scene| scene.render(32)).collect();
    save_npz(&desk.path("scenes.npz"), &[("arr_0", Tensor::stack(&images, 0))]);
    fs::create_dir(desk.path("pictures")).unwrap();
    for (i, scene) in scenes.iter().enumerate() {
        let pixels: Vec<u8> =
            Vec::try_from(scene.render(64).permute([1, 2, 0]).flatten(0, -1)).unwrap();
        let picture = image::RgbImage::from_raw(64, 64, pixels).unwrap();
        picture.save(desk.path(&format!("pictures/{i}.png"))).unwrap();
    }
    let captions: Vec<String> = scenes.iter().map(|it| Facts::of(it).to_string()).collect();
    fs::write(desk.path("captions.txt"), captions.join("\n")).unwrap();
    for a in ["scenes.npz", "pictures"] {
        for b in ["captions.txt", "captions:test"] {
            let said = desk.succeeds(&format!("score {a} {b} --metrics alignment"));
            assert_eq!(after(&said, "alignment"), 1.0, "{said}");
            assert!(said.contains("unreadable 0.000000 (n = 6, of "), "{said}");
        }
    }
    // Each picture has the next one's caption: all is wrong but what both happen to have.
    let wrong = [&captions[1..], &captions[..1]].concat();
    fs::write(desk.path("wrong.txt"), wrong.join("\n")).unwrap();
    let said = desk.succeeds("score scenes.npz wrong.txt --metrics alignment");
    assert_eq!(after(&said, "alignment"), 0.0, "{said}");
    // One caption for all, by the words of another sampler.
    fs::write(desk.path("one.txt"), format!("{}\n\n", captions[0])).unwrap();
    let said = desk.succeeds("score scenes.npz one.txt --metrics alignment");
    close(after(&said, "alignment"), 1.0 / 6.0, 1e-6);
    assert!(said.contains("n = 6, of 1 captions"), "{said}");

    fs::write(desk.path("cat.txt"), "a red cat").unwrap();
    fs::write(desk.path("empty.txt"), "\n").unwrap();
    save_npz(&desk.path("digits.npz"), &[("arr_0", digits().narrow(0, 0, 3))]);
    Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)).write_npy(desk.path("features.npy")).unwrap();
    for (line, words) in [
        ("score scenes.npz cat.txt", &["a red cat", "one of the shapes"][..]),
        ("score scenes.npz empty.txt", &["empty.txt is empty", "a caption a line"]),
        ("score scenes.npz none.txt", &["none.txt", "captions:held-out"]),
        ("score scenes.npz scenes.npz", &["scenes.npz", "a text file"]),
        ("score digits.npz captions.txt", &["digits.npz", "colour"]),
        ("score features.npy captions.txt", &["features.npy holds no images"]),
        ("score pictures captions.txt --skip-bad", &["--skip-bad", "repair"]),
        ("score scenes.npz captions.txt --device cpu", &["--device", "no network"]),
        ("score scenes.npz captions.txt --metrics fid", &["by itself"]),
    ] {
        desk.refuses(&format!("{line} --metrics alignment"), words);
    }
}

#[test]
fn features_of_any_network_are_compared() {
    let desk = Desk::new();
    let [a, b] = [(1, 40), (2, 30)].map(|(seed, n)| Seeded::new(seed, 0).start(&[n, 8]));
    a.write_npy(desk.path("a.npy")).unwrap();
    save_npz(&desk.path("b.npz"), &[("arr_0", b.to_kind(Kind::Double))]);
    let said = desk.succeeds("score a.npy b.npz --metrics fid,kid,pr");
    let moments = [&a, &b].map(|x| {
        let mut moments = Moments::new(8);
        moments.add(x);
        moments
    });
    close(distance(&said), frechet_distance(&moments[0], &moments[1]), 1e-5);
    let found = kid(&a, &b, KidConfig { size: 15, ..KidConfig::default() });
    close(after(&said, "KID"), found.mean, 1e-5);
    close(after(&said, "recall"), precision_recall(&a, &b, 3).recall, 1e-6);
    assert_eq!(said.matches("n = 40 and 30").count(), 3, "{said}");
    assert_eq!(said.matches("feature net not named in these files").count(), 3, "{said}");

    a.narrow(1, 0, 7).contiguous().write_npy(desk.path("seven.npy")).unwrap();
    let widths = ["seven.npy has 7 features", "b.npz has 8"];
    desk.refuses("score seven.npy b.npz --metrics kid", &widths);
    desk.refuses("score a.npy b.npz --metrics is", &["a.npy has no images", "give the images"]);
    desk.refuses("score a.npy b.npz --metrics pr --neighbors 30", &["b.npz has 30", "at least 31"]);
    desk.refuses("score a.npy b.npz --neighbors 2", &["--neighbors means nothing", "pr"]);
    desk.refuses("score a.npy b.npz --metrics fid,ids", &["ids", "kid"]);
    desk.refuses("score a.npy b.npz --metrics pr --neighbors 0", &["0"]);
    (a / 0.0).write_npy(desk.path("infinite.npy")).unwrap();
    desk.refuses("score infinite.npy b.npz --metrics pr", &["infinite.npy", "not finite"]);
    let numbers = Tensor::arange(8, (Kind::Double, Device::Cpu));
    save_npz(&desk.path("stats.npz"), &[("mu", numbers.copy()), ("sigma", numbers.diag(0))]);
    desk.succeeds("score b.npz stats.npz");
    for metric in ["kid", "pr"] {
        let words = ["stats.npz holds a mean and a covariance alone", "give the images"];
        desk.refuses(&format!("score b.npz stats.npz --metrics fid,{metric}"), &words);
    }
    let few = digits().narrow(0, 0, 3);
    save_npz(&desk.path("three.npz"), &[("arr_0", few)]);
    for (metric, least) in [("kid", 4), ("pr", 4), ("is", 10)] {
        let line = format!("score three.npz three.npz --metrics {metric}");
        desk.refuses(&line, &["three.npz has 3 images", &format!("at least {least}")]);
    }
}

#[test]
fn a_table_holds_the_scores_of_its_sweep_and_is_filled_once() {
    let desk = Desk::new();
    fs::write(desk.path("sweep.toml"), small_table(&desk)).unwrap();
    for shard in ["1/2", "2/2"] {
        let said = desk.succeeds(&format!("table sweep.toml --out t --shard {shard}"));
        assert!(said.contains("--collect"), "{said}");
        assert!(!desk.path("t/table.csv").exists());
    }
    let said = desk.succeeds("table sweep.toml --out t --collect");
    let written = desk.read("t/table.csv");

    // What the library says to the same sweep, on the same drawn parts and the same test images.
    let (trained, test) = (trained(), sample::dataset().first(40));
    let net = FeatureNet::load("weights/mnist-classifier", Device::Cpu).unwrap();
    let grid = json!([
        {
            "samplers": [{"ddim": 0.0}, {"ddpm": "large"}, "heun", "dpm-solver++2m"],
            "paths": ["trailing"], "steps": [1, 2], "n": 39
        },
        {
            "samplers": [{"edm": {"amount": 5.0, "above": 0.05, "below": 10.0, "scale": 1.0}}],
            "paths": ["karras"], "evaluations": [3], "n": 40
        }
    ]);
    let sweep: Sweep = serde_json::from_value(json!({"seed": 0, "grid": grid})).unwrap();
    let lines = sweep.lines(|sampling| ImageSampler::new(&trained, sampling)).unwrap();
    let alone = tempfile::tempdir().unwrap();
    let table = ScoreTable::new(lines, &net, &test, alone.path()).unwrap();
    let lines: Vec<_> = table.lines().iter().collect();
    assert_eq!(lines.len(), 9);
    table.draw(&lines, Shard::WHOLE, |_| {}, || false).unwrap();
    let rows = lines.iter().map(|line| table.score(line).unwrap().unwrap());
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let found: Vec<from_noise::evaluate::Score> =
        reader.deserialize().map(Result::unwrap).collect();
    for (row, found) in rows.zip(&found) {
        assert_eq!(&row, found);
        assert!(said.contains(&row.to_string()), "{row} is not in {said}");
    }
    assert_eq!(found.len(), 9);

    let said = desk.succeeds("table sweep.toml --out t");
    assert!(said.contains("drawing 0/0"), "drawn already: {said}");
    assert_eq!(desk.read("t/table.csv"), written);
    let sidecar: Value = serde_json::from_str(&desk.read("t/table.csv.json")).unwrap();
    assert_eq!(sidecar["config"]["weights"], json!("my-run"));

    fs::copy(desk.path("t/table.csv"), desk.path("my-run/table.csv")).unwrap();
    let said = desk.succeeds("info my-run");
    assert_eq!(said.matches("FID-LeNet").count(), 9, "{said}");
}

#[test]
fn a_table_that_cannot_be_filled_is_refused() {
    let desk = Desk::new();
    own_run(&desk);
    let refused = |text: &str, words: &[&str]| {
        fs::write(desk.path("t.toml"), text).unwrap();
        desk.refuses("table t.toml --out t", words);
    };
    let table = |samplers: &str, more: &str| {
        let grid = format!("samplers = [{samplers}]\npaths = [\"trailing\"]\n{more}");
        format!("weights = \"my-run\"\n[[grid]]\n{grid}\n")
    };
    refused("weights = 3", &["t.toml", "--help", "line 1"]);
    refused(&table("\"ddin\"", "steps = [1]\nn = 9"), &["ddin", "line 3"]);
    refused(&table("\"heun\"", "step = [1]\nn = 9"), &["step", "line 5"]);
    refused(&table("\"heun\"", "n = 9"), &["no line", "steps or evaluations"]);
    refused(&table("\"heun\"", "steps = [0]\nn = 9"), &["0 steps"]);
    refused(&table("\"heun\"", "steps = [1001]\nn = 9"), &["1 to 1000"]);
    refused(&table("\"heun\"", "steps = [1]\nn = 1"), &["at least two"]);
    refused(&table("{ ddim = 7 }", "steps = [1]\nn = 9"), &["eta is 7"]);
    refused(&table("{ ddpm = \"learned\" }", "steps = [1]\nn = 9"), &["no variance"]);
    let churn = "{ edm = { amount = -5, above = 0, below = inf, scale = 1 } }";
    refused(&table(churn, "steps = [9]\nn = 9"), &["numbers from 0 up"]);
    desk.refuses("table nowhere.toml --out t", &["cannot read nowhere.toml"]);

    let fine = table("\"heun\"", "steps = [1]\nn = 9");
    refused(&fine.replace("my-run", "pets"), &["pets is no run directory"]);
    refused(&format!("classifier = \"pets\"\n{fine}"), &["pets holds no classifier"]);
    let mut run: Value = serde_json::from_str(&desk.read("my-run/config.json")).unwrap();
    run["config"]["format"] = json!({"color": "rgb", "size": 32});
    fs::write(desk.path("my-run/config.json"), run.to_string()).unwrap();
    refused(&fine, &["[3, 32, 32]", "[1, 28, 28]"]);
    run["config"]["format"] = json!({"color": "gray", "size": 28});
    fs::write(desk.path("my-run/config.json"), run.to_string()).unwrap();
    fs::remove_dir_all(desk.path("pets/test")).unwrap();
    refused(&fine, &["test"]);
}

#[test]
fn a_run_in_colour_that_learned_its_variance_is_drawn_and_described() {
    let desk = Desk::new();
    let mut config = ImageConfig::mnist();
    config.format = Format { color: Color::Rgb, size: 16 };
    config.parameterization =
        Parameterization { head: Head::MeanAndNu, ..Parameterization::default() };
    config.network =
        UnetConfig { in_channels: 3, out_channels: 6, image_size: 16, ..UnetConfig::tiny() };
    let vs = nn::VarStore::new(Device::Cpu);
    let _network = config.build(&vs.root());
    save_weights(&vs, desk.path("run/ema.safetensors"), 77).unwrap();
    let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
    fs::write(desk.path("run/config.json"), saved.to_string()).unwrap();
    fs::write(desk.path("run/log.csv"), "step,loss,grad_norm\n10,0.5,1\n20,0.25,1\n").unwrap();

    desk.succeeds(
        "sample run --sampler ddpm --variance learned --n 5 --steps 3 --out a.npz --out a.gif",
    );
    assert_eq!(array(&desk.path("a.npz"), "arr_0").size(), [5, 16, 16, 3]);
    let said = desk.succeeds("info run");
    let cost = config.network.cost().unwrap();
    for words in [
        "colour images [3, 16, 16]",
        &format!("{} parameters, {:.1} MFLOP", cost.params, cost.flops as f64 / 1e6),
        "Linear { steps: 1000",
        "the noise eps, and the variance",
        "t in 1..=T",
        "after 77 steps",
        &Pretrained::load(desk.path("run"), Device::Cpu).unwrap().hash,
        "0.2500 in step 20",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    fs::remove_file(desk.path("run/ema.safetensors")).unwrap();
    assert!(desk.succeeds("info run").contains("none yet"));
    desk.refuses("sample run", &["no averaged weights yet"]);
}

#[test]
fn what_is_no_run_gets_a_sentence() {
    let desk = Desk::new();
    fs::write(desk.path("config.json"), "{}").unwrap();
    desk.refuses("info nowhere", &["nowhere is no run directory", "no folder"]);
    desk.refuses("info .", &["no image model", "config.json"]);
    fs::create_dir(desk.path("empty")).unwrap();
    desk.refuses("info empty", &["empty is no run directory", "no config.json"]);
}

#[test]
fn a_run_is_exported_in_half_precision() {
    let desk = Desk::new();
    labelled_run(&desk);
    fs::write(desk.path("labelled/optimizer.safetensors"), "only for training").unwrap();
    let said = desk.succeeds("export labelled --half --out half");
    assert!(said.contains("wrote half, weights of"), "{said}");
    desk.succeeds("export labelled --out whole");
    let weights = |run: &str| desk.path(run).join("ema.safetensors");
    let size = |run: &str| fs::metadata(weights(run)).unwrap().len();
    assert_eq!(size("whole"), size("labelled"));
    assert!((0.45..0.65).contains(&(size("half") as f64 / size("whole") as f64)));
    assert_eq!(desk.read("half/config.json"), desk.read("labelled/config.json"));
    assert!(!desk.path("half/optimizer.safetensors").exists());
    let [whole, half] = ["whole", "half"].map(|run| load_tensors(weights(run)).unwrap());
    for (name, tensor) in &whole {
        let rounded = tensor.to_kind(Kind::Half);
        assert!(half[name].kind() == Kind::Half && half[name] == rounded, "{name}");
    }
    let draw = |run: &str| {
        let line = format!("sample {run} --steps 2 --n 4 --out drawn.npz");
        let out = desk.run(&line);
        assert!(out.status.success() && !text(&out.stderr).contains("converted"));
        array(&desk.path("drawn.npz"), "arr_0").to_kind(Kind::Float)
    };
    let apart = (draw("whole") - draw("half")).abs().mean(Kind::Float).double_value(&[]);
    assert!(apart < 5.0, "{apart} of 255");

    let huge = desk.path("huge");
    fs::create_dir(&huge).unwrap();
    fs::copy(desk.path("labelled/config.json"), huge.join("config.json")).unwrap();
    let config: ImageConfig = read_config(&huge).unwrap();
    let vs = tch::nn::VarStore::new(Device::Cpu);
    let _model = config.build(&vs.root());
    let _ = tch::no_grad(|| vs.variables().into_values().next().unwrap().fill_(1e5));
    save_weights(&vs, huge.join("ema.safetensors"), 0).unwrap();
    for (line, words) in [
        ("export labelled --half --out half", &["half exists already"][..]),
        ("export huge --half --out other", &["not finite in half precision", "65504"]),
        ("export weights/mnist-classifier --half --out other", &["features are compared"]),
        ("export nowhere --out other", &["nowhere is no run directory"]),
    ] {
        desk.refuses(line, words);
    }
}

/// A run directory of an untrained network of three classes.
fn labelled_run(desk: &Desk) {
    let network = UnetConfig::tiny();
    let classes = Some(3);
    let config = ImageConfig { network, classes, condition_dropout: 0.1, ..ImageConfig::mnist() };
    let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
    fs::create_dir_all(desk.path("labelled")).unwrap();
    fs::write(desk.path("labelled/config.json"), saved.to_string()).unwrap();
    let vs = tch::nn::VarStore::new(Device::Cpu);
    let _model = config.build(&vs.root());
    for (name, mut weight) in vs.variables() {
        let bound = if name.contains("class_embedding") { 3.0 } else { 0.1 };
        let _ = tch::no_grad(|| weight.uniform_(-bound, bound));
    }
    save_weights(&vs, desk.path("labelled/ema.safetensors"), 0).unwrap();
}

#[test]
fn a_class_conditional_run_draws_and_fills_tables() {
    let desk = Desk::new();
    labelled_run(&desk);
    assert!(desk.succeeds("info labelled").contains("a label of 3 classes"));
    let steps = "--steps 2 --n 4";
    desk.succeeds(&format!("sample labelled {steps} --out turn.npz"));
    desk.succeeds(&format!("sample labelled {steps} --class 1 --out ones.npz"));
    let [turn, ones] = ["turn.npz", "ones.npz"].map(|name| array(&desk.path(name), "arr_0"));
    assert_eq!(turn.get(1), ones.get(1), "image 1 is of class 1 in turn");
    assert_ne!(turn.get(2), ones.get(2), "the class is not heard");
    let sidecar: Value = serde_json::from_str(&desk.read("ones.npz.json")).unwrap();
    assert_eq!(sidecar["config"]["condition"], "class 1");
    desk.refuses(&format!("sample labelled {steps} --class 3"), &["no class 3", "0 to 2"]);
    desk.refuses(&format!("sample {RUN} {steps} --class 1"), &["unconditional"]);

    let guided = |flags: &str| {
        desk.succeeds(&format!("sample labelled {steps} --class 1 {flags} --out guided.npz"))
    };
    guided("--guidance 1");
    assert_eq!(array(&desk.path("guided.npz"), "arr_0"), ones, "at 1 there is no guidance");
    let said = guided("--guidance 2 --guidance-rescale 0.5 --guidance-interval 0,10");
    assert!(said.contains("3 evaluations of the network an image"), "{said}");
    assert_ne!(array(&desk.path("guided.npz"), "arr_0"), ones);
    let sidecar: Value = serde_json::from_str(&desk.read("guided.npz.json")).unwrap();
    let condition = "class 1, guidance 2 rescaled 0.5 in 0 to 10";
    assert_eq!(sidecar["config"]["condition"], condition);
    guided("--guidance 2 --negative-class 0");
    for (flags, words) in [
        ("--guidance nan", &["number"][..]),
        ("--negative-class 0", &["--guidance"]),
        ("--guidance 2 --negative-class 3", &["no class 3"]),
        ("--guidance 2 --guidance-rescale 2", &["phi"]),
        ("--guidance 2 --guidance-interval 1", &["two numbers"]),
        ("--guidance 2 --guidance-interval 5,1", &["smaller first"]),
    ] {
        desk.refuses(&format!("sample labelled {steps} --class 1 {flags}"), words);
    }
    desk.refuses(&format!("sample {RUN} {steps} --guidance 2"), &["unconditional"]);

    own_run(&desk); // for its folder of test pictures
    let config = desk.read("labelled/config.json").replace("\"mnist\"", "\"./pets\"");
    fs::write(desk.path("labelled/config.json"), config).unwrap();
    let table = "weights = \"labelled\"\nclass = 2\nguidance = [1.0, 3.0]\n[[grid]]\nsamplers = [\"heun\"]\n\
                 paths = [\"trailing\"]\nsteps = [2]\nn = 40\n";
    fs::write(desk.path("sweep.toml"), table).unwrap();
    let said = desk.succeeds("table sweep.toml --out t");
    assert!(said.contains("class 2, seed 0"), "{said}");
    let table = desk.read("t/table.csv");
    assert!(table.lines().nth(1).unwrap().ends_with(",class 2"), "{table}");
    assert!(table.lines().nth(2).unwrap().ends_with(",\"class 2, guidance 3\""), "{table}");
}

/// A run directory of an untrained classifier of noised images, of three classes.
fn noised_classifier(desk: &Desk, name: &str, noised: bool) {
    let network = UnetConfig { out_channels: 3, ..UnetConfig::tiny() };
    let config = NoisedClassifierConfig { network, noised, ..NoisedClassifierConfig::mnist() };
    let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
    fs::create_dir_all(desk.path(name)).unwrap();
    fs::write(desk.path(name).join("config.json"), saved.to_string()).unwrap();
    let vs = tch::nn::VarStore::new(Device::Cpu);
    let _net = config.build(&vs.root());
    save_weights(&vs, desk.path(name).join("ema.safetensors"), 0).unwrap();
}

#[test]
fn a_classifier_guides_what_is_drawn_and_tables() {
    let desk = Desk::new();
    labelled_run(&desk);
    noised_classifier(&desk, "guide", true);
    noised_classifier(&desk, "clean", false);
    let steps = "--steps 2 --n 4";
    for run in [RUN, "labelled"] {
        let draw = |flags: &str| {
            desk.succeeds(&format!("sample {run} {steps} {flags} --out drawn.npz"));
            array(&desk.path("drawn.npz"), "arr_0")
        };
        let plain = draw("");
        assert_eq!(draw("--guided-by guide --classifier-scale 0"), plain);
        let far = "--guided-by guide --classifier-scale 1000";
        let ones = draw(&format!("{far} --class 1"));
        assert_ne!(draw(far), plain, "the classifier is not heard");
        assert_eq!(draw(far).get(1), ones.get(1), "image 1 is of class 1 in turn");
        let _ = draw("--guided-by guide --class 2");
        let sidecar: Value = serde_json::from_str(&desk.read("drawn.npz.json")).unwrap();
        let condition = sidecar["config"]["condition"].as_str().unwrap();
        assert!(condition.starts_with("class 2, classifier guidance 1 by "), "{condition}");
    }
    for (line, words) in [
        ("sample labelled --classifier-scale 2", &["--guided-by"][..]),
        ("sample labelled --guided-by guide --classifier-scale nan", &["finite"]),
        ("sample labelled --guided-by guide --class 3", &["no class 3", "0 to 2"]),
        ("sample labelled --guided-by nowhere", &["nowhere is no run directory"]),
        ("sample labelled --guided-by labelled", &["no classifier of noised images", "chapter 09"]),
        ("sample guide", &["draws nothing by itself", "--guided-by"]),
    ] {
        desk.refuses(line, words);
    }
    let said = desk.run(&format!("sample labelled {steps} --guided-by clean --out c.png"));
    let warned = text(&said.stderr).contains("clean was taught by clean images alone");
    assert!(said.status.success() && warned, "{}", text(&said.stderr));

    let said = desk.succeeds("info guide");
    for words in ["which of 3 classes", "the way down of a U-Net", "at all levels", "averaged"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert!(desk.succeeds("info clean").contains("by clean images alone"));
    let said = desk.succeeds("info weights/mnist-classifier");
    assert!(said.contains("which FID-LeNet compares") && said.contains("10 classes"), "{said}");

    own_run(&desk); // for its folder of test pictures
    let config = desk.read("labelled/config.json").replace("\"mnist\"", "\"./pets\"");
    fs::write(desk.path("labelled/config.json"), config).unwrap();
    let grid = "[[grid]]\nsamplers = [\"heun\"]\npaths = [\"trailing\"]\nsteps = [2]\nn = 40\n";
    let table = |guide: &str| format!("weights = \"labelled\"\nclass = 2\n{guide}\n{grid}");
    let guided = table("guided_by = \"guide\"\nclassifier_scale = [0.5, 3.0]");
    fs::write(desk.path("sweep.toml"), guided).unwrap();
    desk.succeeds("table sweep.toml --out t");
    let rows = desk.read("t/table.csv");
    let [first, second] = [1, 2].map(|i| rows.lines().nth(i).unwrap());
    assert!(first.contains("class 2, classifier guidance 0.5 by "), "{first}");
    assert!(second.contains("class 2, classifier guidance 3 by "), "{second}");
    fs::write(desk.path("sweep.toml"), table("classifier_scale = [2.0]")).unwrap();
    desk.refuses("table sweep.toml --out t2", &["add guided_by, or leave it out"]);
}

/// An untrained network that reads captions, and an untrained CLIP.
fn captioned_runs(desk: &Desk) {
    let format = Format { color: Color::Rgb, size: 32 };
    let text = TextConfig {
        vocabulary: Tokenizer::VOCABULARY,
        length: Tokenizer::LENGTH,
        width: 8,
        layers: 1,
        heads: 2,
    };
    let seen = |out_channels| UnetConfig {
        in_channels: 3,
        out_channels,
        image_size: 32,
        space_to_depth: 4,
        ..UnetConfig::tiny()
    };
    let tokens = Some(TokenAttention { form: TokenForm::Concatenated, dim: 8 });
    let config = ImageConfig {
        data: Source::Captions,
        format,
        network: UnetConfig { tokens, ..seen(3) },
        text: Some(text.clone()),
        condition_dropout: 0.2,
        ..ImageConfig::mnist()
    };
    let clip = ClipConfig { image: seen(8), text, ..ClipConfig::captions() };
    let save = |name: &str, config: Value, vs: &nn::VarStore| {
        let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
        fs::create_dir_all(desk.path(name)).unwrap();
        fs::write(desk.path(name).join("config.json"), saved.to_string()).unwrap();
        // away from the zeros that parts start at
        for mut x in vs.trainable_variables() {
            let _ = tch::no_grad(|| x.g_add_(&(0.2 * x.randn_like())));
        }
        save_weights(vs, desk.path(name).join("ema.safetensors"), 0).unwrap();
    };
    let vs = nn::VarStore::new(Device::Cpu);
    let _model = config.build(&vs.root());
    save("reads", json!(config), &vs);
    let vs = nn::VarStore::new(Device::Cpu);
    let _clip = clip.build(&vs.root());
    save("clip", json!(clip), &vs);
    save("clean", json!(ClipConfig { noised: false, ..clip }), &vs);
}

#[test]
fn captions_are_drawn_and_led_to() {
    let desk = Desk::new();
    captioned_runs(&desk);
    let draw = |flags: &str| {
        desk.succeeds(&format!("sample reads --steps 2 --n 3 {flags} --out drawn.npz"));
        array(&desk.path("drawn.npz"), "arr_0")
    };
    let plain = draw("");
    let [red, blue] = ["a red square above a blue circle", "a blue star"]
        .map(|caption| format!("--prompt {caption:?}"));
    let both = draw(&format!("{red} {blue}"));
    assert_ne!(both, plain, "the caption is not heard");
    let other = draw(&format!("--prompt 'a green cross above a red circle' {blue}"));
    assert_eq!(both.get(1), other.get(1), "image 1 is of the second caption alone");
    assert_ne!(both.get(0), other.get(0));
    // tokens are cut to the longest caption of a batch: with a shorter one a sum may end in another
    // digit, and a pixel on the other side of a half
    let pixels = |images: &Tensor| images.get(1).to_kind(Kind::Int);
    let apart = (pixels(&both) - pixels(&draw(&blue))).abs().max();
    assert!(apart.int64_value(&[]) <= 1, "image 1 is of the second caption");
    fs::write(desk.path("two.txt"), "a red square above a blue circle\n\n A blue star.\n").unwrap();
    assert_eq!(draw("--prompts two.txt"), both, "one a line, in any case");
    let guided = draw(&format!("{red} --guidance 3"));
    let away =
        draw(&format!("{red} --guidance 3 --negative-prompt 'a blue circle above a red square'"));
    assert_ne!(guided, away);
    let sidecar: Value = serde_json::from_str(&desk.read("drawn.npz.json")).unwrap();
    let condition = sidecar["config"]["condition"].as_str().unwrap();
    for words in ["a red square above", "guidance 3", "away from \"a blue circle above"] {
        assert!(condition.contains(words), "{words:?} is not in {condition}");
    }
    assert_eq!(draw(&format!("{red} --clip clip --clip-scale 0")), plain, "the CLIP alone is told");
    assert_ne!(draw(&format!("{red} --clip clip --clip-scale 30")), plain);
    let said = desk.run(&format!("sample reads --steps 2 --n 1 {red} --clip clean --out c.png"));
    assert!(text(&said.stderr).contains("clean was taught by clean images alone"));

    for (line, words) in [
        ("sample reads --prompt 'a red squaer'", &["\"squaer\"", "circle, square"][..]),
        ("sample reads --prompt 'a red square' --class 1", &["--class"]),
        ("sample reads --prompts nowhere.txt", &["cannot read the captions nowhere.txt"]),
        ("sample reads --negative-prompt 'a red square'", &["--guidance"]),
        ("sample reads --clip clip", &["add --prompt"]),
        ("sample reads --prompt 'a red square' --clip reads", &["holds no CLIP", "chapter 15"]),
        ("sample clip", &["draws nothing by itself", "--clip"]),
    ] {
        desk.refuses(line, words);
    }
    desk.refuses(
        &format!("sample {RUN} --prompt 'a red square'"),
        &["reads no captions", "--clip"],
    );
    let other = format!("sample {RUN} --prompt 'a red square' --clip clip");
    desk.refuses(&other, &["draws images of [1, 28, 28]", "reads [3, 32, 32]"]);
    assert!(desk.succeeds("info reads").contains("a caption of 43 words"));
    let said = desk.succeeds("info clip");
    assert!(said.contains("image and a caption fit") && said.contains("at all levels"), "{said}");
}

/// A base of 14 x 14 and an upsampler to 28 x 28, both untrained.
#[test]
fn a_cascade_is_drawn_and_fills_tables() {
    let desk = Desk::new();
    own_run(&desk); // for its folder of test pictures
    let image_condition = Some(ImageCondition::LowRes(LowRes {
        factor: 2,
        interpolation: Interpolation::Bicubic,
        max_noise_level: 300,
    }));
    let data = Source::Folder("./pets".into());
    let network = UnetConfig { in_channels: 2, ..UnetConfig::tiny() };
    let large = ImageConfig { data, network, image_condition, ..ImageConfig::mnist() };
    let network = UnetConfig { image_size: 14, space_to_depth: 1, ..UnetConfig::tiny() };
    let format = Format { size: 14, ..large.format };
    let small = ImageConfig { format, network, image_condition: None, ..large.clone() };
    for (name, config) in [("small", &small), ("large", &large)] {
        let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
        fs::create_dir_all(desk.path(name)).unwrap();
        fs::write(desk.path(name).join("config.json"), saved.to_string()).unwrap();
        let vs = nn::VarStore::new(Device::Cpu);
        let _model = config.build(&vs.root());
        for mut weight in vs.trainable_variables() {
            let _ = tch::no_grad(|| weight.uniform_(-0.1, 0.1));
        }
        save_weights(&vs, desk.path(name).join("ema.safetensors"), 0).unwrap();
    }
    let drawn = |flags: &str| {
        let line = format!("sample small --upsample large --n 2 --steps 2 {flags} --out two.npz");
        let said = desk.succeeds(&line);
        assert!(said.contains("4 evaluations of the network an image"), "{said}");
        array(&desk.path("two.npz"), "arr_0")
    };
    let plain = drawn("");
    assert_eq!(plain.size(), [2, 28, 28, 1]);
    assert_eq!(drawn("--noise-level 0"), plain);
    assert_ne!(drawn("--noise-level 300"), plain);
    // noise of a file starts the lower stage alone: the seed is the upper one's
    Seeded::new(0, 0).start(&[2, 1, 14, 14]).write_npy(desk.path("x_T.npy")).unwrap();
    assert_ne!(drawn("--noise x_T.npy --seed 1"), drawn("--noise x_T.npy --seed 2"));
    let table = "weights = \"small\"\nupsample = \"large\"\nnoise_level = 20\n[[grid]]\n\
                 samplers = [\"heun\"]\npaths = [\"trailing\"]\nsteps = [2]\nn = 40\n";
    fs::write(desk.path("sweep.toml"), table).unwrap();
    desk.succeeds("table sweep.toml --out t");
    let table = desk.read("t/table.csv");
    assert!(table.contains("from images by Heun trailing 2 seed 0"), "{table}");
    assert!(table.contains("noised to 20"), "{table}");
    // what the table could not use is refused
    let sweep = desk.read("sweep.toml");
    for (from, to, words) in [
        ("upsample = \"large\"\n", "", ["noise_level", "without upsample"]),
        ("noise_level = 20", "inception = \"i.pth\"\nclassifier = \"c\"", ["classifier", "beside"]),
    ] {
        fs::write(desk.path("bad.toml"), sweep.replace(from, to)).unwrap();
        desk.refuses("table bad.toml --out t2", &words);
    }
    // both stages are led away from a class
    let line = "sample weights/cascade/base --upsample weights/cascade/upsampler --n 1 --steps 2 \
                --guidance 2 --negative-class 3 --out two.npz";
    desk.succeeds(line);
    let condition = desk.read("two.npz.json");
    assert_eq!(condition.matches("away from class 3").count(), 2, "{condition}");
}

#[test]
fn a_table_that_cannot_be_read_is_never_written_over() {
    let desk = Desk::new();
    fs::write(desk.path("sweep.toml"), small_table(&desk)).unwrap();
    desk.succeeds("table sweep.toml --out t");
    let (path, whole) = (desk.path("t/table.csv"), desk.read("t/table.csv"));
    let lines: Vec<&str> = whole.lines().collect();
    // a table of an older version, without the newest column, is read
    let cut = |line: &&str| line.rsplit_once(',').unwrap().0.to_owned();
    let older: Vec<String> = lines.iter().map(cut).collect();
    fs::write(&path, older.join("\n") + "\n").unwrap();
    let said = desk.succeeds("table sweep.toml --out t");
    assert!(said.contains("drawing 0/0"), "read, not drawn again: {said}");
    assert_eq!(desk.read("t/table.csv"), whole);
    // and one of the time when every distance was FID-LeNet
    let older = whole.replacen("metric,distance", "fid_lenet", 1).replace(",FID-LeNet,", ",");
    fs::write(&path, older).unwrap();
    let said = desk.succeeds("table sweep.toml --out t");
    assert!(said.contains("drawing 0/0"), "read, not drawn again: {said}");
    assert_eq!(desk.read("t/table.csv"), whole);
    // a damaged line, a cut line, a column that only a newer version knows
    let third = lines[3].replacen("trailing", "trailing,trailing", 1);
    let short: String = lines[3].chars().take(20).collect();
    let newer = whole.replacen("sampler,", "sampler,colour,", 1).replace("\nD", "\nred,D");
    for (text, word) in [
        (whole.replace(lines[3], &third), "line 4"),
        (whole.replace(lines[3], &short), "line 4"),
        (newer, "colour"),
    ] {
        fs::write(&path, &text).unwrap();
        for flags in ["", "--collect"] {
            desk.refuses(
                &format!("table sweep.toml --out t {flags}"),
                &["table.csv", word, "mend it, or move it away"],
            );
            assert_eq!(desk.read("t/table.csv"), text, "written over");
        }
    }
    fs::write(&path, &whole).unwrap();
    fs::write(desk.path("t/table.csv.json"), "{").unwrap();
    desk.refuses("table sweep.toml --out t", &["table.csv.json", "mend it"]);
    assert_eq!(desk.read("t/table.csv.json"), "{");
}

#[test]
fn a_path_that_starts_too_low_is_refused_or_named() {
    let desk = Desk::new();
    for path in ["uniform", "quadratic", "linspace"] {
        let line = format!("sample {RUN} --path {path} --steps 1");
        desk.refuses(&line, &["starts at t = 1", "take trailing"]);
    }
    let said = desk.run(&format!("sample {RUN} --n 1 --path uniform --steps 2 --out a.png"));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("warning: the path uniform of 2 steps starts at t = 501"), "{said}");
    fs::write(
        desk.path("t.toml"),
        "weights = \"weights/mnist-ddpm\"\n[[grid]]\nsamplers = [\"heun\"]\n\
         paths = [\"uniform\"]\nsteps = [1]\nn = 9\n",
    )
    .unwrap();
    desk.refuses("table t.toml --out t", &["one step of the path uniform"]);
}

#[test]
fn a_model_of_diffusers_is_imported_draws_and_is_exported_again() {
    let desk = Desk::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/diffusers");
    let (old, pipeline) = (golden.join("old"), golden.join("pipeline"));
    let old = old.display();
    desk.refuses(&format!("import {old} --out run"), &["[3, 16, 16]", "cifar10", "--data"]);
    desk.refuses("import nowhere --out run", &["there is no nowhere"]);
    let said = desk.succeeds(&format!("import {old} --data ./pets --out run"));
    assert!(said.contains("in 144 tensors") && said.contains("large variance"), "{said}");
    desk.refuses(&format!("import {old} --data ./pets --out run"), &["already holds a run"]);
    let info = desk.succeeds("info run");
    assert!(info.contains("./pets: colour images [3, 16, 16]"), "{info}");
    assert!(info.contains("t - 1 in 0..T"), "{info}");
    desk.succeeds("sample run --n 2 --steps 2 --out drawn.npy");
    let drawn = Tensor::read_npy(desk.path("drawn.npy")).unwrap();
    assert_eq!(drawn.size(), [2, 16, 16, 3]);
    desk.succeeds("export run --diffusers --out out/pipeline");
    let weights = "unet/diffusion_pytorch_model.safetensors";
    let read = |path| from_noise::checkpoint::load_tensors(path).unwrap();
    assert_eq!(read(desk.path("out/pipeline").join(weights)), read(pipeline.join(weights)));
    desk.refuses("export run --diffusers --out out/pipeline", &["exists already"]);
    desk.refuses(&format!("export {RUN} --diffusers --out new"), &["space_to_depth = 2"]);
    fs::remove_file(desk.path("out/pipeline").join(weights)).unwrap();
    desk.refuses("import out/pipeline --data ./pets --out again", &["could not read the weights"]);
}

#[test]
fn the_table_of_the_paper_says_what_is_missing() {
    let desk = Desk::new();
    for name in ["ddim-table1-cifar10", "ddim-table1-cifar10-sigma-hat"] {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/tables/{name}.toml"));
        let line = format!("table {} --out out", file.display());
        desk.refuses(&line, &["runs/ddpm-cifar10-32 is no run directory"]);
    }
}
