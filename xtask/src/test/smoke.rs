//! Runs a chapter in seconds and looks whether it wrote what it should.

use crate::files;
use crate::repo::{Binary, Repo};
use crate::ui::size;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A smoke run takes seconds; one that hangs must not take the whole test with it.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes that a smoke run may print; none prints more than some thousands.
const LONGEST_LOG: u64 = 1_000_000;
/// Bytes from its end that are shown when something is wrong.
const SHOWN: i64 = 10_000;

/// Fails if a file in chapters/ is no binary of Cargo.toml, where nothing would ever run it.
pub fn all_listed(repo: &Repo, chapters: &[Binary]) -> Result<()> {
    for path in files::entries(&repo.root.join("chapters")) {
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
    let scratch = tempfile::Builder::new().prefix(&format!("from-noise-{name}-")).tempdir()?;
    let (out, log) = (scratch.path().join("out"), scratch.path().join("log"));
    command.arg("--smoke").arg("--out").arg(&out).stdin(Stdio::null());
    command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
    let outcome = wait(command, limit, &log).and_then(|()| match files::below(&out).count() {
        0 => bail!("it wrote nothing to --out"),
        files => Ok(files),
    });
    outcome.map_err(|error| anyhow!("{error:#}; it said:\n{}", said(&log)))
}

/// Waits for a good end, and ends what takes too long or prints too much.
fn wait(command: &mut Command, limit: Duration, log: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().context(program)?;
    let started = Instant::now();
    let reason = loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{status}");
            return Ok(());
        }
        if started.elapsed() > limit {
            break format!("still running after {} s", limit.as_secs());
        }
        if log.metadata()?.len() > LONGEST_LOG {
            break format!("it printed more than {}", size(LONGEST_LOG));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    child.kill()?;
    child.wait()?;
    bail!(reason)
}

/// The last bytes of the log.
fn said(log: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let _ = file.seek(SeekFrom::End(-SHOWN)); // which leaves a shorter file at its start
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    fn a_chapter_that_hangs_or_prints_for_ever_is_ended() {
        let printing = "echo early; while :; do printf '%01000d\\n' 7; done";
        for (script, seconds, reason, last) in [
            (printing, 10, "printed more than 1 MB", "07\n"),
            ("echo started; exec sleep 60", 1, "still running", "started\n"),
        ] {
            let error = outcome(script, Duration::from_secs(seconds)).unwrap_err();
            assert!(error.contains(reason), "{}", &error[..100.min(error.len())]);
            assert!(error.len() < 20_000 && error.ends_with(last), "{} bytes", error.len());
        }
    }
}
