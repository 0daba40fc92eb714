//! `cargo xtask first-run` measures what the README's two commands cost on a fresh machine.
//!
//! Clones the committed tree into a scratch folder, gives it an empty cargo home (so that every
//! crate is downloaded again) and no libtorch, runs them, and writes time, peak memory
//! and disk into results/setup/.

use crate::files;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Options {
    /// Also time `cargo xtask test --full` after them: the notebooks' kernel, the browser.
    #[arg(long)]
    pub full: bool,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("from-noise-first-run-").tempdir()?;
    let clone = scratch.path().join("from-noise");
    let status =
        Command::new("git").arg("clone").arg("--quiet").arg(&repo.root).arg(&clone).status();
    if !status.context("git does not start")?.success() {
        bail!("git cannot clone {}", repo.root.display());
    }
    let commands: [&[&str]; 3] =
        [&["chapter", "04"], &["xtask", "test"], &["xtask", "test", "--full"]];
    let timed = 2 + usize::from(options.full);
    let mut rows = String::from("command,minutes,peak_memory_GB,disk_GB\n");
    for words in &commands[..timed] {
        let (minutes, memory) = time(repo, &clone, scratch.path(), words)?;
        let disk = disk_gb(scratch.path())?;
        rows += &format!("`cargo {}`,{minutes:.1},{memory:.1},{disk:.1}\n", words.join(" "));
    }
    write(repo, &rows, if options.full { " --full" } else { "" })
}

/// Minutes and peak resident gigabytes (of the largest process so far).
fn time(repo: &Repo, clone: &Path, scratch: &Path, words: &[&str]) -> Result<(f64, f64)> {
    println!("timing: cargo {}", words.join(" "));
    let mut cargo = Command::new("cargo");
    repo.clean(&mut cargo);
    cargo.args(words).current_dir(clone).env("CARGO_HOME", scratch.join("cargo-home"));
    let started = Instant::now();
    if !cargo.status().context("cargo does not start")?.success() {
        bail!("cargo {} failed in the fresh clone", words.join(" "));
    }
    let largest = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() as f64;
    let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
    Ok((started.elapsed().as_secs_f64() / 60.0, largest * unit / 1e9))
}

fn disk_gb(dir: &Path) -> Result<f64> {
    let output = Command::new("du").args(["-sk"]).arg(dir).output().context("du does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let kilobytes: f64 = text.split_whitespace().next().context("du said nothing")?.parse()?;
    Ok(kilobytes * 1024.0 / 1e9)
}

fn write(repo: &Repo, rows: &str, flag: &str) -> Result<()> {
    let dir = repo.root.join("results/setup");
    let cores = std::thread::available_parallelism()?.get();
    let date = Command::new("date").args(["-u", "+%F"]).output().context("date does not start")?;
    let sidecar = serde_json::json!({
        "command": format!("cargo xtask first-run{flag}"),
        "config": { "clone": "fresh", "cargo_home": "empty", "libtorch": "none" },
        "seed": null,
        "n": 1,
        "device": format!("{cores} CPU cores"),
        "date": String::from_utf8_lossy(&date.stdout).trim(),
    });
    let json = format!("{}\n", serde_json::to_string_pretty(&sidecar)?);
    files::write(&dir.join("first-run.csv"), rows)?;
    files::write(&dir.join("first-run.csv.json"), &json)?;
    println!(
        "{rows}wrote results/setup/first-run.csv; `cargo xtask readme` puts it into the README"
    );
    Ok(())
}
