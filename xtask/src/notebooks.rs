//! `cargo xtask notebook [NN] [--execute]`: the notebooks, opened in JupyterLab or run without it.

mod compile;
mod document;
mod execute;
mod judge;
mod jupyter;
pub mod kernel;
mod selftest;

use crate::repo::Repo;
use crate::{chapter, setup};
use anyhow::{Result, bail};
pub use compile::{check as compiles, crates};
use std::path::{Path, PathBuf};

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
        let chosen = paths.iter().find(|path| chapter::is(&stem(path), asked)).cloned();
        let Some(chosen) = chosen else {
            let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
            bail!("there is no notebook {asked}; these are here: {}", names.join(", "));
        };
        paths = vec![chosen];
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
            failed.push(name(path));
        }
    }
    if !failed.is_empty() {
        bail!("not saved, for the reason above: {}", failed.join(", "));
    }
    Ok(())
}

/// The notebooks of the repository, sorted.
pub fn all(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repo.root.join("notebooks")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    paths.sort();
    paths
}

/// Fails unless the outputs in the notebook are those of its cells, saved by `--execute`.
pub fn outputs_are_its_own(path: &Path) -> Result<()> {
    document::Notebook::read(path)?.check_saved(path)
}

/// Runs all cells of `path` in a fresh kernel and saves the notebook with its outputs as `to`.
pub fn execute(repo: &Repo, path: &Path, to: &Path) -> Result<()> {
    let mut notebook = document::Notebook::read(path)?;
    let runs = execute::run(repo, &name(path), &notebook.cells()?, execute::Failure::Ends)?;
    let complaints = judge::complaints(&notebook.cells()?, &runs);
    if !complaints.is_empty() {
        let lines: Vec<String> =
            complaints.iter().map(|complaint| format!("{}, {complaint}", name(path))).collect();
        bail!("{}", lines.join("\n"));
    }
    notebook.put(runs.into_iter().map(|run| run.outputs).collect())?;
    notebook.write(to)
}

/// Fails unless each way in which a cell can go wrong unseen is caught, with a real kernel.
pub fn selftest(repo: &Repo) -> Result<()> {
    selftest::run(repo)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-")
}
