//! What every chapter's binary shares: its flags, its start and its end.

mod cost;
mod images;
mod interrupt;
mod latents;
mod table;
mod training;

pub use cost::{Cost, peak_memory};
pub use images::{DataArgs, PictureArgs, images_of_run};
pub use interrupt::{HeldInterrupts, hold_interrupts, interrupted, stop_if_interrupted};
pub use latents::same_latents;
pub use table::{ShardArgs, TableArgs, fill_measured, fill_table, image_lines, inception};
pub use training::{PRECISIONS, train};

use crate::say;
use crate::util::device;
use crate::util::print;
use crate::util::results::Results;
use clap::builder::{PossibleValue, PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum};
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tch::Device;

/// The flags of every chapter.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: device::Choice,

    /// How much to compute
    #[arg(long, value_enum, default_value_t = Preset::Cpu)]
    pub preset: Preset,

    /// Seed of every random number: the same seed gives the same files
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,

    /// Folder for the results [default: runs/ and the chapter's name]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Run every part in seconds, for tests: the results mean nothing
    #[arg(long, conflicts_with = "preset")]
    pub smoke: bool,

    /// Say what would be computed, how large it is and how long it takes, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// How much to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Minutes to hours on two cores; --dry-run estimates.
    Cpu,
    /// More samples and longer training, for one GPU.
    Gpu,
    /// The paper's numbers, where a paper gives them.
    Paper,
}

impl Common {
    /// One of four values, by `--smoke` or `--preset`.
    pub fn choose<T>(&self, smoke: T, cpu: T, gpu: T, paper: T) -> T {
        match (self.smoke, self.preset) {
            (true, _) => smoke,
            (_, Preset::Cpu) => cpu,
            (_, Preset::Gpu) => gpu,
            (_, Preset::Paper) => paper,
        }
    }

    /// The same for a chapter that computes on the CPU alone.
    ///
    /// # Errors
    /// Another device that was asked for.
    pub fn on_cpu(self) -> anyhow::Result<Self> {
        anyhow::ensure!(
            matches!(self.device, device::Choice::Auto | device::Choice::Cpu),
            "--device {} means nothing here, where all is computed on the CPU: leave it out",
            self.device
        );
        Ok(Self { device: device::Choice::Cpu, ..self })
    }
}

/// What was typed, as [`clap::Parser::parse`] reads it; a negative number is a value and no flag, so
/// that whoever types one is told the range.
pub fn parse<A: Parser>() -> A {
    let matches = with_negative_numbers(A::command()).get_matches();
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let value = |arg: clap::Arg| match arg.get_long().is_some() && arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    command.mut_args(value).mut_subcommands(with_negative_numbers)
}

/// A flag that counts something: from 1 to a billion, so that no product of two overflows.
pub fn count<T: TryFrom<u64> + Clone + Send + Sync>() -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(1..=1_000_000_000)
}

/// A flag that takes one of these values by name; each stands with its help.
pub fn one_of<T: Clone + Display + Send + Sync + 'static>(
    values: &'static [(T, &'static str)],
) -> impl TypedValueParser<Value = T> {
    let names =
        values.iter().map(|(value, help)| PossibleValue::new(value.to_string()).help(*help));
    PossibleValuesParser::new(names).map(|name| {
        let named = values.iter().find(|(value, _)| value.to_string() == name);
        named.expect("clap lets only these names through").0.clone()
    })
}

/// A chapter that has been started.
#[derive(Debug)]
pub struct Chapter {
    pub device: Device,
    pub seed: u64,
    pub results: Results,
}

/// Starts the chapter `name` (`chNN-slug`): picks the device, opens the results.
///
/// With `--dry-run` it prints the plan and its `cost` instead and returns `None`.
pub fn start(
    name: &str,
    common: &Common,
    config: &impl Serialize,
    cost: impl FnOnce() -> Cost,
) -> anyhow::Result<Option<Chapter>> {
    let device = device::pick(common.device)?;
    let out = common.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    if common.dry_run {
        print_plan(name, config, cost(), device);
        return Ok(None);
    }
    say!("{name} on {}, seed {}", format!("{device:?}").to_lowercase(), common.seed);
    let results = Results::create(out, command_line(name), config, common.seed, device)?;
    Ok(Some(Chapter { device, seed: common.seed, results }))
}

