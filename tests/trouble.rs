//! What users ran into, typed as they typed it: the exit code, one sentence, nothing half-written.
//! `results/trouble/commands.csv` lists the cases.

mod desk;

use desk::{Desk, text};
use from_noise::checkpoint::save_weights;
use from_noise::data::{Color, Format, Interpolation, Source};
use from_noise::denoiser::{Parameterization, Target};
use from_noise::metrics::ClassifierConfig;
use from_noise::nn::UnetConfig;
use from_noise::noise::Seeded;
use from_noise::pretrained::{ImageCondition, ImageConfig, LowRes, Pretrained};
use from_noise::schedule::ScheduleConfig;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tch::{Device, Kind, Tensor, nn};

impl Desk {
    /// What it says on standard output and on standard error.
    #[track_caller]
    fn works(&self, line: &str) -> (String, String) {
        let out = self.run(line);
        let said = text(&out.stderr);
        assert!(out.status.success() && !said.contains("panicked"), "{line}: {said}");
        (text(&out.stdout), said)
    }

    /// Kills it (SIGKILL) as soon as this is so, if it has not ended before.
    fn killed(&self, line: &str, when: impl Fn() -> bool) {
        let mut command = self.command(line);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !when() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A config.json alone.
    fn config(&self, dir: &str, config: &impl serde::Serialize) {
        let saved = json!({"format": 1, "from_noise": "0.1.0", "config": config});
        fs::create_dir_all(self.path(dir)).unwrap();
        fs::write(self.path(dir).join("config.json"), saved.to_string()).unwrap();
    }

    /// A run of an untrained network, its weights saved as `kind`.
    fn save_run(&self, dir: &str, config: &ImageConfig, kind: Kind) {
        self.config(dir, config);
        tch::manual_seed(3);
        let mut vs = nn::VarStore::new(Device::Cpu);
        let _network = config.build(&vs.root());
        vs.set_kind(kind);
        save_weights(&vs, self.path(dir).join("ema.safetensors"), 7).unwrap();
    }

    /// A run of this configuration, in `run`, of the pictures in `pets`; a classifier of them in `net`.
    fn run_and_classifier(&self, config: &ImageConfig) {
        self.pictures("pets");
        self.save_run("run", config, Kind::Float);
        self.works("cargo from-noise train-classifier --data ./pets --size 16 --out net --steps 2");
    }

    /// Two classes of pictures, eight of each in train/ and in test/.
    fn pictures(&self, folder: &str) {
        for (part, class, shade) in
            [("train", "a", 30), ("train", "b", 220), ("test", "a", 40), ("test", "b", 200)]
        {
            let folder = self.path(folder).join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..8 {
                let paint = |x: u32, y: u32| image::Rgb([shade, (9 * x) as u8, (9 * y + i) as u8]);
                let picture = image::RgbImage::from_fn(16, 16, paint);
                picture.save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

/// A network of some thousand parameters for digits.
fn tiny() -> ImageConfig {
    ImageConfig { network: UnetConfig::tiny(), batch: 4, ..ImageConfig::mnist() }
}

/// The same for a folder of pictures of 16 x 16, on a schedule of ten steps.
fn own(folder: &str, color: Color) -> ImageConfig {
    let channels = color.channels();
    let network = UnetConfig {
        in_channels: channels,
        out_channels: channels,
        image_size: 16,
        ..UnetConfig::tiny()
    };
    let schedule = ScheduleConfig::Linear { steps: 10, first: 0.01, last: 0.9 };
    let (data, format) = (Source::Folder(folder.into()), Format { color, size: 16 });
    ImageConfig { data, format, network, schedule, ..tiny() }
}

/// `config` with one field, named by its path, written by hand.
fn edited(config: &impl serde::Serialize, field: &str, value: Value) -> Value {
    let mut config = serde_json::to_value(config).unwrap();
    *config.pointer_mut(field).unwrap_or_else(|| panic!("{field}")) = value;
    config
}

// ---- numbers asked for

#[test]
fn a_count_of_none_is_refused_before_anything_is_drawn() {
    let desk = Desk::new();
    for (line, flag) in [
        ("cargo chapter 03 --steps 0", "--steps"),
        ("cargo chapter 04 --samples 0", "--samples"),
        ("cargo chapter 04 --n 0", "--samples"),
        ("cargo chapter 04 --every 0", "--every"),
        ("cargo chapter 04 --score 0", "--score"),
        ("cargo chapter 04 --train --steps 0", "--steps"),
        ("cargo chapter 04 --train --score-every 0", "--score-every"),
        ("cargo chapter 04 --train --data ./pets --size 0", "--size"),
        ("cargo chapter 05 --images 0", "--images"),
        ("cargo chapter 05 --images 257", "256"),
        ("cargo chapter 06 --samples 3", "4..="),
        ("cargo chapter 06 --steps 10,0", "--steps"),
        ("cargo chapter 06 --shard 0/2", "--shard"),
        ("cargo chapter 07 --samples 0", "--samples"),
        ("cargo chapter 08 --images 1", "--images"),
        ("cargo chapter 14 --samples 3", "4..="),
        ("cargo chapter 15 --samples 3", "4..="),
        ("cargo from-noise sample weights/mnist-ddpm --samples 0", "--samples"),
        ("cargo from-noise sample weights/mnist-ddpm --steps 0", "--steps"),
        ("cargo from-noise train-classifier --out net --steps 0", "--steps"),
        ("cargo chapter 04 --samples 99999999999999999999", "--samples"),
    ] {
        desk.refuses(line, &[flag]);
    }
    desk.refuses("cargo chapter 04 --score 1", &["128 features from 1 images", "--score 256"]);
    let few = ["128 features from 1 images", "--from-levels 256"];
    desk.refuses("cargo chapter 04 --from-levels 1", &few);
    let few = ["128 features from 1 images", "--variants 256"];
    desk.refuses("cargo chapter 04 --variants 1", &few);
    let zero = "weights = \"weights/mnist-ddpm\"\n[[grid]]\nsamplers = [\"heun\"]\n\
                paths = [\"trailing\"]\nevaluations = [9, 0]\nn = 40\n";
    fs::write(desk.path("zero.toml"), zero).unwrap();
    desk.refuses("cargo from-noise table zero.toml --out t", &["at least one evaluation"]);
}

#[test]
fn one_of_everything_works_and_so_does_a_billion() {
    let desk = Desk::new();
    desk.save_run("run", &tiny(), Kind::Float);
    desk.works("cargo chapter 03 --smoke --steps 1 --seed 18446744073709551615 --out 3");
    desk.works("cargo chapter 06 --weights run --smoke --seed 18446744073709551615 --out 6s");
    desk.works("cargo chapter 04 --weights run --from-levels 256 --smoke --out 4l");
    let schedule = ScheduleConfig::Linear { steps: 10, first: 0.01, last: 0.9 };
    desk.save_run("short", &ImageConfig { schedule, ..tiny() }, Kind::Float);
    let said = ["short knows 10 noise levels", "up to 1000"];
    desk.refuses("cargo chapter 04 --weights short --from-levels 300 --smoke --out 4s", &said);
    desk.works("cargo chapter 04 --weights run --samples 1 --every 1 --smoke --out 4");
    desk.works("cargo chapter 05 --weights run --images 1 --smoke --out 5");
    desk.works("cargo from-noise sample run --samples 1 --steps 1 --out one.npz");
    desk.works("cargo from-noise sample run --n 1 --steps 1 --out one.npz");
    let (_, said) =
        desk.works("cargo chapter 06 --weights run --samples 4 --steps 2 --smoke --out 6");
    assert!(said.contains("features from 4 images is mostly bias: take 256"), "{said}");
    for line in [
        "cargo chapter 03 --steps 1000000000 --dry-run",
        "cargo chapter 04 --weights run --samples 1000000000 --dry-run",
        "cargo chapter 04 --train --steps 1000000000 --dry-run",
        "cargo chapter 06 --weights run --samples 1000000 --steps 2 --dry-run",
    ] {
        desk.works(line);
    }
}

#[test]
fn a_path_that_starts_too_low_names_a_sound_one() {
    let desk = Desk::new();
    desk.save_run("run", &tiny(), Kind::Float);
    for path in ["uniform", "quadratic", "linspace"] {
        let line = format!("cargo from-noise sample run --path {path} --steps 1");
        desk.refuses(&line, &["returns its input: take trailing"]);
    }
    let line = "cargo from-noise sample run --n 1 --path uniform --out a.png --steps";
    let (_, said) = desk.works(&format!("{line} 501"));
    assert!(said.contains("starts at t = 501") && said.contains("take trailing, or 500"), "{said}");
    let (_, said) = desk.works(&format!("{line} 500"));
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn what_cannot_be_drawn_is_refused_before_a_folder_is_made() {
    let desk = Desk::new();
    // No signal is left at T: the prediction of the noise tells nothing of the image there.
    let parameterization = Parameterization { target: Target::Eps, ..Parameterization::default() };
    let schedule = ScheduleConfig::Linear { steps: 10, first: 0.01, last: 1.0 };
    desk.save_run("run", &tiny(), Kind::Float);
    let dark = ImageConfig { schedule, parameterization, ..tiny() };
    desk.save_run("dark", &dark, Kind::Float);
    let one = "returns its input: take trailing";
    for (line, words) in [
        ("cargo chapter 06 --weights run --steps 1", one),
        ("cargo chapter 06 --weights run --steps 10,1001", "1001 steps"),
        ("cargo chapter 04 --weights dark", "alpha_bar_T = 0"),
        ("cargo chapter 04 --weights dark --score 256", "alpha_bar_T = 0"),
        ("cargo chapter 05 --weights dark", "alpha_bar_T = 0"),
        ("cargo chapter 06 --weights dark --smoke", "alpha_bar_T = 0"),
        ("cargo chapter 07 --weights dark --smoke", "alpha_bar_T = 0"),
        ("cargo chapter 10 --weights dark --smoke", "alpha_bar_T = 0"),
        ("cargo chapter 10 --weights run --smoke", "unconditional"),
    ] {
        desk.refuses(&format!("{line} --out new/folder"), &[words]);
        desk.refuses(&format!("{line} --dry-run"), &[words]); // a plan promises what can be done
    }
    // What shows only later leaves no empty folder either.
    for line in [
        "cargo chapter 06 --weights run --classifier nowhere",
        "cargo chapter 04 --weights run --score 100",
        "cargo chapter 03 --toy checkerboard",
    ] {
        desk.refuses(&format!("{line} --out new/folder"), &[]);
    }
}

#[test]
fn a_picture_is_completed_where_the_mask_is_white_or_it_is_said_what_is_wrong() {
    let desk = Desk::new();
    desk.save_run("run", &tiny(), Kind::Float);
    let size = tiny().format.size;
    let paint = |name: &str, size: u32, white: &dyn Fn(u32) -> bool| {
        let shade = |_, y| image::Luma([if white(y) { 255u8 } else { 0 }]);
        image::GrayImage::from_fn(size, size, shade).save(desk.path(name)).unwrap();
    };
    paint("digit.png", size, &|y| y % 3 == 0);
    paint("lower.png", size, &|y| y >= size / 2);
    paint("black.png", size, &|_| false);
    paint("small.png", 5, &|_| true);
    let sample = "cargo from-noise sample run --steps 4 --out new.npy";
    for (flags, word) in [
        ("--inpaint digit.png", "--mask"),
        ("--inpaint digit.png --mask nowhere.png", "nowhere.png"),
        ("--inpaint digit.png --mask small.png", "5 x 5 pixels"),
        ("--inpaint small.png --mask lower.png", "5 x 5 pixels"),
        ("--inpaint digit.png --mask black.png", "nothing is missing"),
        ("--inpaint digit.png --mask lower.png --resample 2", "add --sampler ddpm"),
        ("--inpaint digit.png --mask lower.png --sampler ddpm --resample 2", "--jump 5"),
        ("--inpaint digit.png --mask lower.png --no-clip", "cannot be used"),
    ] {
        desk.refuses(&format!("{sample} {flags}"), &[word]);
    }
    let image_condition = Some(ImageCondition::Masked);
    let mut trained = ImageConfig { image_condition, ..tiny() };
    trained.network.in_channels = 2 * trained.network.out_channels + 1;
    desk.save_run("trained", &trained, Kind::Float);
    let by_training = sample.replace("run", "trained");
    let line = format!("{by_training} --inpaint digit.png --mask lower.png --sampler ddpm");
    desk.refuses(&format!("{line} --resample 2"), &["--resample means nothing"]);
    // the path quadratic has fewer levels than steps, and no way back may be longer
    let long = "--path quadratic --steps 200 --sampler ddpm --resample 2 --jump 199";
    let line = format!("cargo from-noise sample run --inpaint digit.png --mask lower.png {long}");
    desk.refuses(&line, &["--jump 199", "levels of the path"]);
    let back = "--sampler ddpm --resample 2 --jump 2";
    for (sample, flags) in [(sample, ""), (sample, back), (by_training.as_str(), "")] {
        let line = format!("{sample} --inpaint digit.png --mask lower.png --samples 2 {flags}");
        desk.succeeds(&line);
        let drawn = Tensor::read_npy(desk.path("new.npy")).unwrap(); // [2, H, W, 1]
        let kept = drawn.narrow(1, 0, size as i64 / 2).to_kind(Kind::Int64);
        let rows = Tensor::arange(size as i64 / 2, (Kind::Int64, Device::Cpu)).remainder(3);
        let wanted = rows.eq(0).to_kind(Kind::Int64) * 255;
        assert_eq!((kept - wanted.view([1, -1, 1, 1])).abs().max().int64_value(&[]), 0, "{flags}");
    }
    // chapter 8 compares the runs of a folder, and a run is no such folder
    desk.refuses("cargo chapter 08 --weights run --out new", &["the folder that the runs lie in"]);
    desk.refuses("cargo chapter 08 --weights nowhere --out new", &["nowhere"]);
}

#[test]
fn a_config_written_by_hand_is_checked() {
    let desk = Desk::new();
    let linear = |steps, first, last| json!({"kind": "linear", "steps": steps, "first": first, "last": last});
    let sigmoid = |start, end, tau| json!({"kind": "sigmoid-alpha-bar", "steps": 9, "start": start, "end": end, "tau": tau});
    let cosine = |s| json!({"kind": "cosine", "steps": 9, "s": s});
    for (i, (field, value, word)) in [
        ("/schedule", linear(10, 1e-4, 2.0), "beta"),
        ("/schedule", linear(10, -0.1, 0.5), "beta"),
        ("/schedule", linear(10, 0.0, 0.5), "beta"),
        ("/schedule", linear(3, 1.0, 0.5), "before its last step"),
        ("/schedule", linear(0, 1e-4, 0.02), "0 steps"),
        ("/schedule", linear(99_999_999, 1e-4, 0.02), "99999999 steps"),
        ("/schedule", sigmoid(0.0, 0.0, 1.0), "no noise in step 1"),
        ("/schedule", sigmoid(-3.0, 3.0, 0.0), "no noise in step"),
        ("/schedule", sigmoid(-3000.0, 3000.0, 1.0), "no noise in step"),
        ("/schedule", cosine(-0.5), "no noise in step"),
        ("/schedule", cosine(1e300), "no noise in step"),
        ("/format/size", json!(32), "[1, 32, 32]"),
        ("/format/color", json!("rgb"), "[3, 28, 28]"),
        ("/network/out_channels", json!(2), "out_channels is 2"),
        ("/network/groups", json!(0), "groups"),
        ("/parameterization/head", json!("mean-and-nu"), "it is 2 here"),
        ("/parameterization/target", json!({"edm": {"sigma_data": 0.0}}), "sigma_data"),
        ("/batch", json!(0), "batch is 0"),
        ("/train/cooldown", json!([5, 5]), "cooldown"),
        ("/train/lr", json!(-1.0), "lr"),
        ("/train/ema_decay", json!(2.0), "ema_decay"),
    ]
    .into_iter()
    .enumerate()
    {
        desk.save_run("run", &tiny(), Kind::Float);
        desk.config("run", &edited(&tiny(), field, value));
        let lines = [
            "cargo from-noise sample run",
            "cargo chapter 04 --weights run",
            "cargo chapter 05 --weights run",
            "cargo chapter 06 --weights run",
            "cargo chapter 07 --weights run",
            "cargo chapter 04 --train --config run --smoke --out new",
        ];
        for line in ["cargo from-noise info run", lines[i % lines.len()]] {
            desk.refuses(line, &[word, "config.json"]);
        }
    }
    // captions for a network that reads them
    let reads = Pretrained::config("weights/glide/base").unwrap();
    desk.config("run", &edited(&reads, "/data", json!("./scenes")));
    for part in ["train", "test"] {
        fs::create_dir_all(desk.path(&format!("scenes/{part}"))).unwrap();
        for i in 0..4 {
            let path = desk.path(&format!("scenes/{part}/{i}.png"));
            image::RgbImage::new(32, 32).save(path).unwrap();
        }
    }
    let line = "cargo chapter 04 --train --config run --smoke --out new";
    desk.refuses(line, &["scenes has no captions", "learn from captions"]);
    let weighting = json!({"min-snr": -1.0});
    let mut config = serde_json::to_value(tiny()).unwrap();
    config["weighting"] = weighting;
    desk.config("run", &config);
    desk.refuses("cargo from-noise info run", &["weighting"]);

    let classifier = ClassifierConfig::default();
    for (field, value, word) in
        [("/classes", json!(0), "classes is 0"), ("/format/size", json!(4), "size is 4")]
    {
        desk.config("net", &edited(&classifier, field, value));
        let line = "cargo chapter 04 --score 256 --classifier net --smoke";
        desk.refuses(line, &[word, "config.json"]);
    }
}

#[test]
fn a_schedule_of_ten_steps_is_as_good_as_one_of_a_thousand() {
    let desk = Desk::new();
    desk.pictures("pets");
    desk.save_run("run", &own("./pets", Color::Gray), Kind::Float);
    desk.works("cargo chapter 04 --weights run --samples 2 --out 4");
    desk.works("cargo chapter 04 --train --config run --smoke --steps 2 --out trained");
    assert!(desk.path("trained/grids/00000002.png").exists());
    desk.works("cargo chapter 05 --weights run --out 5");
    assert!(desk.read("5/inversion.csv").starts_with("steps,images,exact,latent_std\n10,"));
}

// ---- flags

#[test]
fn a_flag_that_would_mean_nothing_is_refused_by_name() {
    let desk = Desk::new();
    desk.pictures("pets");
    for flag in [
        "--data ./pets",
        "--size 16",
        "--rgb",
        "--steps 5",
        "--resume",
        "--config weights/mnist-ddpm",
        "--start-from weights/mnist-ddpm",
        "--score-every 5",
    ] {
        let name = flag.split(' ').next().unwrap();
        desk.refuses(&format!("cargo chapter 04 {flag}"), &[name, "add --train"]);
    }
    for (line, words) in [
        ("cargo chapter 04 --train --data mnist --size 64", ["--size", "mnist"]),
        ("cargo chapter 04 --train --rgb", ["--rgb", "mnist"]),
        ("cargo chapter 04 --train --data cifar10 --rgb", ["--rgb", "cifar10"]),
        ("cargo chapter 04 --train --samples 5", ["--train", "--samples"]),
        ("cargo chapter 04 --train --every 5", ["--train", "--every"]),
        ("cargo chapter 04 --score 300 --samples 5", ["--score", "--samples"]),
        ("cargo chapter 04 --train --config weights/mnist-ddpm --seed 5", ["--config", "--seed"]),
        ("cargo chapter 04 --classifier weights/mnist-classifier", ["--classifier", "--score"]),
        ("cargo chapter 01 --resume", ["--resume", "unexpected"]),
        ("cargo chapter 02 --resume", ["--resume", "unexpected"]),
        ("cargo chapter 05 --resume", ["--resume", "unexpected"]),
        ("cargo from-noise train-classifier --out net --data mnist --size 32", ["--size", "mnist"]),
        ("cargo chapter 03 --toy checkerboard", ["checkerboard", "choose another --toy"]),
        ("cargo chapter 04 --skip-bad", ["--skip-bad is for a folder", "mnist"]),
        ("cargo chapter 04 --train --skip-bad", ["--skip-bad is for a folder", "mnist"]),
        ("cargo chapter 05 --skip-bad", ["--skip-bad is for a folder", "mnist"]),
        ("cargo chapter 06 --skip-bad", ["--skip-bad is for a folder", "mnist"]),
        (
            "cargo from-noise train-classifier --out net --skip-bad",
            ["--skip-bad is for a folder", "mnist"],
        ),
        ("cargo chapter 01 --device cuda:1", ["--device cuda:1", "on the CPU"]),
        ("cargo chapter 02 --device mps", ["--device mps", "on the CPU"]),
        ("cargo chapter 03 --smoke --preset gpu", ["--smoke", "--preset"]),
        ("cargo chapter 04 --samples 3 --preset gpu", ["--samples", "--preset"]),
        ("cargo chapter 04 --score 300 --preset gpu", ["--score", "--preset"]),
        ("cargo chapter 04 --from-levels 300 --preset gpu", ["--from-levels", "--preset"]),
        (
            "cargo chapter 04 --train --config weights/mnist-ddpm --preset gpu",
            ["--config", "--preset"],
        ),
        ("cargo chapter 05 --images 3 --preset gpu", ["--images", "--preset"]),
        ("cargo chapter 06 --samples 300 --preset gpu", ["--samples", "--preset"]),
        ("cargo chapter 10 --samples 300 --preset gpu", ["--samples", "--preset"]),
    ] {
        desk.refuses(line, &words);
    }
    let stats = "score stats.npz stats.npz";
    let numbers = Tensor::arange(3, (Kind::Double, Device::Cpu));
    let [mu, sigma] = [numbers.copy(), numbers.diag(0)];
    Tensor::write_npz(&[("mu", mu), ("sigma", sigma)], desk.path("stats.npz")).unwrap();
    let noise = Seeded::new(0, 0).start(&[2, 1, 28, 28]);
    noise.write_npy(desk.path("x_T.npy")).unwrap();
    let sample = "sample weights/mnist-unet-class --n 2";
    for (line, flag) in [
        (format!("{stats} --device cpu"), "--device"),
        (format!("{stats} --device cuda"), "--device"),
        (format!("{stats} --classifier weights/mnist-classifier"), "--classifier"),
        (format!("{stats} --skip-bad"), "--skip-bad"),
        (format!("{stats} --metrics kid --force"), "--force"),
        (format!("{stats} --neighbors 4"), "--neighbors"),
        (format!("{sample} --noise x_T.npy --seed 3"), "--seed"),
        (format!("{sample} --guidance 1 --guidance-rescale 0.5"), "--guidance-rescale"),
        (format!("{sample} --guidance 1 --guidance-interval 0.5,5"), "--guidance-interval"),
        (format!("{sample} --guidance 1 --negative-class 3"), "--negative-class"),
        (
            "sample weights/glide/base --n 2 --guidance 1 --negative-prompt red".into(),
            "--negative-prompt",
        ),
        ("sample weights/mnist-ddpm --n 2 --guidance 1".into(), "--guidance"),
    ] {
        desk.refuses(&format!("cargo from-noise {line}"), &[flag, "means nothing", "leave it out"]);
    }
}

#[test]
fn a_command_in_a_sidecar_or_a_message_can_be_pasted_back() {
    let desk = Desk::new();
    desk.save_run("my run", &tiny(), Kind::Float);
    let line = "cargo from-noise sample 'my run' --n 2 --steps 1 --out \"it's.png\"";
    desk.works(line);
    desk.works("cargo chapter 04 --weights 'my run' --smoke --out 'my $HOME'");
    for (sidecar, typed) in [
        ("it's.png.json", shlex::split(line)),
        (
            "my $HOME/samples.png.json",
            shlex::split("cargo chapter 04 --weights 'my run' --smoke --out 'my $HOME'"),
        ),
    ] {
        let sidecar: Value = serde_json::from_str(&desk.read(sidecar)).unwrap();
        let command = sidecar["command"].as_str().unwrap();
        assert_eq!(shlex::split(command), typed, "{command}");
    }
    let (said, _) =
        desk.works("cargo chapter 04 --train --config 'my run' --smoke --steps 1 --out 'a b'");
    assert!(said.contains("cargo chapter 04 --weights 'a b'"), "{said}");
}

// ---- a user's own run

#[test]
fn chapters_draw_with_given_weights_and_their_own_pictures() {
    let desk = Desk::new();
    desk.pictures("pets");
    desk.save_run("colour", &own("./pets", Color::Rgb), Kind::Float);
    for line in [
        "cargo chapter 04 --weights colour --samples 3 --out 4",
        "cargo chapter 05 --weights colour --images 3 --out 5",
    ] {
        desk.works(line);
    }
    let sidecar: Value = serde_json::from_str(&desk.read("5/inversion.csv.json")).unwrap();
    assert_eq!(sidecar["n"], 3);

    let image_condition = Some(ImageCondition::LowRes(LowRes {
        factor: 2,
        interpolation: Interpolation::Bilinear,
        max_noise_level: 0,
    }));
    let mut upsampler = ImageConfig { image_condition, ..own("./pets", Color::Gray) };
    upsampler.network.in_channels = 2;
    desk.save_run("upsampler", &upsampler, Kind::Float);
    for line in ["cargo chapter 04 --weights", "cargo chapter 05 --weights"] {
        desk.refuses(&format!("{line} upsampler"), &["sees a low-res image", "beside x_t"]);
    }
    desk.refuses("cargo from-noise sample upsampler", &["enlarges images", "--upsample upsampler"]);
    let small = Format { color: Color::Gray, size: 8 };
    let network = UnetConfig { image_size: 8, ..own("./pets", Color::Gray).network };
    let small = ImageConfig { format: small, network, ..own("./pets", Color::Gray) };
    desk.save_run("small", &small, Kind::Float);
    let line = "cargo from-noise sample small --samples 3 --steps 2 --upsample";
    desk.works(&format!("{line} upsampler --out large.npy --out large.gif"));
    let large = fs::read(desk.path("large.npy")).unwrap();
    assert!(text(&large[..128]).contains("(3, 16, 16, 1)"));
    desk.refuses(&format!("{line} colour"), &["not trained to enlarge"]);
    desk.refuses(&format!("{line} upsampler --noise-level 3"), &["noise level is 0, not 3"]);
    let line = "cargo from-noise sample alone --steps 2 --upsample upsampler";
    desk.save_run("alone", &own("./pets", Color::Gray), Kind::Float);
    desk.refuses(line, &["enlarges images of [1, 8, 8]", "not [1, 16, 16]"]);
    let (said, _) = desk.works("cargo from-noise info upsampler");
    assert!(said.contains("condition  a low-res image of"), "{said}");
    desk.works("cargo chapter 04 --train --config upsampler --smoke --out upsampled");

    let labelled = ImageConfig { classes: Some(2), ..own("./pets", Color::Gray) };
    desk.save_run("labelled", &labelled, Kind::Float);
    desk.works("cargo chapter 04 --weights labelled --samples 3 --out 4l");
    desk.refuses(
        "cargo chapter 05 --weights labelled",
        &["one class at a time", "sample labelled"],
    );
    let one = ImageConfig { classes: Some(1), ..labelled };
    desk.config("one", &one);
    let line = "cargo chapter 04 --train --config one --smoke --out trained";
    desk.refuses(line, &["the data have 2 classes, config.json knows 1"]);
}

#[test]
fn a_grey_folder_is_learned_and_scored() {
    let desk = Desk::new();
    desk.pictures("pets");
    desk.save_run("grey", &own("./pets", Color::Gray), Kind::Float);
    let train = "cargo from-noise train-classifier --data ./pets --size 16 --out net --steps";
    let (said, _) = desk.works(&format!("{train} 2"));
    assert!(said.contains("of 16 test images"), "{said}");
    desk.works(&format!("{train} 3 --resume"));
    let sidecar: Value = serde_json::from_str(&desk.read("net/score.csv.json")).unwrap();
    assert_eq!(sidecar["config"]["format"], json!({"color": "gray", "size": 16}));
    desk.works("cargo chapter 04 --weights grey --classifier net --score 256 --smoke --out 4");
    desk.works("cargo from-noise score pets/train pets/test --classifier net --force");
    for chapter in ["06", "07"] {
        desk.works(&format!(
            "cargo chapter {chapter} --weights grey --classifier net --smoke --out {chapter}"
        ));
    }
    desk.refuses(&format!("{train} 2"), &["already holds a run", "--resume"]);
    fs::rename(desk.path("pets/test/b"), desk.path("pets/test/c")).unwrap();
    desk.refuses(&format!("{train} 4 --resume"), &["[\"a\", \"b\"]", "[\"a\", \"c\"]"]);
    for class in ["a", "b", "c"] {
        for part in ["train", "test"] {
            let folder = desk.path("three").join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            let from = desk.path("pets/train/a/0.png");
            fs::copy(from, folder.join("0.png")).unwrap();
        }
    }
    desk.save_run("other", &own("./three", Color::Gray), Kind::Float);
    let line = "cargo chapter 04 --weights other --classifier net --score 256";
    desk.refuses(line, &["the classifier knows 2 classes", "has 3"]);
}

#[test]
fn pictures_that_cannot_be_used_are_left_out_wherever_a_folder_is_read() {
    let desk = Desk::new();
    desk.pictures("pets");
    desk.save_run("grey", &own("./pets", Color::Gray), Kind::Float);
    desk.save_run("nets/grey", &own("./pets", Color::Gray), Kind::Float);
    desk.works("cargo from-noise train-classifier --data ./pets --size 16 --out net --steps 2");
    let table = "weights = \"grey\"\nclassifier = \"net\"\n[[grid]]\nsamplers = [\"heun\"]\n\
                 paths = [\"trailing\"]\nsteps = [1]\nn = 40\n";
    fs::write(desk.path("sweep.toml"), table).unwrap();
    for part in ["train", "test"] {
        fs::write(desk.path("pets").join(part).join("a/bad.png"), "no picture").unwrap();
    }
    for line in [
        "cargo chapter 04 --weights grey --classifier net --score 256 --smoke",
        "cargo chapter 04 --train --data ./pets --size 16 --smoke --steps 2",
        "cargo chapter 05 --weights grey --smoke",
        "cargo chapter 06 --weights grey --classifier net --smoke",
        "cargo chapter 07 --weights grey --classifier net --smoke",
        "cargo chapter 08 --weights nets --classifier net --smoke",
        "cargo from-noise table sweep.toml",
        "cargo from-noise train-classifier --data ./pets --size 16 --steps 2",
        "cargo from-noise score pets/train pets/test --classifier net --force",
    ] {
        let out = if line.contains(" score ") { "" } else { "--out made" };
        desk.refuses(&format!("{line} {out}"), &["bad.png", "leave them out with --skip-bad"]);
        let (_, said) = desk.works(&format!("{line} {out} --skip-bad"));
        assert!(
            said.contains("passed over 1 picture") && said.contains("bad.png"),
            "{line}: {said}"
        );
        let _ = fs::remove_dir_all(desk.path("made"));
    }
    let draw = "cargo chapter 04 --weights grey --smoke --out 4";
    let (_, said) = desk.works(draw);
    assert!(said.contains("no loss by level") && said.contains("--skip-bad"), "{said}");
    let (_, said) = desk.works(&format!("{draw} --skip-bad"));
    assert!(!said.contains("no loss by level") && said.contains("passed over 1"), "{said}");
}

#[test]
fn a_run_is_trained_longer_and_says_how() {
    let desk = Desk::new();
    let train = from_noise::train::TrainConfig { cooldown: Some([3, 5]), ..tiny().train };
    desk.config("plan", &ImageConfig { train, ..tiny() });
    let line = "cargo chapter 04 --train --config plan --smoke --out run --steps";
    desk.works(&format!("{line} 10"));
    let before = desk.read("run/config.json");
    desk.works(&format!("{line} 10 --resume"));
    desk.works(&format!("{line} 4 --resume")); // has its steps already
    assert_eq!(desk.read("run/config.json"), before);
    let (said, _) = desk.works(&format!("{line} 20 --resume"));
    assert!(said.contains("from step 10 with another train.cooldown[1]: 10 -> 20"), "{said}");
    let after: Value = serde_json::from_str(&desk.read("run/config.json")).unwrap();
    assert_eq!(after["config"]["train"]["cooldown"], json!([12, 20]));
    let changes = json!([
        "at step 10: train.cooldown[0]: 6 -> 12",
        "at step 10: train.cooldown[1]: 10 -> 20"
    ]);
    assert_eq!(after["changes"], changes);
    let log = desk.read("run/log.csv");
    assert_eq!(log.lines().count(), 3, "{log}"); // header, 10, 20
    desk.config("plan", &ImageConfig { batch: 5, ..tiny() });
    desk.refuses(&format!("{line} 30 --resume"), &["batch: 4 -> 5"]);
}

#[test]
fn a_run_whose_pictures_moved_goes_on() {
    let desk = Desk::new();
    desk.pictures("pets");
    let train = |folder: &str| {
        format!("cargo chapter 04 --train --data {folder} --size 16 --smoke --out run --steps")
    };
    desk.works(&format!("{} 2", train("./pets")));
    desk.works("cargo from-noise train-classifier --data ./pets --size 16 --out net --steps 2");
    fs::rename(desk.path("pets"), desk.path("moved")).unwrap();
    let here = fs::canonicalize(desk.path("")).unwrap();
    let words = ["the pictures of", "run", "not at ./pets", here.to_str().unwrap(), "\"data\""];
    let table = "weights = \"run\"\nclassifier = \"net\"\n[[grid]]\nsamplers = [\"heun\"]\n\
                 paths = [\"trailing\"]\nsteps = [1]\nn = 40\n";
    fs::write(desk.path("sweep.toml"), table).unwrap();
    for line in [
        "cargo from-noise table sweep.toml --out t",
        "cargo chapter 05 --weights run --smoke",
        "cargo chapter 06 --weights run --classifier net --smoke",
        "cargo chapter 04 --weights run --classifier net --score 256 --smoke",
    ] {
        desk.refuses(line, &words);
    }
    let (_, said) = desk.works("cargo chapter 04 --weights run --smoke --out 4");
    assert!(said.contains("no loss by level") && said.contains("not at ./pets"), "{said}");
    desk.refuses(&format!("{} 4 --resume", train("./pets")), &["./pets", "check the path"]);
    let (said, _) = desk.works(&format!("{} 4 --resume", train("./moved")));
    assert!(said.contains("data: \"./pets\" -> \"./moved\""), "{said}");
    desk.works("cargo from-noise table sweep.toml --out t");
    desk.refuses(
        "cargo chapter 04 --train --smoke --out run --resume --steps 6",
        &["data: \"./moved\" -> \"mnist\""],
    );
}

#[test]
fn tables_that_a_spreadsheet_saved_are_read_or_refused() {
    let desk = Desk::new();
    desk.config("plan", &tiny());
    let line = "cargo chapter 04 --train --config plan --smoke --out run --steps";
    desk.works(&format!("{line} 10"));
    for name in ["run/log.csv", "run/timing.csv"] {
        let text = desk.read(name).replace('\n', "\r\n");
        fs::write(desk.path(name), format!("\u{feff}{text}")).unwrap();
    }
    desk.works(&format!("{line} 20 --resume"));
    let log = desk.read("run/log.csv");
    assert!(log.starts_with("step,loss,grad_norm\n10,") && log.lines().count() == 3, "{log}");
    assert!(!log.contains('\r'), "{log:?}");
    fs::write(desk.path("run/log.csv"), log.replace(',', ";")).unwrap();
    desk.refuses(&format!("{line} 30 --resume"), &["log.csv: line 1", "step;loss", "commas"]);
    let (said, _) = desk.works("cargo from-noise info run");
    assert!(said.contains("separated by commas"), "{said}");
    let (_, said) = desk.works("cargo chapter 04 --weights run --smoke --out 4");
    assert!(said.contains("no loss while training") && said.contains("log.csv"), "{said}");
    fs::write(desk.path("run/table.csv"), "sampler;path;steps\nDDIM;uniform;10\n").unwrap();
    let (said, _) = desk.works("cargo from-noise info run");
    assert!(said.contains("table.csv, line 1: ';' separates"), "{said}");
}

#[test]
fn weights_of_other_floats_are_converted_and_lost_digits_are_said() {
    let desk = Desk::new();
    let config = tiny();
    desk.save_run("run", &config, Kind::Float);
    let draw = |run: &str| {
        let line = format!("cargo from-noise sample {run} --n 2 --steps 2 --out {run}.npz");
        let (_, said) = desk.works(&line);
        let array = Tensor::read_npz(desk.path(&format!("{run}.npz"))).unwrap().remove(0).1;
        (array.to_kind(Kind::Float), said.matches("converted to Float").count())
    };
    let (images, said) = draw("run");
    assert_eq!(said, 0);
    for (name, kind, most, times) in [
        ("half", Kind::Half, 20.0, 0), // f32 holds it exactly
        ("brain", Kind::BFloat16, 60.0, 0),
        ("double", Kind::Double, 0.0, 1),
    ] {
        desk.save_run(name, &config, kind);
        let (found, said) = draw(name);
        assert_eq!(said, times, "{name}");
        let apart = (found - &images).abs().mean(Kind::Float).double_value(&[]);
        assert!(apart <= most, "{name}: {apart} of 255");
    }
}

// ---- what a stranger typed

#[test]
fn networks_that_read_captions_are_refused_where_there_are_none() {
    let desk = Desk::new();
    for line in [
        "cargo chapter 04 --smoke --weights weights/glide/base",
        "cargo chapter 04 --smoke --from-levels 256 --weights weights/glide/base --classifier weights/captions-classifier",
        "cargo chapter 05 --smoke --weights weights/glide/base",
        "cargo chapter 07 --smoke --weights weights/glide/base --classifier weights/captions-classifier",
        "cargo chapter 08 --smoke --weights weights/glide --classifier weights/captions-classifier",
        "cargo chapter 12 --smoke --weights weights/glide/base --classifier weights/captions-classifier",
    ] {
        desk.refuses(line, &["reads captions", "cargo chapter 14"]);
    }
}

#[test]
fn images_that_are_no_numbers_have_no_score() {
    let desk = Desk::new();
    desk.run_and_classifier(&own("./pets", Color::Gray));
    let table = "weights = \"run\"\nclassifier = \"net\"\nclip = false\n[[grid]]\n\
                 samplers = [{ edm = { s_churn = 5.0, s_min = 0.0, s_max = 1e9, s_noise = 1e30 } }]\n\
                 paths = [\"karras\"]\nsteps = [3]\nn = 4\n";
    fs::write(desk.path("far.toml"), table).unwrap();
    desk.refuses("cargo from-noise table far.toml --out t", &["EDM", "ran away", "path karras"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let desk = Desk::new();
    desk.config("run", &tiny());
    let vs = nn::VarStore::new(Device::Cpu);
    let _network = tiny().build(&vs.root());
    let name = "conv_in.bias";
    let _ = tch::no_grad(|| vs.variables()[name].shallow_clone().fill_(f64::NAN));
    save_weights(&vs, desk.path("run/ema.safetensors"), 7).unwrap();
    for line in ["chapter 04 --smoke --weights run", "from-noise sample run --steps 2"] {
        desk.refuses(&format!("cargo {line}"), &["ema.safetensors", name, "not finite"]);
    }
}

#[test]
fn a_variance_below_zero_is_no_covariance() {
    let desk = Desk::new();
    for (name, variance) in [("good", 1.0), ("bad", -1.0)] {
        let sigma = variance * Tensor::eye(4, tch::kind::DOUBLE_CPU);
        let stats = [("mu", Tensor::zeros([4], tch::kind::DOUBLE_CPU)), ("sigma", sigma)];
        Tensor::write_npz(&stats, desk.path(&format!("{name}.npz"))).unwrap();
    }
    desk.works("cargo from-noise score good.npz good.npz");
    desk.refuses("cargo from-noise score bad.npz good.npz", &["bad.npz", "no covariance"]);
}

#[test]
fn a_classifier_trained_on_is_not_judged_by_the_moments_it_had() {
    let desk = Desk::new();
    desk.pictures("pets");
    let line = "cargo from-noise train-classifier --data ./pets --size 16 --out net --steps";
    desk.works(&format!("{line} 2"));
    let moments = desk.path("net/train-moments.safetensors");
    desk.killed(&format!("{line} 1000000 --resume"), || !moments.exists());
    assert!(!moments.exists());
    let table = "weights = \"weights/mnist-ddpm\"\nclassifier = \"net\"\n[[grid]]\n\
                 samplers = [\"heun\"]\npaths = [\"trailing\"]\nsteps = [2]\nn = 4\n";
    fs::write(desk.path("t.toml"), table).unwrap();
    desk.refuses("cargo from-noise table t.toml --out t", &["net", "train-classifier"]);
    desk.works(&format!("{line} 3 --resume"));
    assert!(moments.exists());
}

#[test]
fn a_flag_that_needs_another_is_refused_beside_what_excludes_that() {
    let desk = Desk::new();
    let sample = "cargo from-noise sample weights/mnist-unet-v --samples 2 --steps 2";
    for line in [
        format!("{sample} --mask nothere.png --no-clip"),
        format!("{sample} --resample 3 --no-clip"),
        format!("{sample} --resample 3 --jump 2 --guided-by weights/mnist-noised-classifier"),
        format!("{sample} --inpaint d.png --mask m.png --noise-level 5"),
        format!("{sample} --inpaint d.png --mask m.png --clip-scale 5"),
        format!("{sample} --inpaint d.png --mask m.png --classifier-scale 5"),
        "cargo from-noise score a.npz b.npz --classifier net --size 33".into(),
        "cargo chapter 04 --train --eta 1".into(),
        "cargo chapter 04 --train --shard 1/2".into(),
        "cargo chapter 04 --variants 300 --eta 1".into(),
        "cargo chapter 04 --from-levels 300 --eta 1".into(),
        "cargo chapter 09 --samples 4 --steps 5".into(),
        "cargo chapter 13 --smoke --samples 4 --until 5".into(),
        "cargo chapter 13 --smoke --samples 4 --resume".into(),
        "cargo chapter 13 --smoke --samples 4 --precision bf16".into(),
        "cargo chapter 13 --train --smoke --classifier net".into(),
        "cargo chapter 15 --smoke --samples 4 --steps 5".into(),
        "cargo chapter 15 --smoke --samples 4 --resume".into(),
    ] {
        desk.refuses(&line, &["cannot be used with"]);
    }
    for line in ["09 --train --smoke", "04 --variants 300", "04 --from-levels 300"] {
        desk.refuses(&format!("cargo chapter {line} --skip-bad"), &["--skip-bad is for a folder"]);
    }
}

#[test]
fn networks_taught_otherwise_than_their_flag_says_are_refused() {
    let desk = Desk::new();
    let (clean, noised) = ("weights/mnist-clean-classifier", "weights/mnist-noised-classifier");
    for (line, words) in [
        (format!("09 --smoke --noised {clean}"), ["--noised", "by clean images alone"]),
        (format!("09 --smoke --clean {noised}"), ["--clean", "in noise"]),
        ("15 --smoke --noised weights/clip/clean".into(), ["--noised", "by clean images alone"]),
        ("14 --smoke --inpainting weights/glide/base".into(), ["--inpainting", "to complete"]),
    ] {
        desk.refuses(&format!("cargo chapter {line}"), &words);
    }
}

#[test]
fn what_is_damaged_is_not_exported() {
    let desk = Desk::new();
    desk.save_run("run", &tiny(), Kind::Float);
    let whole = fs::read(desk.path("run/ema.safetensors")).unwrap();
    fs::write(desk.path("run/ema.safetensors"), &whole[..whole.len() / 2]).unwrap();
    desk.refuses("cargo from-noise export run --out copy", &["damaged or cut short"]);
    fs::write(desk.path("run/ema.safetensors"), whole).unwrap();
    fs::write(desk.path("run/config.json"), "{").unwrap();
    desk.refuses("cargo from-noise export run --out copy", &["config.json"]);
}

#[test]
fn a_training_killed_at_any_time_has_all_its_pictures() {
    let desk = Desk::new();
    desk.save_run("start", &tiny(), Kind::Float);
    let line = |run: &str| {
        format!("cargo chapter 04 --train --smoke --config start --steps 24 --out {run}")
    };
    let grids = |run: &str| {
        let found = fs::read_dir(desk.path(run).join("grids")).into_iter().flatten();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect(); // cut off
        names.sort();
        names
    };
    desk.works(&format!("{} --start-from start", line("whole")));
    let mut more = " --start-from start";
    for pictures in [1, 3, 5, 7, 9, 11] {
        desk.killed(&(line("cut") + more), || grids("cut").len() >= pictures);
        more = " --resume";
    }
    desk.works(&(line("cut") + more));
    assert_eq!(grids("cut"), grids("whole"));
    for name in ["model", "ema", "optimizer"] {
        let file =
            |run: &str| fs::read(desk.path(run).join(format!("{name}.safetensors"))).unwrap();
        assert!(file("cut") == file("whole"), "{name}");
    }
}

#[test]
fn a_run_killed_before_its_first_step_still_starts_from_what_was_named() {
    let desk = Desk::new();
    desk.save_run("start", &tiny(), Kind::Float);
    let line = "cargo chapter 04 --train --smoke --config start --steps 1000000 --out run";
    let saved = desk.path("run/ema.safetensors");
    desk.killed(&format!("{line} --start-from start"), || saved.exists());
    let named = |path: &Path| from_noise::checkpoint::load_tensors(path).unwrap();
    let (run, start) = (named(&saved), named(&desk.path("start/ema.safetensors")));
    let apart =
        |(name, ours): (&String, &Tensor)| (ours - &start[name]).abs().max().double_value(&[]);
    assert!(run.iter().map(apart).all(|apart| apart < 0.1), "random weights");
}

#[test]
fn numbers_too_large_are_refused_in_words() {
    let desk = Desk::new();
    for (field, value, words) in [
        ("/network/channels", json!([4_000_000_000_i64, 96]), "at most 8192"),
        ("/network/channels", json!(vec![8; 70]), "at most 16 levels"),
        ("/network/layers", json!(1_000_000_000), "at most 100"),
        ("/network/image_size", json!(100_000_000), "at most 4096"),
    ] {
        desk.config("run", &edited(&tiny(), field, value));
        for line in ["from-noise info run", "chapter 04 --weights run --dry-run"] {
            desk.refuses(&format!("cargo {line}"), &[words]);
        }
    }
    let many = ImageConfig { classes: Some(1_000_000_000_000), ..tiny() };
    desk.config("run", &many);
    desk.refuses("cargo from-noise info run", &["classes", "1,000,000"]);
    desk.pictures("pets");
    let line = "cargo chapter 04 --dry-run --train --data ./pets --size 100000000";
    desk.refuses(line, &["image_size", "at most 4096"]);
    let most = "18446744073709551615";
    desk.works(&format!("cargo chapter 04 --dry-run --variants 256 --seed {most}"));
    desk.works(&format!("cargo chapter 15 --dry-run --train --smoke --seed {most}"));
}

#[test]
fn a_smoke_run_of_any_config_is_short() {
    let desk = Desk::new();
    let line = "cargo chapter 04 --train --smoke --dry-run --config weights/mnist-unet-v";
    let (said, _) = desk.works(line);
    assert!(said.contains("\"steps\": 4") && said.contains("\"batch\": 8"), "{said}");
}

#[test]
fn a_scale_named_twice_is_one_line() {
    let desk = Desk::new();
    let config = own("./pets", Color::Gray);
    let config = ImageConfig { classes: Some(2), condition_dropout: 0.1, ..config };
    desk.run_and_classifier(&config);
    let table = "weights = \"run\"\nclassifier = \"net\"\nguidance = [2.0, 1.0, 2.0]\n[[grid]]\n\
                 samplers = [{ ddim = 0.0 }]\npaths = [\"trailing\"]\nsteps = [2]\nn = 4\n";
    fs::write(desk.path("twice.toml"), table).unwrap();
    let (said, _) = desk.works("cargo from-noise table twice.toml --out t");
    assert!(!said.contains("not drawn yet"), "{said}");
    assert_eq!(desk.read("t/table.csv").lines().count(), 3);
}

#[test]
fn a_line_with_a_long_name_is_kept_and_found_again() {
    let desk = Desk::new();
    desk.run_and_classifier(&own("./pets", Color::Gray));
    let table = "weights = \"run\"\nclassifier = \"net\"\nseed = 1844674407370955161\n\
                 clip = false\n[[grid]]\n\
                 samplers = [{ ddim = 1e-300 }]\npaths = [\"trailing\"]\nsteps = [2]\nn = 4\n";
    fs::write(desk.path("long.toml"), table).unwrap();
    desk.works("cargo from-noise table long.toml --out t --shard 1/1");
    desk.works("cargo from-noise table long.toml --out t --collect");
    assert_eq!(desk.read("t/table.csv").lines().count(), 2);
}

#[test]
fn captions_with_a_byte_order_mark_are_read() {
    let desk = Desk::new();
    fs::write(desk.path("c.txt"), "\u{feff}a large red circle\r\n").unwrap();
    let line = "cargo from-noise sample weights/glide/base --prompts c.txt --steps 2 --samples 1";
    desk.works(&format!("{line} --out c.png"));
}

#[test]
fn a_negative_number_is_told_the_range() {
    let desk = Desk::new();
    let sample = "cargo from-noise sample weights/mnist-unet-v";
    desk.refuses(&format!("{sample} --eta -0.5"), &["eta is -0.5", "to 1"]);
    desk.refuses(&format!("{sample} --steps -3"), &["-3", "--steps"]);
    desk.refuses("cargo chapter 04 --seed -1", &["-1", "--seed"]);
    desk.refuses("cargo chapter 02 --data-std -1", &["-1", "--data-std"]);
}

#[test]
fn a_folder_that_is_not_there_is_named_as_it_was_typed() {
    let desk = Desk::new();
    for line in [
        "chapter 04 --dry-run --from-levels 256 --weights runs/nonsense",
        "chapter 04 --train --dry-run --config runs/nonsense",
        "chapter 05 --weights runs/nonsense",
        "chapter 09 --smoke --clean runs/nonsense",
    ] {
        let out = desk.run(&format!("cargo {line}"));
        let said = text(&out.stderr);
        assert!(said.contains("error: runs/nonsense is no run directory"), "{line}: {said}");
    }
}

#[test]
fn a_file_that_cannot_be_written_costs_no_other() {
    let desk = Desk::new();
    let line = "cargo from-noise sample weights/mnist-unet-v --samples 2 --steps 2";
    desk.refuses(&format!("{line} --out s/x.png --out s/"), &["s/x.png", "another place"]);
    fs::write(desk.path("file"), "").unwrap();
    desk.refuses(&format!("{line} --out file/x.png"), &["file/x.png", "another place"]);
    let out = desk.run(&format!("{line} --out a.npz --out /proc/x.png --out b.npz"));
    assert!(!out.status.success());
    assert!(text(&out.stderr).contains("/proc/x.png"), "{}", text(&out.stderr));
    assert!(desk.path("a.npz").exists() && desk.path("b.npz").exists());
}

/// The table of cases names the tests of this file.
#[test]
fn every_case_names_its_test() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/trouble/commands.csv");
    let mut rows = csv::Reader::from_path(table).unwrap();
    let tests = include_str!("trouble.rs").to_owned() + include_str!("resume.rs");
    let mut seen = 0;
    for row in rows.deserialize::<(String, String, String, String)>() {
        let (case, _, _, test) = row.unwrap();
        assert!(tests.contains(&format!("fn {test}()")), "{case}: {test}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} cases");
}
