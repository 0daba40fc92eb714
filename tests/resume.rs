//! train 20 = train 10 + kill -9 + resume 10, bit for bit, whenever the kill comes.

use from_noise::checkpoint::{CheckpointError, Run, load_weights, read_config, save_weights};
use from_noise::loss::{ScheduleSampler, TimeSampler};
use from_noise::schedule::Schedule;
use from_noise::train::{TrainConfig, Trainer};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor};

const WEIGHTS: [&str; 3] = ["model.safetensors", "ema.safetensors", "optimizer.safetensors"];

/// libtorch has one generator a process and the tests here share it, so they take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mlp(vs: &nn::Path) -> nn::Sequential {
    nn::seq()
        .add(nn::linear(vs / "in", 2, 16, Default::default()))
        .add_fn(Tensor::silu)
        .add(nn::linear(vs / "out", 16, 2, Default::default()))
}

fn config() -> TrainConfig {
    TrainConfig {
        lr: 1e-2,
        warmup: 5,
        weight_decay: 0.1,
        accumulate: 2,
        seed: 7,
        ..Default::default()
    }
}

fn open(dir: &Path, resume: bool) -> Result<(Run, Trainer<nn::Sequential>), CheckpointError> {
    tch::set_num_threads(1);
    let mut trainer = Trainer::new(Device::Cpu, config(), mlp);
    Run::create_or_resume(dir, &config(), resume, &mut trainer).map(|run| (run, trainer))
}

fn train(
    run: &mut Run,
    trainer: &mut Trainer<nn::Sequential>,
    steps: u64,
    save_every: u64,
    said: impl Fn(u64),
) {
    while trainer.step < steps {
        let loss = trainer.step(|net, _batch| {
            let x = Tensor::randn([8, 2], (Kind::Float, Device::Cpu)); // [8, 2]
            (net.forward(&x) - x.sin()).square().mean(Kind::Float)
        });
        let row =
            [("loss", loss.unwrap()), ("lr", trainer.lr()), ("grad_norm", trainer.grad_norm())];
        run.log(trainer.step, &row).unwrap();
        if trainer.step.is_multiple_of(save_every) {
            run.save(trainer).unwrap();
        }
        said(trainer.step);
        let _ = Tensor::randn([3], (Kind::Float, Device::Cpu)); // as sampling in between would
    }
}

/// Importance sampling draws by the losses it remembers, so a resumed run must remember them.
#[test]
fn what_the_loss_remembers_is_resumed() {
    let _turn = turn();
    let schedule = Schedule::ddpm(4);
    let run = |dir: &Path, resume: bool, steps: u64| {
        tch::set_num_threads(1);
        let mut trainer = Trainer::new(Device::Cpu, config(), mlp);
        let mut times = TimeSampler::new(ScheduleSampler::LossSecondMoment, &schedule);
        trainer.memory = times.memory();
        let mut run = Run::create_or_resume(dir, &config(), resume, &mut trainer).unwrap();
        while trainer.step < steps {
            let loss = trainer.step(|net, _| {
                let t = times.draw(16, Device::Cpu);
                let shift = t.to_kind(Kind::Float);
                let x = Tensor::randn([16, 2], (Kind::Float, Device::Cpu)) * shift.unsqueeze(1);
                let loss = (net.forward(&x) - x.sin()).square().mean_dim(1, false, None); // [16]
                times.weighted(&t, loss).mean(Kind::Float)
            });
            run.log(trainer.step, &[("loss", loss.unwrap())]).unwrap();
        }
        run.save(&trainer).unwrap();
        let p = times.probabilities();
        assert!(p.max().double_value(&[]) > 0.3, "still uniform: {p}");
    };
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(whole.path(), false, 20);
    run(parts.path(), false, 12);
    run(parts.path(), true, 20);
    assert_same_run(whole.path(), parts.path());
}

// ---- killed processes

