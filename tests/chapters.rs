//! Chapters as they are typed: one's own pictures, interruptions, resumed runs, wrong words.

use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::util::results::row_seconds;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn chapter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch04-ddpm"));
    command.args(arguments).env_remove("RUST_BACKTRACE");
    command
}

fn run(arguments: &[&str]) -> Output {
    chapter(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let out = run(arguments);
    assert!(out.status.success(), "{arguments:?}: {}", text(&out.stderr));
    text(&out.stdout)
}

#[track_caller]
fn fails(arguments: &[&str], words: &[&str]) {
    let out = run(arguments);
    assert!(!out.status.success(), "{arguments:?} succeeded");
    let said = text(&out.stderr);
    for word in words {
        assert!(said.contains(word), "{arguments:?}: {word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Two classes of eight small pictures each.
fn pictures(folder: &Path) {
    for (class, shade) in [("dark", 30), ("light", 220)] {
        let class = folder.join(class);
        std::fs::create_dir_all(&class).unwrap();
        for i in 0..8 {
            let paint = |x: u32, y: u32| image::Rgb([shade, (x * 9) as u8, (y * 9 + i) as u8]);
            let picture = image::RgbImage::from_fn(20, 24, paint);
            picture.save(class.join(format!("{i}.png"))).unwrap();
        }
    }
}

#[test]
fn one_s_own_pictures_are_learned_interrupted_resumed_and_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, out) = (scratch.path().join("pets"), scratch.path().join("run"));
    pictures(&folder);
    let (folder, out) = (folder.to_str().unwrap(), out.to_str().unwrap());
    let train = ["--train", "--data", folder, "--rgb", "--size", "16", "--out", out, "--smoke"];
    let forever = [&train[..], &["--steps", "1000000"]].concat();
    let mut child = chapter(&forever);
    // SAFETY: signal only sets an action. A script's background jobs start with SIGINT ignored, and
    // must be stopped by it all the same.
    unsafe {
        child.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_IGN);
            Ok(())
        })
    };
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !Path::new(out).join("grids/00000004.png").exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no grid of samples appeared");
        std::thread::sleep(Duration::from_millis(50));
    }
    // SAFETY: kill only sends a signal, to the child that was just started.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let ended = child.wait_with_output().unwrap();
    let said = text(&ended.stderr);
    assert!(!ended.status.success());
    assert!(said.contains("cargo chapter 04 --train") && said.contains("--resume"), "{said}");
    let rows = || std::fs::read_to_string(Path::new(out).join("log.csv")).unwrap_or_default();
    let before = rows();
    let more = [&train[..], &["--resume", "--steps", "1"]].concat();
    succeeds(&more); // has its steps already, loses none
    assert_eq!(rows(), before);
    fails(&train, &["already", "--resume"]);

    let drawn = scratch.path().join("drawn");
    let drawn = drawn.to_str().unwrap();
    let said = succeeds(&["--weights", out, "--smoke", "--out", drawn]);
    for file in ["samples.png", "on-the-way.png", "denoising.gif"] {
        assert!(said.contains(file) && Path::new(drawn).join(file).exists(), "{file}: {said}");
    }
}

