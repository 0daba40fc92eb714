//! Runs `examples/probe.rs`: a convolution forward and backward on every device that libtorch has.

use super::checks::advice;
use super::finding::Finding;
use crate::repo::Repo;

pub fn run(repo: &Repo) -> Finding {
    if !repo.is_built() {
        return Finding::warn(
            "tensors",
            "not tried: the crate is not built yet, which takes some minutes",
            "`cargo build`, then the doctor again",
        );
    }
    let mut cargo = repo.cargo();
    let output = match cargo.args(["run", "--quiet", "--example", "probe"]).output() {
        Ok(output) => output,
        Err(error) => {
            return Finding::fail("tensors", error.to_string(), "call this through cargo");
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Finding::ok("tensors", said.trim().replace('\n', "; "));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Finding::fail(
        "tensors",
        format!("the probe fails: {}", last.trim()),
        advice(&complaint, "`cargo run --example probe` shows everything"),
    )
}