/// Not a test of its own: the body of the child processes below.
#[test]
fn child() {
    let Ok(dir) = std::env::var("RESUME_TEST_DIR") else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let dir = PathBuf::from(dir);
    let (mut run, mut trainer) = open(&dir, dir.join("config.json").exists()).unwrap();
    train(
        &mut run,
        &mut trainer,
        number("RESUME_TEST_STEPS"),
        number("RESUME_TEST_SAVE"),
        |step| {
            writeln!(std::io::stdout(), "step {step}").unwrap();
        },
    );
}

fn spawn(dir: &Path, steps: u64, save_every: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("RESUME_TEST_DIR", dir)
        .env("RESUME_TEST_STEPS", steps.to_string())
        .env("RESUME_TEST_SAVE", save_every.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until the child has finished `steps` steps; the reader keeps the pipe open.
fn wait_for(child: &mut Child, steps: u64) -> impl BufRead + use<> {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut seen = 0;
    while seen < steps {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the child ended after {seen} steps");
        seen += u64::from(line.starts_with("step "));
    }
    reader
}

fn finish(mut child: Child) {
    let mut sink = Vec::new();
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut sink).unwrap();
    assert!(child.wait().unwrap().success());
}

fn assert_same_run(a: &Path, b: &Path) {
    for name in WEIGHTS.into_iter().chain(["log.csv", "config.json"]) {
        assert!(
            fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(),
            "{name} differs"
        );
    }
}

#[test]
fn train_20_is_train_10_then_kill_9_then_resume_10() {
    let _turn = turn();
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    finish(spawn(whole.path(), 20, 10));
    let mut child = spawn(cut.path(), 20, 10);
    let pipe = wait_for(&mut child, 13);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    drop(pipe);
    let log = fs::read_to_string(cut.path().join("log.csv")).unwrap();
    assert!(log.lines().count() > 11, "the log was ahead of the save: {log}");
    finish(spawn(cut.path(), 20, 10));
    assert_same_run(whole.path(), cut.path());
    let log = fs::read_to_string(cut.path().join("log.csv")).unwrap();
    assert_eq!(log.lines().count(), 21);
    assert!(log.starts_with("step,loss,lr,grad_norm\n1,"), "{log}");
}

#[test]
fn kills_at_any_moment_cost_only_the_steps_since_the_last_save() {
    let _turn = turn();
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut saved = 0;
    for kill in 0..10u64 {
        let mut child = spawn(cut.path(), u64::MAX, 3);
        // Up to 17 steps in, then up to 30 ms: in a step, in the log or anywhere in a save.
        let pipe = wait_for(&mut child, 1 + kill * 7 % 17);
        std::thread::sleep(Duration::from_micros(kill * kill * 7919 % 30_000));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(pipe);
        let (_, trainer) = open(cut.path(), true).unwrap();
        assert!(trainer.step >= saved && trainer.step % 3 == 0);
        saved = trainer.step;
    }
    assert!(saved > 0, "the kills left some progress");
    for dir in [&whole, &cut] {
        finish(spawn(dir.path(), saved + 20, 3));
    }
    assert_same_run(whole.path(), cut.path());
}

// ---- every state a crash can leave, made by hand

/// A run saved at step 3, and its three weight files of step 6.
fn two_saves() -> (tempfile::TempDir, [Vec<u8>; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, mut trainer) = open(dir.path(), false).unwrap();
    train(&mut run, &mut trainer, 3, 3, |_| ());
    let later = tempfile::tempdir().unwrap();
    let (mut run, mut trainer) = open(later.path(), false).unwrap();
    train(&mut run, &mut trainer, 6, 3, |_| ());
    let files = WEIGHTS.map(|name| fs::read(later.path().join(name)).unwrap());
    fs::copy(later.path().join("log.csv"), dir.path().join("log.csv")).unwrap();
    (dir, files)
}

fn in_dir(dir: &Path) -> [Vec<u8>; 3] {
    WEIGHTS.map(|name| fs::read(dir.join(name)).unwrap())
}

#[test]
fn a_save_cut_short_while_moving_is_finished() {
    let _turn = turn();
    for moved in 0..=3 {
        let (dir, later) = two_saves();
        fs::create_dir(dir.path().join("next")).unwrap();
        for (i, name) in WEIGHTS.iter().enumerate() {
            let at = if i < moved { dir.path().into() } else { dir.path().join("next") };
            fs::write(at.join(name), &later[i]).unwrap();
        }
        let (_, trainer) = open(dir.path(), true).unwrap();
        assert_eq!(trainer.step, 6);
        assert!(in_dir(dir.path()) == later && !dir.path().join("next").exists());
        assert_eq!(fs::read_to_string(dir.path().join("log.csv")).unwrap().lines().count(), 7);
    }
}

#[test]
fn a_save_cut_short_while_writing_never_happened() {
    let _turn = turn();
    for written in 0..=3 {
        let (dir, later) = two_saves();
        let before = in_dir(dir.path());
        let partial = dir.path().join("next.partial");
        fs::create_dir(&partial).unwrap();
        for (i, name) in WEIGHTS.iter().enumerate().take(written) {
            fs::write(partial.join(name), &later[i][..later[i].len() / (1 + i)]).unwrap();
        }
        let (mut run, mut trainer) = open(dir.path(), true).unwrap();
        assert_eq!(trainer.step, 3);
        assert!(in_dir(dir.path()) == before);
        assert_eq!(fs::read_to_string(dir.path().join("log.csv")).unwrap().lines().count(), 4);
        train(&mut run, &mut trainer, 6, 3, |_| ());
        assert!(in_dir(dir.path()) == later && !partial.exists());
    }
}

// ---- refusals

fn message<T>(result: Result<T, CheckpointError>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn a_run_is_neither_overwritten_nor_invented_nor_shared() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let nothing = message(open(&dir.path().join("typo"), true));
    assert!(
        nothing.contains("typo holds no run to resume") && nothing.contains("without --resume"),
        "{nothing}"
    );
    assert!(!dir.path().join("typo").exists());
    let (run, _trainer) = open(dir.path(), false).unwrap();
    assert!(message(open(dir.path(), true)).contains("in use by another"));
    drop(run);
    let again = message(open(dir.path(), false));
    assert!(again.contains("already holds a run") && again.contains("--resume"), "{again}");
    assert_eq!(
        open(dir.path(), true).unwrap().1.step,
        0,
        "killed before the first save: from the start"
    );
    let weights_only = tempfile::tempdir().unwrap();
    fs::write(weights_only.path().join(WEIGHTS[1]), "").unwrap();
    assert!(message(open(weights_only.path(), false)).contains("found ema.safetensors"));
}

#[test]
fn another_config_is_refused_with_a_diff() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), false).unwrap());
    assert_eq!(read_config::<TrainConfig>(dir.path()).unwrap(), config());
    let mut trainer = Trainer::new(Device::Cpu, config(), mlp);
    let mut resume = |config: TrainConfig| {
        message(Run::create_or_resume(dir.path(), &config, true, &mut trainer))
    };
    let diff = resume(TrainConfig { lr: 0.5, clip: None, ..config() });
    assert!(diff.contains("\n  clip: 1.0 -> null\n  lr: 0.01 -> 0.5\n"), "{diff}");
    assert!(!diff.contains("seed"), "{diff}");
    let path = dir.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
    assert!(resume(config()).contains("has format 9"));
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(resume(config()).contains("config.json cannot be read"));
    assert!(message(read_config::<TrainConfig>(dir.path())).contains("config.json cannot be read"));
    assert!(
        message(read_config::<TrainConfig>(dir.path().join("none")))
            .contains("none is no run directory")
    );
}