/// Chapter 3 trains several networks: an interruption may come before the second has begun.
#[test]
fn a_chapter_resumes_where_some_networks_have_not_begun() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch03-toy"));
        command.args(["--smoke", "--out"]).arg(scratch.path()).args(more);
        command.output().unwrap()
    };
    assert!(run(&[]).status.success());
    for name in ["eps", "eps-without-t", "small"] {
        std::fs::remove_dir_all(scratch.path().join(name)).unwrap();
    }
    let again = run(&["--resume"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
}

/// Chapter 9 learns two classifiers, and goes on where it was interrupted; its images are kept.
#[test]
fn classifiers_are_learned_resumed_and_guide() {
    let scratch = tempfile::tempdir().unwrap();
    let out = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch09-classifier-guidance"));
        command.args(["--smoke", "--device", "cpu"]).args(more).env_remove("RUST_BACKTRACE");
        command.output().unwrap()
    };
    let well = |more: &[&str]| {
        let out = run(more);
        assert!(out.status.success(), "{more:?}: {}", text(&out.stderr));
    };
    let learned = out("learned");
    let train = ["--train", "--steps", "2", "--out", &learned];
    well(&train);
    let again = run(&train);
    assert!(!again.status.success() && text(&again.stderr).contains("--resume"));
    std::fs::remove_dir_all(Path::new(&learned).join("clean")).unwrap(); // not begun yet
    well(&["--train", "--steps", "4", "--out", &learned, "--resume"]);
    let config = |name: &str| std::fs::read_to_string(Path::new(&learned).join(name)).unwrap();
    assert!(config("noised/config.json").contains("\"noised\": true"));
    assert!(config("clean/config.json").contains("\"noised\": false"));

    let drawn = out("drawn");
    let [noised, clean] = ["noised", "clean"].map(|name| format!("{learned}/{name}"));
    let draw = ["--noised", &noised, "--clean", &clean, "--samples", "10", "--out", &drawn];
    well(&draw);
    let read = |name: &str| std::fs::read(Path::new(&drawn).join(name)).unwrap();
    let first = read("guidance.csv");
    let head = "network,sampler,steps,guide,algorithm,gamma,nfe,n,fid_lenet,error,";
    assert!(text(&first).starts_with(head), "{}", text(&first));
    let inside = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let nets = inside(&Path::new(&drawn).join("parts"));
    let lines: Vec<_> = nets.iter().flat_map(|nets| inside(nets)).collect();
    let parts: Vec<_> = lines.iter().flat_map(|line| inside(line)).collect();
    assert_eq!(parts.len() + 1, text(&first).lines().count(), "a part for each line");
    let when = |part: &PathBuf| part.metadata().unwrap().modified().unwrap();
    let before: Vec<_> = parts.iter().map(when).collect();
    well(&draw);
    assert_eq!(parts.iter().map(when).collect::<Vec<_>>(), before, "drawn again");
    assert_eq!(read("guidance.csv"), first);
    std::fs::remove_dir_all(Path::new(&drawn).join("parts")).unwrap();
    well(&draw);
    assert!(!Path::new(&drawn).join("parts").exists(), "what both tables hold is not drawn again");
    assert_eq!(read("guidance.csv"), first);
    std::fs::remove_file(Path::new(&drawn).join("guidance.csv")).unwrap();
    well(&draw);
    assert_eq!(read("guidance.csv"), first, "what only the parts had told is drawn again");
    let few = run(&["--samples", "3", "--out", &drawn]);
    assert!(text(&few.stderr).contains("3 is not in 4.."), "{}", text(&few.stderr));
    let unfit = run(&["--noised", "weights/mnist-classifier", "--out", &drawn]);
    assert!(!unfit.status.success() && text(&unfit.stderr).contains("config.json"));
}

