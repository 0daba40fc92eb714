//! A wheel is fetched and checked by pip, and the files that are needed are unpacked from it.

use super::platform::{Form, Wheel, place};
use crate::process::run_client;
use crate::ui::Meter;
use crate::{files, pip};
use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipArchive;

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
    /// The wheel's file. pip holds it against our hash or the index's, takes a whole one that is
    /// there already, and fetches a torn one again.
    pub fn obtain(&self, wheel: &Wheel) -> Result<PathBuf> {
        let folder = self.downloads.join(format!("{}-{}", wheel.name, wheel.version));
        let (tmp, wanted) = (self.partial.join("tmp"), self.partial.join("wanted.txt"));
        for folder in [&folder, &tmp] {
            std::fs::create_dir_all(folder)?;
        }
        let hash = wheel.sha256.iter().map(|hash| format!(" --hash=sha256:{hash}"));
        let hash: String = hash.collect();
        std::fs::write(&wanted, format!("{}=={}{hash}\n", wheel.name, wheel.version))?;
        let mut command = self.pip_download(wheel.index.as_deref());
        command.arg("-r").arg(&wanted).arg("-d").arg(&folder).env("TMPDIR", &tmp);
        let mut meter = Meter::new(&wheel.name, wheel.bytes);
        run_client(&mut command, "it is part of Python", &mut || {
            meter.set(bytes_below(&tmp).max(bytes_below(&folder)));
        })
        .with_context(|| format!("{} {}", wheel.name, wheel.version))?;
        meter.set(bytes_below(&folder));
        meter.finish();
        let mut files = files::entries(&folder);
        files
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .with_context(|| format!("pip saved no wheel named {} {}", wheel.name, wheel.version))
    }

    /// `index` is asked in place of whatever this user's pip is set up for, and must answer soon.
    fn pip_download(&self, index: Option<&str>) -> Command {
        let mut command = pip::command(&self.pip);
        command.args(["download", "--no-deps", "--only-binary=:all:"]);
        command.args(["--no-cache-dir", "--progress-bar", "off"]);
        command.args(["--disable-pip-version-check", "--no-input"]);
        // The wheel for CPython 3.11 whatever Python is here: only its C++ half is used.
        command.args(["--implementation", "cp", "--python-version", "311"]);
        for tag in &self.tags {
            command.args(["--platform", tag]);
        }
        if let Some(index) = index {
            command.args(["--index-url", index, "--timeout", "8", "--retries", "0"]);
            command.env_remove("PIP_FIND_LINKS").env_remove("PIP_EXTRA_INDEX_URL");
        }
        command
    }
}

fn bytes_below(folder: &Path) -> u64 {
    files::below(folder).map(|(_, bytes)| bytes).sum()
}

/// Unpacks what is needed into `root`; the archive's own checksums tell a damaged file.
pub fn unpack(path: &Path, form: Form, root: &Path) -> Result<()> {
    let name = files::name(path);
    let broken = || format!("{name} is corrupt");
    let mut archive = ZipArchive::new(File::open(path)?).with_context(broken)?;
    let package = name.split('-').next().unwrap_or(&name);
    let mut meter = Meter::new(&format!("unpacking {package}"), 0);
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).with_context(broken)?;
        let entry = file.enclosed_name().filter(|_| file.is_file());
        let Some(to) = entry.and_then(|entry| place(entry.to_str()?, form)) else { continue };
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        let mut out = File::create(&to)?;
        let copied = std::io::copy(&mut file, &mut out);
        meter.add(copied.with_context(|| format!("cannot unpack {} of {name}", to.display()))?);
    }
    meter.finish();
    Ok(())
}

#[cfg(test)]
mod tests;