/// A run that shall last longer: its learning rate falls later, and what was learned before it fell
/// is what the longer run would have learned.
#[test]
fn a_run_resumed_before_its_cooldown_is_the_longer_run() {
    let _turn = turn();
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lasting = |steps| TrainConfig { cooldown: Some([3, 5]), ..config() }.lasting(steps);
    assert_eq!(lasting(20).cooldown, Some([12, 20]));
    let start = |dir: &Path, steps, resume| {
        tch::set_num_threads(1);
        let config = lasting(steps);
        let mut trainer = Trainer::new(Device::Cpu, config.clone(), mlp);
        let run = Run::create_or_resume_with(dir, &config, resume, &["cooldown"], &mut trainer);
        (run.unwrap(), trainer)
    };
    let (mut run, mut trainer) = start(whole.path(), 20, false);
    train(&mut run, &mut trainer, 20, 5, |_| ());
    let (mut run, mut trainer) = start(cut.path(), 10, false);
    train(&mut run, &mut trainer, 5, 5, |_| ());
    drop(run);
    let saved = || fs::read_to_string(cut.path().join("config.json")).unwrap();
    let before = saved();
    drop(start(cut.path(), 20, true));
    assert_eq!(saved(), before, "nothing was learned, nothing changes");
    let (mut run, mut trainer) = start(cut.path(), 20, true);
    assert_eq!(run.changes(), ["cooldown[0]: 6 -> 12", "cooldown[1]: 10 -> 20"]);
    train(&mut run, &mut trainer, 20, 5, |_| ());
    drop(run);
    for name in WEIGHTS.into_iter().chain(["log.csv"]) {
        let [a, b] = [&whole, &cut].map(|dir| fs::read(dir.path().join(name)).unwrap());
        assert!(a == b, "{name} differs");
    }
    assert!(saved().contains("at step 5: cooldown[0]: 6 -> 12"), "{}", saved());
    assert_eq!(read_config::<TrainConfig>(cut.path()).unwrap(), lasting(20));
    let (run, _) = start(cut.path(), 20, true);
    assert!(run.changes().is_empty());
    drop(run);
    let mut other = Trainer::new(Device::Cpu, lasting(30), mlp);
    let refused = Run::create_or_resume(cut.path(), &lasting(30), true, &mut other);
    assert!(message(refused).contains("  cooldown[0]: 12 -> 18"));
}

