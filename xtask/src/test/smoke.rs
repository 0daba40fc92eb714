//! A smoke run takes a chapter some seconds and must leave files where it was told to.

use crate::files;
use crate::process::run as run_to_end;
use crate::repo::{Binary, Repo};
use crate::ui::size;
use anyhow::{Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// A smoke run takes seconds; one that hangs must not take the whole test with it.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes that a smoke run may print; none prints more than some thousands.
const LONGEST_LOG: u64 = 1_000_000;
/// Bytes from its end that are shown when something is wrong.
const SHOWN: usize = 10_000;

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
    let out = scratch.path().join("out");
    command.arg("--smoke").arg("--out").arg(&out);
    let started = Instant::now();
    let mut reason = None;
    // What takes too long or prints too much is ended.
    let (status, printed) =
        run_to_end(command, "`cargo build --bins` makes it", &mut |child, bytes| {
            if started.elapsed() > limit {
                reason = Some(format!("still running after {} s", limit.as_secs()));
            } else if bytes > LONGEST_LOG {
                reason = Some(format!("it printed more than {}", size(LONGEST_LOG)));
            }
            if reason.is_some() {
                let _ = child.kill();
            }
        })?;
    let files = files::below(&out).count();
    let reason = match reason {
        None if !status.success() => status.to_string(),
        None if files == 0 => "it wrote nothing to --out".into(),
        None => return Ok(files),
        Some(reason) => reason,
    };
    let shown = printed.floor_char_boundary(printed.len().saturating_sub(SHOWN));
    bail!("{reason}; it said:\n{}", &printed[shown..])
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
            // The kill may cut the line that was being written.
            let whole = &error[..=error.rfind('\n').unwrap()];
            assert!(whole.len() < 20_000 && whole.ends_with(last), "{} bytes", error.len());
        }
    }
}
