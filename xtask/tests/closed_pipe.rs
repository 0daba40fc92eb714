//! `cargo xtask ... | head -1` must end without a panic, wherever the xtask prints.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const SIGPIPE: i32 = 13;

fn xtask(arguments: &str) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(arguments.split(' '));
    xtask
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    for arguments in
        ["chapter", "doctor --explain libc10.so", "readme --check", "data mnits", "--help"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = xtask(arguments);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let status = command.status().unwrap();
        assert_eq!(status.signal(), Some(SIGPIPE), "{arguments}: {status}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = xtask("chapter").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