/// Chapter 13 learns from a folder, goes on, and fills the paper's table with what it learned.
#[test]
fn a_colour_network_is_learned_and_fills_the_paper_s_table() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("pets");
    for part in ["train", "test"] {
        pictures(&folder.join(part));
    }
    let folder = folder.to_str().unwrap();
    let out = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch13-cifar"));
        command.args(["--device", "cpu"]).args(more).env_remove("RUST_BACKTRACE");
        let out = command.output().unwrap();
        (out.status.success(), text(&out.stdout), text(&out.stderr))
    };
    let well = |more: &[&str]| {
        let (success, said, error) = run(more);
        assert!(success, "{more:?}: {error}");
        said
    };
    let learned = out("learned");
    let train = ["--train", "--smoke", "--data", folder, "--out", &learned];
    let said = well(&train);
    assert!(said.contains(&format!("cargo chapter 13 --run {learned}")), "{said}");
    assert!(run(&train).2.contains("--resume"));
    well(&[&train[..], &["--resume", "--until", "6"]].concat());
    let config = Pretrained::config(&learned).unwrap();
    assert_eq!((config.batch, config.flip, config.shape(1)), (4, true, [1, 3, 32, 32]));
    assert_eq!(Pretrained::load(&learned, tch::Device::Cpu).unwrap().step, 6);

    let drawn = out("drawn");
    let said = well(&["--smoke", "--run", &learned, "--data", folder, "--out", &drawn]);
    assert!(said.contains("hours of one NVIDIA H100") && said.contains("(an estimate)"), "{said}");
    assert!(said.contains("FID-LeNet") && !said.contains("FID "), "{said}");
    let read = |name: &str| std::fs::read_to_string(Path::new(&drawn).join(name)).unwrap();
    let fid = read("fid.csv");
    let rows: Vec<&str> = fid.lines().skip(1).collect();
    assert!(rows[0].starts_with(&format!("\"{folder}, FID-LeNet\",2,quadratic,40,")), "{fid}");
    assert_eq!(rows.len(), 2 + 5 + 5, "{fid}");
    let papers = ["CIFAR-10, the paper's FID", "CelebA, the paper's FID"]
        .map(|half| rows.iter().filter(|row| row.starts_with(&format!("\"{half}\","))).count());
    assert_eq!(papers, [5, 5], "the paper's numbers are called the paper's: {fid}");
    // of the paper's code: eta is not clipped, sigma-hat is
    let table = read("table.csv");
    for row in table.lines().skip(1) {
        assert_eq!(row.contains("not clipped"), row.starts_with("DDIM"), "{row}");
    }
    let times = read("times.csv");
    assert!(times.starts_with("work,petaflop,tflop_per_second,hours_estimated,gpu"), "{times}");

    // Without images it draws, and says what is left out; with a network of digits it says why not.
    let few = ["--samples", "4", "--steps", "2", "--out"];
    let said = well(&[&few[..], &[&out("alone")]].concat());
    let missing = !Path::new("datasets/cifar10-jpeg").exists();
    assert!(
        said.contains("no table of scores") == missing && said.contains("samples.png"),
        "{said}"
    );
    let (success, _, error) = run(&["--smoke", "--run", "weights/mnist-ddpm", "--out", &drawn]);
    assert!(!success && error.contains("[3, 32, 32]"), "{error}");
    let no_file = ["--smoke", "--inception", "no.pth", "--out", &drawn];
    assert!(run(&no_file).2.contains("cargo xtask weights fid-inception"));
}

/// Ho et al. 2020, appendix B.
#[test]
fn the_paper_s_recipe_for_cifar10_is_that_of_the_paper() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch13-cifar"));
    command.args(["--train", "--preset", "paper", "--dry-run", "--device", "cpu"]);
    let said = text(&command.output().unwrap().stdout);
    assert!(said.contains("parameters: 35746307\n"), "{said}");
    let (_, plan) = said.split_once("config: ").unwrap();
    let (plan, _) = plan.split_once("parameters: ").unwrap();
    let plan: serde_json::Value = serde_json::from_str(plan).unwrap();
    assert_eq!(plan["train"]["until"], 800_000);
    let image: ImageConfig = serde_json::from_value(plan["train"]["image"].clone()).unwrap();
    let train = &image.train;
    assert_eq!((image.batch, image.flip, image.network.dropout), (128, true, 0.1));
    assert_eq!((train.lr, train.warmup, train.ema_decay), (2e-4, 5000, 0.9999));
    assert_eq!((train.cooldown, train.clip), (None, Some(1.0)));
}

