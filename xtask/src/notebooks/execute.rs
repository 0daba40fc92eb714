//! Cells run through the Rust kernel, without a window; xtask/jupyter/execute.py speaks to it.

use super::document::{Cell, LARGEST};
use super::judge::Run;
use super::jupyter;
use crate::repo::Repo;
use crate::ui::duration;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Seconds for the first cell, in which the crate and the C++ of torch-sys may have to compile.
const FIRST: u64 = 3600;
/// Seconds for any other cell: a reader waits for it, on a slower machine than this.
const OTHER: u64 = 120;
/// A cell is stopped once its outputs are larger than this, in bytes of JSON: ten times as large as
/// a whole notebook may be.
pub const MOST: usize = 10 * LARGEST;

/// What happens after a cell that ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Ends,
    GoesOn,
}

/// Runs the cells one after the other in one fresh kernel.
pub fn run(repo: &Repo, name: &str, cells: &[Cell], failure: Failure) -> Result<Vec<Run>> {
    let limit = |cell: &Cell| if cell.number == 1 { FIRST } else { OTHER };
    let limits: Vec<u64> = cells.iter().map(limit).collect();
    run_within(repo, name, cells, &limits, failure)
}

pub fn run_within(
    repo: &Repo,
    name: &str,
    cells: &[Cell],
    limits: &[u64],
    failure: Failure,
) -> Result<Vec<Run>> {
    jupyter::kernel(repo)?;
    let mut python = jupyter::executor(repo)?;
    let work: Vec<Value> = cells
        .iter()
        .zip(limits)
        .map(|(cell, limit)| json!({"source": cell.source, "limit": limit}))
        .collect();
    let job = json!({
        "folder": repo.root.join("notebooks"),
        "cells": work,
        "most": MOST,
        "go_on": failure == Failure::GoesOn,
    });
    println!("{name}");
    converse(repo, &mut python, cells, &job).with_context(|| name.to_owned())
}

/// Hands `job` to execute.py, and listens until the last of the cells has ended.
fn converse(repo: &Repo, python: &mut Command, cells: &[Cell], job: &Value) -> Result<Vec<Run>> {
    let mut child = python
        .arg(repo.root.join("xtask/jupyter/execute.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("Python does not start")?;
    child.stdin.take().context("a pipe")?.write_all(job.to_string().as_bytes())?;
    let output = BufReader::new(child.stdout.take().context("a pipe")?);
    let mut runs: Vec<Run> = Vec::new();
    let mut current = Run::default();
    for line in output.lines() {
        let mut told: Value = serde_json::from_str(&line?).context("execute.py")?;
        let Some(status) = told["status"].as_str() else {
            current.outputs.push(told["output"].take());
            continue;
        };
        current.status = status.to_owned();
        current.seconds = told["seconds"].as_f64().unwrap_or_default();
        let took = duration(Duration::from_secs_f64(current.seconds));
        let number = cells.get(runs.len()).map_or(0, |cell| cell.number);
        println!("  cell {number}: {took}{}", if status == "ok" { "" } else { ", FAILED" });
        runs.push(std::mem::take(&mut current));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the kernel did not answer ({status}); the reason is above");
    }
    Ok(runs)
}

#[cfg(test)]
mod tests;