/// The run directories in a folder, by name.
///
/// # Errors
/// A folder that cannot be read, or that holds none.
pub fn runs_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (dir, shown) = (find(folder), folder.display());
    let inside = std::fs::read_dir(&dir)
        .map_err(|e| anyhow::anyhow!("{shown} holds no folder of run directories: {e}"))?;
    let mut runs: Vec<PathBuf> = inside.filter_map(|entry| Some(entry.ok()?.path())).collect();
    runs.retain(|dir| dir.join("config.json").is_file());
    runs.sort();
    anyhow::ensure!(
        !runs.is_empty(),
        "{shown} holds no run directory: name the folder that the runs lie in"
    );
    Ok(runs)
}

/// Refuses a network that was taught otherwise than its flag says: in noise, or by clean images.
pub fn taught(flag: &str, typed: &Path, noised: bool, found: bool) -> anyhow::Result<()> {
    let how = |noised| if noised { "in noise" } else { "by clean images alone" };
    anyhow::ensure!(
        found == noised,
        "{flag} {} was taught {}: give one that was taught {}",
        typed.display(),
        how(found),
        how(noised)
    );
    Ok(())
}

/// How a program ends: an error is one sentence on standard error, whatever the shell says of
/// backtraces.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    let all_is_printed = || match print::lost() {
        Some(error) => Err(anyhow::anyhow!("standard output cannot be written: {error}")),
        None => Ok(()),
    };
    match result.and_then(|()| all_is_printed()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::err(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What to type to run this again, quoted for a POSIX shell.
pub fn command_line(name: &str) -> String {
    let typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    again(name, typed)
}

/// The program `name` with these words behind it, as a shell takes them.
fn again(name: &str, words: impl Iterator<Item = String>) -> String {
    let number = name.strip_prefix("ch").and_then(|rest| rest.split_once('-'));
    let start = match number {
        Some((number, _)) => format!("cargo chapter {number}"),
        None if name == "from-noise" => "cargo from-noise".into(),
        None => format!("cargo run --example {name} --"),
    };
    words.fold(start, |line, word| format!("{line} {}", quoted(&word)))
}

/// A word, such as a path, as a POSIX shell takes it: in quotes if it needs them.
pub fn quoted(word: impl AsRef<Path>) -> String {
    let word = word.as_ref().to_string_lossy();
    shlex::try_quote(&word).map_or_else(|_| word.to_string(), |quoted| quoted.into_owned())
}

fn print_plan(name: &str, config: &impl Serialize, cost: Cost, device: Device) {
    let config = serde_json::to_string_pretty(config).expect("a config is plain data");
    say!("{name} on {}", format!("{device:?}").to_lowercase());
    say!("config: {config}");
    say!("parameters: {}", cost.parameters);
    match cost.flops > 0.0 {
        true => say!("compute: {:.3} GFLOP", cost.flops / 1e9),
        false => say!("compute: no network"),
    }
    say!("memory: about {:.0} MB beyond libtorch's 300 MB", cost.memory / 1e6);
    let seconds = cost.seconds_on(device);
    let time = if seconds < 1.5 { "a second".into() } else { human(seconds) };
    match cost.steps {
        0 => say!("time: about {time}"),
        steps => say!("time: about {time}, {:.0} ms a step", 1e3 * seconds / steps as f64),
    }
}

fn human(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A file or folder from where the command was typed, or else from the repository; as it was typed
/// if it is nowhere.
pub fn find(path: &Path) -> PathBuf {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if path.exists() || !there.exists() { path.to_path_buf() } else { there }
}