#[test]
fn clips_are_learned_resumed_and_guide() {
    let scratch = tempfile::tempdir().unwrap();
    let out = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch15-clip"));
        command.args(["--smoke", "--device", "cpu"]).args(more).env_remove("RUST_BACKTRACE");
        command.output().unwrap()
    };
    let well = |more: &[&str]| {
        let out = run(more);
        assert!(out.status.success(), "{more:?}: {}", text(&out.stderr));
    };
    let learned = out("learned");
    well(&["--train", "--steps", "2", "--out", &learned]);
    let again = run(&["--train", "--steps", "2", "--out", &learned]);
    assert!(!again.status.success() && text(&again.stderr).contains("--resume"));
    std::fs::remove_dir_all(Path::new(&learned).join("held-out")).unwrap(); // not begun yet
    well(&["--train", "--steps", "4", "--out", &learned, "--resume"]);
    let dirs = ["noised", "clean", "held-out"].map(|name| format!("{learned}/{name}"));
    let config = |dir: &String| std::fs::read_to_string(format!("{dir}/config.json")).unwrap();
    let [noised, clean, held_out] = [0, 1, 2].map(|i| config(&dirs[i]));
    for (config, is_noised, seed) in [(noised, true, 0), (clean, false, 0), (held_out, false, 1)] {
        assert!(config.contains(&format!("\"noised\": {is_noised}")), "{config}");
        assert!(config.contains(&format!("\"seed\": {seed}")), "{config}");
    }
    let drawn = out("drawn");
    let [noised, clean, held_out] = &dirs;
    let nets = ["--noised", noised, "--clean", clean, "--held-out", held_out];
    let draw = [&nets[..], &["--samples", "4", "--out", &drawn]].concat();
    well(&draw);
    let read = |name: &str| std::fs::read_to_string(Path::new(&drawn).join(name)).unwrap();
    let table = read("guidance.csv");
    assert!(table.starts_with("guide,scale,steps,nfe,seconds,n,all,color,"), "{table}");
    assert_eq!(table.lines().count(), 5, "{table}");
    std::fs::remove_dir_all(Path::new(&drawn).join("parts")).unwrap();
    well(&draw);
    assert!(!Path::new(&drawn).join("parts").exists(), "what both tables hold is not drawn again");
    assert_eq!(read("guidance.csv"), table);
    for name in ["dream.csv", "retrieval.csv"] {
        assert!(read(name).lines().count() > 1, "{name}");
    }
    let unfit = run(&["--noised", "weights/mnist-classifier", "--out", &drawn]);
    assert!(!unfit.status.success() && text(&unfit.stderr).contains("config.json"));
}

#[test]
fn scores_say_all_they_depend_on() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().to_str().unwrap();
    let said = succeeds(&[
        "--score",
        "600",
        "--weights",
        "weights/mnist-ddpm",
        "--smoke",
        "--seed",
        "3",
        "--out",
        out,
        "--eta",
        "1",
    ]);
    for word in ["n = 600", "path uniform", "2 evaluations", "seed 3", "real images"] {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    let table = std::fs::read_to_string(scratch.path().join("score.csv")).unwrap();
    let head = "sampler,path,steps,nfe,n,metric,distance,error,fid_real,feature_net,seed,weights,\
                class_entropy,class_accuracy,condition";
    assert_eq!(table.lines().next(), Some(head));
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with("DDIM eta 1,uniform,2,2,600,"), "{row}");
    assert!(row.contains(",3,ema at step "), "{row}");
}

#[test]
fn a_plan_counts_what_it_would_cost() {
    // What is learned is what the chapter shows: as `info` counts and describes those weights.
    let config = Pretrained::config("weights/mnist-unet-v").unwrap();
    let net = config.network.cost().unwrap();
    let presets = [("cpu", 64, 20_000), ("gpu", config.batch as u64, 7500)];
    for (preset, batch, steps) in presets {
        let said = succeeds(&["--train", "--preset", preset, "--dry-run"]);
        let megaflop = format!("{:.1} MFLOP per sample and forward pass", net.flops as f64 / 1e6);
        assert!(said.contains(&megaflop), "{said}");
        assert!(said.contains(&format!("parameters: {}\n", net.params)), "{said}");
        let (_, plan) = said.split_once("config: ").unwrap();
        let (plan, cost) = plan.split_once("parameters: ").unwrap();
        let plan: serde_json::Value = serde_json::from_str(plan).unwrap();
        let (plan, image) = (&plan["train"], &plan["train"]["image"]);
        let image: ImageConfig = serde_json::from_value(image.clone()).unwrap();
        assert_eq!((plan["steps"].as_u64(), image.batch as u64), (Some(steps), batch));
        assert_eq!(image.network, config.network);
        assert_eq!(image.parameterization, config.parameterization);
        assert_eq!(image.train.cooldown, Some([steps / 2, steps]));
        if preset == "gpu" {
            assert_eq!((&image.train, image.precision), (&config.train, config.precision));
        }
        let gigaflop = 3.0 * (batch * steps) as f64 * net.flops as f64 / 1e9; // back costs twice
        assert!((after(cost, "compute: ") - gigaflop).abs() < 1e-6 * gigaflop, "{cost}");
        let time = cost.lines().find(|line| line.starts_with("time: about ")).unwrap();
        assert!(time.ends_with(" ms a step"), "{time}");
    }
    let pets = ["--train", "--data", "./pets", "--rgb", "--preset", "gpu", "--dry-run"];
    assert!(succeeds(&pets).contains("[\n          64,"), "a wider network for larger pictures");
    let paper = succeeds(&["--train", "--data", "cifar10", "--preset", "paper", "--dry-run"]);
    assert!(paper.contains("parameters: 35746307"), "{paper}");
}

