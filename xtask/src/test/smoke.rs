//! Runs a chapter in seconds and looks whether it wrote what it should.

use crate::repo::{Binary, Repo};
use crate::scratch::Scratch;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A smoke run takes seconds; one that hangs must not take the whole test with it.
const LIMIT: Duration = Duration::from_secs(300);

/// Fails if a file in chapters/ is no binary of Cargo.toml, where nothing would ever run it.
pub fn all_listed(repo: &Repo, chapters: &[Binary]) -> Result<()> {
    let files = std::fs::read_dir(repo.root.join("chapters")).into_iter().flatten().flatten();
    for path in files.map(|entry| entry.path()) {
        let path = if path.is_dir() { path.join("main.rs") } else { path };
        let rust = path.extension().is_some_and(|extension| extension == "rs");
        if rust && !chapters.iter().any(|chapter| chapter.source == path) {
            bail!("{} has no [[bin]] in Cargo.toml", path.display());
        }
    }
    Ok(())
}

/// Runs `target/debug/NAME --smoke --out <scratch>` and counts the files it wrote.
pub fn run(repo: &Repo, name: &str) -> Result<usize> {
    let mut command = Command::new(repo.target().join("debug").join(name));
    repo.clean(&mut command);
    smoke(command.current_dir(&repo.root), name, LIMIT)
}

fn smoke(command: &mut Command, name: &str, limit: Duration) -> Result<usize> {
    let scratch = Scratch::new(name)?;
    let (out, log) = (scratch.path().join("out"), scratch.path().join("log"));
    command.arg("--smoke").arg("--out").arg(&out).stdin(Stdio::null());
    command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    match wait(command, limit)? {
        None => bail!("still running after {} s; it said:\n{}", limit.as_secs(), said()),
        Some(status) if !status.success() => bail!("{status}; it said:\n{}", said()),
        Some(_) => {}
    }
    match files_below(&out) {
        0 => bail!("it wrote nothing to --out; it said:\n{}", said()),
        files => Ok(files),
    }
}

/// `None` if the command had to be ended.
fn wait(command: &mut Command, limit: Duration) -> Result<Option<ExitStatus>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().context(program)?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |path: &Path| if path.is_dir() { files_below(path) } else { 1 };
    entries.map(|entry| count(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a chapter that is this shell script; `$3` is where --out points.
    fn outcome(script: &str, limit: Duration) -> Result<usize, String> {
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"]);
        smoke(&mut sh, "test", limit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chapter_must_end_well_and_write_something() {
        let outcome = |script| outcome(script, LIMIT);
        assert_eq!(outcome("mkdir -p $3/deep && touch $3/a $3/deep/b"), Ok(2));
        assert!(outcome("echo nothing here").unwrap_err().contains("wrote nothing"));
        let error = outcome("mkdir -p $3; touch $3/a; echo the reason >&2; exit 3").unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("the reason"), "{error}");
    }

    #[test]
    fn a_chapter_that_hangs_is_ended() {
        let limit = Duration::from_secs(1);
        let error = outcome("echo started; exec sleep 60", limit).unwrap_err();
        assert!(error.contains("still running") && error.contains("started"), "{error}");
    }
}
