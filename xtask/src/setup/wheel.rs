//! A wheel is fetched by pip and checked, and the files that are needed are unpacked from it.

use super::platform::{Form, Wheel, place};
use crate::files::{self, copy_hashed, sha256_of};
use crate::process::run_client;
use crate::ui::Meter;
use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipArchive;

/// Where pip looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// PyTorch's own: smaller wheels, without CUDA.
    PyTorchCpu,
    /// Whatever this user's pip is set up for.
    Registry,
}

const PYTORCH_CPU: &str = "https://download.pytorch.org/whl/cpu";

/// How wheels are fetched here.
#[derive(Debug)]
pub struct Fetcher {
    /// The words that start pip.
    pub pip: Vec<String>,
    /// The platform tags that pip may choose from.
    pub tags: Vec<String>,
    /// Where whole wheels are kept.
    pub downloads: PathBuf,
    /// Where unfinished things are.
    pub partial: PathBuf,
}

impl Fetcher {
    /// The wheel's file: the one that is there already if it is whole, else downloaded.
    pub fn obtain(&self, wheel: &Wheel, index: Index) -> Result<PathBuf> {
        if let Some(path) = find(wheel, &self.downloads) {
            match check(&path, wheel) {
                Ok(()) => return Ok(path),
                Err(error) => {
                    eprintln!("  {error:#}: downloading it again");
                    std::fs::remove_file(&path)?;
                }
            }
        }
        let [incoming, tmp] = ["incoming", "tmp"].map(|name| self.partial.join(name));
        for folder in [&incoming, &tmp, &self.downloads] {
            std::fs::create_dir_all(folder)?;
        }
        let mut command = self.pip_download(wheel, index);
        command.arg("-d").arg(&incoming).env("TMPDIR", &tmp);
        let mut meter = Meter::new(&wheel.name, wheel.bytes);
        run_client(&mut command, "it is part of Python", &mut || {
            meter.set(bytes_below(&tmp).max(bytes_below(&incoming)));
        })
        .with_context(|| format!("{} {}", wheel.name, wheel.version))?;
        meter.set(bytes_below(&incoming));
        meter.finish();
        let Some(arrived) = find(wheel, &incoming) else {
            bail!("pip saved no wheel named {} {}", wheel.name, wheel.version);
        };
        check(&arrived, wheel)?;
        let kept = self.downloads.join(files::name(&arrived));
        std::fs::rename(&arrived, &kept)?;
        Ok(kept)
    }

    fn pip_download(&self, wheel: &Wheel, index: Index) -> Command {
        let mut command = Command::new(&self.pip[0]);
        command.args(&self.pip[1..]).args(["download", "--no-deps", "--only-binary=:all:"]);
        command.args(["--no-cache-dir", "--progress-bar", "off"]);
        command.args(["--disable-pip-version-check", "--no-input"]);
        // The wheel for CPython 3.11 whatever Python is here: only its C++ half is used.
        command.args(["--implementation", "cp", "--python-version", "311"]);
        for tag in &self.tags {
            command.args(["--platform", tag]);
        }
        if index == Index::PyTorchCpu {
            command.args(["--index-url", PYTORCH_CPU, "--timeout", "8", "--retries", "0"]);
            command.env_remove("PIP_FIND_LINKS").env_remove("PIP_EXTRA_INDEX_URL");
        }
        command.arg(format!("{}=={}", wheel.name, wheel.version));
        command
    }
}

/// The file that pip saves for a wheel: `nvidia_cuda_cupti-13.0.85-py3-none-...whl`.
fn find(wheel: &Wheel, folder: &Path) -> Option<PathBuf> {
    let start = format!("{}-{}-", wheel.name.replace('-', "_"), wheel.version);
    files::entries(folder).find(|path| {
        let name = files::name(path).replace("%2B", "+");
        name.starts_with(&start) && name.ends_with(".whl")
    })
}

fn bytes_below(folder: &Path) -> u64 {
    files::below(folder).map(|(_, bytes)| bytes).sum()
}

fn check(path: &Path, wheel: &Wheel) -> Result<()> {
    let name = files::name(path);
    let Some(expected) = &wheel.sha256 else {
        return open(path).map(drop).with_context(|| format!("{name} is corrupt"));
    };
    let found = sha256_of(path)?;
    if found != *expected {
        bail!("{name} is corrupt: sha256 {expected} expected, {found} found");
    }
    Ok(())
}

fn open(path: &Path) -> Result<ZipArchive<File>> {
    Ok(ZipArchive::new(File::open(path)?)?)
}

/// Unpacks what is needed into `root`, holding every file against the wheel's own RECORD.
pub fn unpack(path: &Path, form: Form, root: &Path) -> Result<()> {
    let name = files::name(path);
    let mut archive = open(path).with_context(|| format!("{name} is corrupt"))?;
    let record = record(&mut archive).with_context(|| format!("{name} has no RECORD"))?;
    let entries: Vec<String> = archive.file_names().flatten().map(String::from).collect();
    let mut wanted = Vec::new();
    let mut total = 0;
    for entry in entries.iter().filter(|entry| !entry.ends_with('/') && !entry.contains("..")) {
        if let Some(place) = place(entry, form) {
            total += archive.by_name(entry)?.size();
            wanted.push((entry, root.join(place)));
        }
    }
    let package = name.split('-').next().unwrap_or(&name);
    let mut meter = Meter::new(&format!("unpacking {package}"), total);
    for (entry, dest) in wanted {
        let file = archive.by_name(entry)?;
        let (bytes, found) =
            copy_hashed(file, &dest).with_context(|| format!("cannot unpack {entry}"))?;
        match record.get(entry) {
            Some(expected) if *expected == found => meter.add(bytes),
            Some(_) => bail!("{entry} in {name} is not what the wheel's RECORD says"),
            None => bail!("{entry} in {name} is not in the wheel's RECORD"),
        }
    }
    meter.finish();
    Ok(())
}

/// The wheel's list of files: path -> sha256 in hex.
fn record(archive: &mut ZipArchive<File>) -> Result<HashMap<String, String>> {
    let mut names = archive.file_names().flatten();
    let name = names.find(|name| name.ends_with(".dist-info/RECORD")).context("not a wheel")?;
    let name = name.into_owned();
    drop(names);
    // path,sha256=<base64>,size
    let mut lines =
        csv::ReaderBuilder::new().has_headers(false).from_reader(archive.by_name(&name)?);
    let mut hashes = HashMap::new();
    for line in lines.records() {
        let line = line?;
        if let Some(hash) = line.get(1).and_then(|hash| hash.strip_prefix("sha256=")) {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(hash.trim_end_matches('='))?;
            hashes.insert(line[0].to_owned(), files::hex(&bytes));
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests;
