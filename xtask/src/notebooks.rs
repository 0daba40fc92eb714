//! `cargo xtask notebook [NN] [--execute]` opens the notebooks in JupyterLab or runs them without it.

mod compile;
mod jupyter;
pub mod kernel;

use crate::process;
use crate::repo::Repo;
use crate::setup::prerequisites::install_hint;
use crate::{chapter, files, setup};
use anyhow::{Context, Result, ensure};
pub use compile::check as compiles;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How execute.py ends when nobody reads what it prints, as a shell numbers it.
const CLOSED_PIPE: i32 = 141;

#[derive(clap::Args)]
pub struct Options {
    /// The notebook's chapter: 1, 01 or ch01. Without it, all of them.
    pub number: Option<String>,
    /// Run the cells without a window, and save what they show in the notebooks.
    #[arg(long, conflicts_with = "flags")]
    pub execute: bool,
    /// Flags for JupyterLab itself, for example `-- --no-browser --port 8889`.
    #[arg(last = true)]
    pub flags: Vec<String>,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let mut paths = all(repo);
    if let Some(asked) = &options.number {
        let names: Vec<String> = paths.iter().map(|path| files::name(path)).collect();
        paths.retain(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            chapter::is(&stem.replace('_', "-"), asked)
        });
        ensure!(
            !paths.is_empty(),
            "there is no notebook {asked}; these are here: {}",
            names.join(", ")
        );
    }
    setup::ensure(repo)?;
    if !options.execute {
        let one = options.number.as_ref().and(paths.first());
        return jupyter::open(repo, one, &options.flags);
    }
    let mut failed = Vec::new();
    for path in &paths {
        if let Err(error) = execute(repo, path, path) {
            eprintln!("{error:#}");
            failed.push(files::name(path));
        }
    }
    ensure!(failed.is_empty(), "not saved, for the reason above: {}", failed.join(", "));
    Ok(())
}

/// The notebooks of the repository, sorted.
pub fn all(repo: &Repo) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = files::entries(&repo.root.join("notebooks")).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    paths.sort();
    paths
}

/// Fails unless the outputs in the notebook are those of its cells, saved by `--execute`.
pub fn check_saved(repo: &Repo, path: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.arg(repo.root.join("xtask/jupyter/document.py")).arg(path);
    let install = install_hint("python3", "python3", "brew install python");
    let (status, printed) = process::run(&mut python, &install, &mut |_, _| {})?;
    ensure!(status.success(), "{}", printed.trim());
    Ok(())
}

/// Runs all cells of `path` in a fresh kernel and saves the notebook with its outputs as `to`.
pub fn execute(repo: &Repo, path: &Path, to: &Path) -> Result<()> {
    run_cells(repo, &[path.as_ref(), to.as_ref()])
}

/// Fails unless each way in which a cell can go wrong unseen is caught, with a real kernel.
pub fn execute_broken(repo: &Repo) -> Result<()> {
    run_cells(repo, &["--broken".as_ref()])
}

fn run_cells(repo: &Repo, arguments: &[&OsStr]) -> Result<()> {
    jupyter::kernel(repo)?;
    let mut python = jupyter::executor(repo)?;
    python.arg(repo.root.join("xtask/jupyter/execute.py")).args(arguments);
    python.arg(repo.root.join("notebooks")).stderr(Stdio::piped());
    let child = python.spawn().context("Python does not start")?;
    let output = child.wait_with_output()?;
    if output.status.code() == Some(CLOSED_PIPE) {
        std::process::exit(CLOSED_PIPE);
    }
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_the_python_half_pass() {
        let repo = Repo::find().unwrap();
        let mut python = Command::new("python3");
        python.args(["-B", "-m", "unittest", "discover"]).arg(repo.root.join("xtask/jupyter"));
        let (status, printed) = process::run(&mut python, "", &mut |_, _| {}).unwrap();
        assert!(status.success() && printed.contains("Ran 5 tests"), "{printed}");
    }
}
