//! `cargo xtask data` fetches data sets, verifies them and puts them in place whole or not at all.

mod install;
mod manifest;
mod source;

use crate::repo::Repo;
use crate::ui::size;
use anyhow::{Context, Result, bail, ensure};
use manifest::{Manifest, Set};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Options {
    /// Names of the manifest, or all.
    #[arg(required = true)]
    names: Vec<String>,
    /// A folder with the files (plain, .gz or the official archive), instead of a download.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// What is fetched.
#[derive(Clone, Copy)]
pub enum Kind {
    Data,
    /// Published by others: into `weights/published/`.
    Weights,
}

pub fn run(repo: &Repo, kind: Kind, options: &Options) -> Result<()> {
    let (folder, place) = match kind {
        Kind::Data => ("datasets", "datasets"),
        Kind::Weights => ("weights", "weights/published"),
    };
    let manifest = Manifest::read(&repo.root.join(folder).join("manifest.toml"))?;
    let dir = match std::env::var_os("FROM_NOISE_DATA").filter(|dir| !dir.is_empty()) {
        Some(dir) if folder == "datasets" => dir.into(),
        _ => repo.root.join(place),
    };
    let mut failures = Vec::new();
    for set in manifest.select(&options.names)? {
        if let Err(error) = provide(set, &dir.join(&set.name), options.from.as_deref()) {
            failures.push(format!("{error:#}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Puts the files of `set` into `dest`, unless they are there already.
fn provide(set: &Set, dest: &Path, from: Option<&Path>) -> Result<()> {
    if install::is_complete(set, dest) {
        println!("{}: complete in {}", set.name, dest.display());
        return Ok(());
    }
    let bytes = set.files.iter().map(|file| file.size).sum::<Option<u64>>();
    let size = bytes.map_or(String::new(), |bytes| format!("{}; ", size(bytes)));
    println!("{}: {}; {size}licence: {}", set.name, set.title, set.licence);
    let stage = dest.join(".part");
    std::fs::create_dir_all(&stage).with_context(|| format!("cannot make {}", stage.display()))?;
    let outcome = match from {
        Some(folder) => {
            source::given(set, folder, &stage).and_then(|found| install::install(set, &found, dest))
        }
        None => fetch(set, &stage, dest),
    };
    if outcome.is_ok() || from.is_some() {
        let _ = std::fs::remove_dir_all(&stage);
    }
    for empty in [&stage, dest] {
        let _ = std::fs::remove_dir(empty); // which refuses what is not empty
    }
    outcome?;
    println!("{}: {} files in {}", set.name, set.files.len(), dest.display());
    Ok(())
}

/// Tries the sources in order. What an interrupted download left in `stage` is resumed.
fn fetch(set: &Set, stage: &Path, dest: &Path) -> Result<()> {
    for (i, source) in set.sources.iter().enumerate() {
        println!("  trying {source}");
        let stage = stage.join(i.to_string());
        let outcome = std::fs::create_dir_all(&stage)
            .with_context(|| format!("cannot make {}", stage.display()))
            .and_then(|()| source.obtain(set, &stage))
            .and_then(|found| {
                install::install(set, &found, dest).inspect_err(|_| {
                    let _ = std::fs::remove_dir_all(&stage); // whole but wrong: not worth keeping
                })
            });
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("    {error:#}"),
        }
        let _ = std::fs::remove_dir(&stage);
    }
    bail!("{}", by_hand(set, dest))
}

/// What to do when no source answers.
fn by_hand(set: &Set, dest: &Path) -> String {
    let (name, dest) = (&set.name, dest.display());
    let line = |(file, size, sha256): &(&str, Option<u64>, &str)| {
        let size = size.map_or("size unknown".into(), |size| format!("{size} bytes"));
        format!("  {file}  {size}  sha256 {sha256}\n")
    };
    let wanted: String = set.wanted().iter().map(line).collect();
    let sources: String = set.sources.iter().map(|source| format!("  from {source}\n")).collect();
    let files: Vec<&str> = set.files.iter().map(|file| file.name.as_str()).collect();
    let files = files.join(", ");
    format!(
        "{name}: no source answered. Get elsewhere, plain or gzipped:\n{wanted}{sources}\
         then type the same command with --from FOLDER, which puts {files} into {dest} \
         (for data sets FROM_NOISE_DATA names another place)"
    )
}

#[cfg(test)]
mod tests;