/// The number behind `word`.
fn after(said: &str, word: &str) -> f64 {
    let (_, rest) = said.split_once(word).unwrap_or_else(|| panic!("no {word:?} in: {said}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// A table drawn by two processes, collected, and kept when its parts are gone.
#[test]
fn a_table_is_shared_out_collected_and_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let out = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let run = |folder: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch06-fid-table"));
        command
            .args(["--smoke", "--weights", "weights/mnist-ddpm", "--out", folder])
            .args(more)
            .env_remove("RUST_BACKTRACE");
        let out = command.output().unwrap();
        assert!(out.status.success(), "{more:?}: {}", text(&out.stderr));
        text(&out.stderr)
    };
    let table = |folder: &str| std::fs::read_to_string(Path::new(folder).join("table.csv"));
    let (whole, shared) = (out("whole"), out("shared"));
    run(&whole, &[]);
    run(&shared, &["--shard", "1/2"]);
    assert!(table(&shared).is_err(), "a share writes no table");
    let said = run(&shared, &["--collect"]);
    assert!(said.contains("not drawn whole, and so left out: "), "{said}");
    let lines = |folder: &str| table(folder).unwrap().lines().count();
    assert!(lines(&shared) < lines(&whole), "half of the lines are yet to be drawn");
    run(&shared, &["--shard", "2/2"]);
    let said = run(&shared, &["--collect"]);
    assert!(!said.contains("left out"), "{said}");
    assert_eq!(table(&shared).unwrap(), table(&whole).unwrap());
    let seconds = row_seconds(Path::new(&shared).join("table.csv").as_path()).unwrap();
    assert_eq!(seconds.len() + 1, lines(&shared), "a time for every line under the header");
    assert!(seconds.iter().all(|row| row.is_some()), "{seconds:?}");
    std::fs::remove_dir_all(Path::new(&shared).join("parts")).unwrap();
    run(&shared, &[]);
    assert!(!Path::new(&shared).join("parts").exists(), "a line in the table is not drawn again");
    assert_eq!(table(&shared).unwrap(), table(&whole).unwrap());
    assert_eq!(row_seconds(Path::new(&shared).join("table.csv").as_path()).unwrap(), seconds);
    let printed = std::fs::read_to_string(Path::new(&whole).join("fid.csv")).unwrap();
    let rows = printed.lines().skip(1).map(|row| row.split(',').skip(1).take(2).collect());
    let rows: Vec<Vec<&str>> = rows.collect();
    let paths = [["2", "uniform"], ["3", "uniform"], ["2", "quadratic"], ["3", "quadratic"]];
    assert_eq!(rows, [&paths[..], &[["2", "trailing"]]].concat(), "{printed}");
    let wrong =
        Command::new(env!("CARGO_BIN_EXE_ch06-fid-table")).args(["--shard", "3/2"]).output();
    let said = text(&wrong.unwrap().stderr);
    assert!(said.contains("1/8 for the first of eight"), "{said}");
}

#[test]
fn variants_are_trained_once_shared_out_and_compared() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("variants");
    let line = ["--variants", "256", "--smoke", "--out", out.to_str().unwrap()];
    let said = succeeds(&[&line[..], &["--shard", "2/2"]].concat());
    assert!(said.contains("seed: another seed") && !said.contains("base:"), "{said}");
    assert!(!out.join("variants.csv").exists());
    let said = succeeds(&line);
    assert!(said.contains("base: none") && !said.contains("seed: another seed"), "{said}");
    let table = std::fs::read_to_string(out.join("variants.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let column = |name| rows[0].iter().position(|column| *column == name).unwrap();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!([rows[1][0], rows[2][0]], ["base", "seed"]);
    for row in &rows[1..] {
        let [time, eps, v] =
            ["time", "loss_eps", "loss_v"].map(|name| row[column(name)].parse::<f64>().unwrap());
        assert_eq!(time, 1.0, "one network, drawn from twice: {table}");
        assert!(eps > 0.0 && v > eps, "the error of v is that of eps / alpha^2: {table}");
    }
    assert_ne!(rows[1][column("loss_v")], rows[2][column("loss_v")], "another seed is another net");
    let otherwise = [&line[..], &["--seed", "1"]].concat();
    fails(&otherwise, &["base was trained with another --steps, --seed", "another --out"]);
    let again = succeeds(&line);
    assert!(!again.contains("training"), "trained again: {again}");
    assert_eq!(std::fs::read_to_string(out.join("variants.csv")).unwrap(), table);
}

#[test]
fn a_classifier_that_does_not_fit_is_refused_in_words() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, out) = (scratch.path().join("pets"), scratch.path().join("run"));
    pictures(&folder);
    let (folder, out) = (folder.to_str().unwrap(), out.to_str().unwrap());
    succeeds(&["--train", "--data", folder, "--rgb", "--size", "16", "--out", out, "--smoke"]);
    let words = ["[3, 16, 16]", "[1, 28, 28]", "train-classifier"];
    fails(&["--weights", out, "--score", "40", "--smoke"], &words);
    fails(&["--score", "40", "--classifier", out, "--smoke"], &["config"]);
}