#[test]
fn files_of_two_saves_are_not_mixed() {
    let _turn = turn();
    let (dir, later) = two_saves();
    fs::write(dir.path().join(WEIGHTS[2]), &later[2]).unwrap();
    let mixed = message(open(dir.path(), true));
    assert!(
        mixed
            .contains("optimizer.safetensors is from step 6, but model.safetensors is from step 3"),
        "{mixed}"
    );
    fs::remove_file(dir.path().join(WEIGHTS[2])).unwrap();
    assert!(message(open(dir.path(), true)).contains("optimizer.safetensors: could not read"));
}

// ---- weights alone

fn store(build: impl Fn(&nn::Path)) -> VarStore {
    let vs = VarStore::new(Device::Cpu);
    build(&vs.root());
    vs
}

fn values(vs: &VarStore) -> Vec<Vec<u8>> {
    let mut named: Vec<_> = vs.variables().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let bytes = |t: Tensor| {
        let mut bytes = vec![0; t.numel() * t.kind().elt_size_in_bytes()];
        t.copy_data_u8(&mut bytes, t.numel());
        bytes
    };
    named.into_iter().map(|(_, t)| bytes(t)).collect()
}

#[test]
fn weights_of_every_dtype_and_layout_come_back_bit_for_bit() {
    let _turn = turn();
    let kinds = [
        Kind::Float,
        Kind::Double,
        Kind::BFloat16,
        Kind::Half,
        Kind::Int64,
        Kind::Uint8,
        Kind::Bool,
    ];
    let build = |fill: f64| {
        store(|vs| {
            for kind in kinds {
                let x = Tensor::arange(24, (Kind::Float, Device::Cpu)) * fill;
                let _ = vs.add(
                    &format!("{kind:?}"),
                    x.view([2, 3, 4]).to_kind(kind).transpose(0, 2),
                    false,
                );
            }
            let _ = vs.add("scalar", Tensor::from(fill), true);
            let _ = vs.add("empty", Tensor::zeros([0, 3], (Kind::Float, Device::Cpu)), true);
        })
    };
    let (from, to) = (build(0.1), build(0.0));
    let path = tempfile::tempdir().unwrap().keep().join("w.safetensors");
    save_weights(&from, &path, 41).unwrap();
    let first = fs::read(&path).unwrap();
    assert_ne!(values(&from), values(&to));
    assert_eq!(load_weights(&to, &path).unwrap(), 41);
    assert_eq!(values(&from), values(&to));
    save_weights(&to, &path, 41).unwrap();
    assert!(first == fs::read(&path).unwrap(), "equal weights make equal files");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn loading_is_strict_and_lists_everything_at_once() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let zeros = |vs: &nn::Path, name: &str, size: &[i64], kind| {
        let _ = vs.add(name, Tensor::zeros(size, (kind, Device::Cpu)), false);
    };
    let from = store(|vs| {
        zeros(vs, "same", &[2], Kind::Float);
        zeros(vs, "old", &[1], Kind::Float);
        zeros(vs, "shape", &[2, 3], Kind::Float);
        zeros(vs, "dtype", &[2], Kind::Int64);
    });
    save_weights(&from, &path, 1).unwrap();
    let to = store(|vs| {
        let _ = vs.add("same", Tensor::ones([2], (Kind::Float, Device::Cpu)), true);
        zeros(vs, "new", &[4, 4], Kind::Float);
        zeros(vs, "shape", &[3, 2], Kind::Float);
        zeros(vs, "dtype", &[2], Kind::Float);
    });
    let before = values(&to);
    let error = message(load_weights(&to, &path));
    for line in [
        "w.safetensors does not fit the network:\n",
        "  wrong dtype: dtype is Int64 in the file, Float here\n",
        "  missing from the file: new [4, 4]\n",
        "  only in the file: old [1]\n",
        "  wrong shape: shape is [2, 3] in the file, [3, 2] here\n",
    ] {
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(error.lines().count(), 6);
    assert_eq!(values(&to), before, "a refused file changes nothing");
    let many = store(|vs| (0..30).for_each(|i| zeros(vs, &format!("t{i}"), &[1], Kind::Float)));
    assert!(message(load_weights(&many, &path)).contains("... and 14 more"));
}

#[test]
fn a_damaged_file_is_named_and_never_panics() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let vs = store(|vs| drop(nn::linear(vs, 3, 2, Default::default())));
    save_weights(&vs, &path, 1).unwrap();
    let whole = fs::read(&path).unwrap();
    let before = values(&vs);
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = message(load_weights(&vs, &path));
        assert!(
            error.contains("w.safetensors is damaged or cut short")
                && error.contains("copy or download it again"),
            "{error}"
        );
    }
    assert_eq!(values(&vs), before);
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for (at, bit) in (0..header).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        fs::write(&path, bytes).unwrap();
        refused += u32::from(load_weights(&vs, &path).is_err());
    }
    assert!(refused > 1000, "{refused} of {} flipped header bits were refused", 8 * header);
}

#[test]
fn a_run_of_an_older_version_goes_on() {
    // a field of the config that was not known yet has its default
    let dir = tempfile::tempdir().unwrap();
    let config = TrainConfig::default();
    let build = |vs: &nn::Path| nn::linear(vs, 2, 2, Default::default());
    let mut trainer = Trainer::new(Device::Cpu, config.clone(), build);
    drop(Run::create_or_resume(dir.path(), &config, false, &mut trainer).unwrap());
    let path = dir.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    let older = text.replace(",\n    \"stream\": 0", "");
    assert_ne!(older, text);
    fs::write(&path, older).unwrap();
    drop(Run::create_or_resume(dir.path(), &config, true, &mut trainer).unwrap());
    let other = TrainConfig { stream: 1, ..config };
    let error = Run::create_or_resume(dir.path(), &other, true, &mut trainer).unwrap_err();
    assert!(error.to_string().contains("stream: 0 -> 1"), "{error}");
}
