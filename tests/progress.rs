//! A bar on a terminal, plain flushed lines on a pipe, and nothing printed twice.
#![cfg(unix)]

use from_noise::util::progress::Progress;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Not a test of its own: the body of the child processes below.
#[test]
fn child() {
    let Ok(steps) = std::env::var("PROGRESS_TEST_STEPS") else { return };
    let steps = steps.parse().unwrap();
    let mut progress = Progress::new("train", steps).starting_at(10);
    for step in 10..steps {
        std::thread::sleep(Duration::from_millis(50));
        progress.tick(format_args!("loss {step}"));
    }
    progress.finish("loss at last");
}

fn run(steps: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env("PROGRESS_TEST_STEPS", steps.to_string());
    command
}

#[test]
fn a_pipe_gets_few_plain_lines_as_they_happen() {
    let mut child = run(110).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.push((line.unwrap(), started.elapsed().as_secs_f64()));
    }
    assert!(child.wait().unwrap().success());
    let ours: Vec<_> = lines.iter().filter(|(l, _)| l.starts_with("train")).collect();
    let (first, last) = (&ours[0], &ours[ours.len() - 1]);
    assert!((2..=6).contains(&ours.len()), "{ours:?}");
    assert!(first.0.contains("/110 ") && first.0.contains("it/s, ETA 0:0"), "{first:?}");
    assert!(last.1 - first.1 > 1.0, "lines come as they happen, not all at the end: {ours:?}");
    assert!(last.0.starts_with("train 110/110 in 0:0") && last.0.ends_with(", loss at last"));
    assert!(!lines.iter().any(|(line, _)| line.contains(['\r', '\x1b'])), "{lines:?}");
    // 100 steps of 50 ms in this process; the ten before do not count as speed.
    let speed: f64 = last.0.split(['(', ' ']).rev().find_map(|word| word.parse().ok()).unwrap();
    assert!(speed <= 20.0, "{last:?}");
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
}

#[test]
fn a_terminal_gets_a_bar_and_one_last_line() {
    let (mut main, mut terminal) = (0, 0);
    // SAFETY: openpty fills in the two descriptors, which the files then own.
    let (mut main, terminal) = unsafe {
        let null = std::ptr::null_mut();
        assert_eq!(libc::openpty(&mut main, &mut terminal, null, null.cast(), null.cast()), 0);
        (File::from_raw_fd(main), OwnedFd::from_raw_fd(terminal))
    };
    let mut command = run(40);
    let mut child =
        command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(terminal).spawn().unwrap();
    drop(command); // its copy of the terminal
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = main.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..n]);
    }
    assert!(child.wait().unwrap().success());
    let seen = String::from_utf8_lossy(&seen);
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(seen.contains("train") && seen.contains("/40") && seen.contains("loss 2"), "{seen:?}");
    assert_eq!(seen.matches("train 40/40 in 0:0").count(), 1, "{seen:?}");
    assert!(seen.trim_end().ends_with(", loss at last"), "{seen:?}");
    assert!(!out.contains("train 40"), "{out:?}");
}