#[test]
fn wrong_words_get_a_sentence_with_the_fix() {
    fails(&["--data", "mnsit"], &["mnist, fashion, cifar10 or captions"]);
    fails(&["--weights", "nowhere/at-all"], &["nowhere/at-all is no run directory"]);
    fails(&["--train", "--data", "./no-such-folder"], &["no-such-folder", "check the path"]);
    fails(&["--train", "--data", "./x", "--size", "30"], &["30", "multiple of 4"]);
    fails(&["--train", "--score", "10"], &["cannot be used with"]);
    fails(&["--samples", "0"], &["--samples", "1.."]);
    fails(&["--score", "0"], &["--score", "1.."]);
    fails(&["--score", "100"], &["128 features from 100 images", "--score 256"]);
}

#[test]
fn one_image_alone_is_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().to_str().unwrap();
    succeeds(&["--samples", "1", "--smoke", "--out", out]);
    for picture in ["samples.png", "on-the-way.png"] {
        assert!(image::open(scratch.path().join(picture)).unwrap().width() >= 28, "{picture}");
    }
}

#[test]
fn a_run_is_learned_from_another_s_config_and_weights_and_scored_on_the_way() {
    let scratch = tempfile::tempdir().unwrap();
    let [plan, first, second] = ["plan", "first", "second"].map(|name| scratch.path().join(name));
    let config = include_str!("../weights/mnist-ddpm/config.json");
    let config = config
        .replace(r#""batch": 64"#, r#""classes": 10, "condition_dropout": 0.5, "batch": 4"#)
        .replace(r#""target": "eps""#, r#""target": "v""#)
        .replace("50000", "4")
        .replace("30000", "2");
    std::fs::create_dir(&plan).unwrap();
    std::fs::write(plan.join("config.json"), &config).unwrap();
    let [plan, out, next] = [&plan, &first, &second].map(|path| path.to_str().unwrap());
    let like = ["--train", "--config", plan, "--smoke", "--device", "cpu"];
    succeeds(&[&like[..], &["--score-every", "3", "--out", out]].concat());
    let scores = std::fs::read_to_string(first.join("scores.csv")).unwrap();
    let steps: Vec<&str> = scores.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(steps, ["step", "3", "4"], "at the end, too, after the config's cooldown: {scores}");
    let weights = |run: &Path| std::fs::read(run.join("ema.safetensors")).unwrap();
    let learned = weights(&first);
    // The learning rate of the last step is 0: what it begins with is what it ends with.
    std::fs::write(Path::new(plan).join("config.json"), config.replace("0.001", "1e-30")).unwrap();
    succeeds(&[&like[..], &["--start-from", out, "--steps", "1", "--out", next]].concat());
    let [a, b] = [learned, weights(&second)].map(|file| {
        let data = file.iter().rposition(|byte| *byte == b'}').unwrap();
        file[data..].to_vec()
    });
    assert_eq!(a, b, "the second run begins with the weights of the first");
    fails(&["--train", "--config", plan, "--size", "16"], &["--size", "--config"]);
    fails(&["--train", "--score-every", "0"], &["--score-every"]);
}

/// The README's first listing, on the crate's own digits as if they were MNIST.
#[test]
fn the_example_in_forty_lines_trains_samples_and_saves_a_picture() {
    let source = include_str!("../examples/ddpm.rs");
    assert!(source.lines().count() <= 40, "the listing has {} lines", source.lines().count());
    let code = source.split_once("\n\n").unwrap().1;
    assert!(include_str!("../README.md").contains(code), "the README shows the example as it is");
    let dir = tempfile::tempdir().unwrap();
    let mnist = dir.path().join("data/mnist");
    std::fs::create_dir_all(&mnist).unwrap();
    let pixels = from_noise::data::to_u8(&from_noise::data::sample::digits()).flatten(0, -1);
    let pixels = Vec::<u8>::try_from(pixels).unwrap();
    let images = pixels.iter().cycle().take(60_000 * 28 * 28);
    let header = [0u8, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
    let file: Vec<u8> = header.iter().chain(images).copied().collect();
    std::fs::write(mnist.join("train-images-idx3-ubyte"), file).unwrap();
    let labels: Vec<u8> =
        [0u8, 0, 8, 1, 0, 0, 0xea, 0x60].into_iter().chain(vec![3; 60_000]).collect();
    std::fs::write(mnist.join("train-labels-idx1-ubyte"), labels).unwrap();
    let example =
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/ddpm");
    let run = Command::new(&example)
        .arg("2")
        .current_dir(dir.path())
        .env("FROM_NOISE_DATA", dir.path().join("data"))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: cargo build --examples", example.display()));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let picture = image::open(dir.path().join("ddpm.png")).unwrap();
    assert!(picture.width() >= 5 * 28 && picture.height() >= 5 * 28);
}

/// Chapter 10 compares networks that were told different shares of the labels.
#[test]
fn labels_are_compared() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch10-classifier-free"));
        command.args(["--smoke", "--device", "cpu", "--out"]).arg(scratch.path()).args(more);
        command.env_remove("RUST_BACKTRACE").output().unwrap()
    };
    let out = run(&["--labels", "--samples", "10"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let table = std::fs::read_to_string(scratch.path().join("labels.csv")).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).map(|row| &row[..7]).collect();
    assert_eq!(rows, ["1.0,0.0", "1.0,1.0", "1.0,2.0", "0.1,0.0", "0.1,1.0", "0.1,2.0"], "{table}");
    assert!(!scratch.path().join("guidance.csv").exists(), "only the table of labels");
    let none = run(&["--labels", "tests"]);
    assert!(text(&none.stderr).contains("tests holds no run directory"), "{}", text(&none.stderr));
    let both = run(&["--labels", "--weights", "weights/mnist-unet-class"]);
    assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
}
