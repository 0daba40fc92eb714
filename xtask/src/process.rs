//! This module starts other programs, waits for them and asks for their versions.

use crate::files;
use crate::ui::duration;
use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);

/// Whether the command starts and succeeds; what it prints is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a program prints, if it starts and succeeds.
pub fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).env_remove("LD_LIBRARY_PATH").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The first two numbers of the first version in a text: (3, 11) in `Python 3.11.7`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let text = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// What a program that `user` needs says of its version, if it is there and new enough.
pub fn require(program: &str, needed: (u32, u32), user: &str, install: &str) -> Result<String> {
    let (major, minor) = needed;
    match output_of(program, &["--version"]) {
        Some(text) if version(&text) >= Some(needed) => Ok(text),
        Some(text) => {
            bail!("{program} is {text}, and {user} needs {major}.{minor} or newer: {install}")
        }
        None => bail!("{user} needs {program}, which is not installed: {install}"),
    }
}

/// This process becomes the command: exit code and Ctrl-C need no forwarding.
pub fn replace_with(mut command: Command) -> Result<()> {
    let name = files::name(command.get_program().as_ref());
    Err(anyhow::Error::new(command.exec()).context(format!("{name} does not start")))
}

/// Runs a registry's client (pip, npm, apt-get ...) to its end, calling `tick` several times a
/// second. `install` tells how to get the client, should it be missing.
///
/// # Errors
/// One sentence: the client is missing, or the line in which it says what went wrong.
pub fn run_client(command: &mut Command, install: &str, tick: &mut dyn FnMut()) -> Result<()> {
    let (status, printed) = run(command, install, &mut |_, _| tick())?;
    ensure!(status.success(), "{} failed: {}", name(command), complaint(&printed));
    Ok(())
}

/// Installs `what` into `folder` with `work`, unless that was done for the same `wanted` already.
pub fn once(
    folder: &Path,
    wanted: &str,
    what: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let (stamp, started) = (folder.join("complete"), Instant::now());
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    println!("Installing {what} into {} ...", folder.display());
    work()?;
    files::write(&stamp, wanted)?;
    println!("  done in {}", duration(started.elapsed()));
    Ok(())
}

/// Runs a command to its end and returns what it printed. `tick` is called many times a second with
/// the process, which it may kill, and the number of bytes printed.
pub fn run(
    command: &mut Command,
    install: &str,
    tick: &mut dyn FnMut(&mut Child, u64),
) -> Result<(ExitStatus, String)> {
    let name = name(command);
    // A file, unlike a pipe, needs nobody who reads it meanwhile.
    let mut printed = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed.try_clone()?);
    die_with_parent(command);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{name} is not installed: {install}")
        }
        spawned => spawned.context(name)?,
    };
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tick(&mut child, printed.metadata()?.len());
        std::thread::sleep(TICK);
    };
    let mut bytes = Vec::new();
    printed.rewind()?;
    printed.read_to_end(&mut bytes)?;
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// A killed xtask takes its client along, so that nothing writes behind the next run's back.
fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is async-signal-safe and touches nothing of this process.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::SIGKILL)?));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// The line of a client's output that says what went wrong: the first error, else the last line.
fn complaint(output: &str) -> String {
    let error = output.lines().map(str::trim).find(|line| {
        let line = line.to_ascii_lowercase();
        ["error", "e:", "npm err"].iter().any(|start| line.starts_with(start))
    });
    error.unwrap_or_else(|| last_line(output)).to_owned()
}

/// The last line that is not empty.
pub fn last_line(output: &str) -> &str {
    let line = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_reported_in_its_words() {
        let run = |program: &str, arguments: &[&str]| {
            run_client(Command::new(program).args(arguments), "get it", &mut || {})
                .map_err(|error| error.to_string())
        };
        let failing = "echo starting; echo 'ERROR: no such package' >&2; echo hint >&2; exit 3";
        assert_eq!(run("echo", &["fine"]), Ok(()));
        assert_eq!(
            run("no-such-client", &[]).unwrap_err(),
            "no-such-client is not installed: get it"
        );
        assert_eq!(run("sh", &["-c", failing]).unwrap_err(), "sh failed: ERROR: no such package");
    }

    #[test]
    fn what_is_installed_for_the_same_list_is_not_installed_again() {
        let folder = tempfile::tempdir().unwrap();
        let work = std::cell::Cell::new(0);
        for (wanted, fails, runs) in
            [("a", true, 1), ("a", false, 2), ("a", false, 2), ("b", false, 3)]
        {
            let outcome = once(folder.path(), wanted, "it", || {
                work.set(work.get() + 1);
                ensure!(!fails, "no network");
                Ok(())
            });
            assert_eq!((outcome.is_err(), work.get()), (fails, runs));
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, found) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some((1, 95))),
            ("rustc 1.100.1-nightly (x)", Some((1, 100))),
            ("glibc 2.9", Some((2, 9))),
            ("Python 3.11.7", Some((3, 11))),
            ("v20.19.2", Some((20, 19))),
            ("N/A", None),
            ("", None),
        ] {
            assert_eq!(version(text), found, "{text}");
        }
    }
}
