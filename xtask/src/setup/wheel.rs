//! One wheel: fetched by pip, checked, and the files that are needed unpacked from it.

use super::platform::{Form, Platform, Wheel, place};
use crate::fetch::{hex, run_client, sha256_of};
use crate::ui::Meter;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
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

/// The wheel in `folder`: the one that is there already if it is whole, else downloaded.
pub fn obtain(
    pip: &[String],
    wheel: &Wheel,
    platform: Platform,
    index: Index,
    folder: &Path,
    partial: &Path,
) -> Result<PathBuf> {
    if let Some(path) = find(wheel, folder) {
        match check(&path, wheel) {
            Ok(()) => return Ok(path),
            Err(error) => {
                eprintln!("  {error:#}: downloading it again");
                std::fs::remove_file(&path)?;
            }
        }
    }
    let incoming = partial.join("incoming");
    let tmp = partial.join("tmp");
    std::fs::create_dir_all(&incoming)?;
    std::fs::create_dir_all(&tmp)?;
    let mut command = pip_download(pip, wheel, platform, index);
    command.arg("-d").arg(&incoming).env("TMPDIR", &tmp);
    let mut meter = Meter::new(wheel.name, wheel.bytes);
    let outcome = run_client(&mut command, "it is part of Python", &mut || {
        meter.set(bytes_below(&tmp).max(bytes_below(&incoming)));
    });
    outcome.with_context(|| format!("{} {}", wheel.name, wheel.version))?;
    meter.set(bytes_below(&incoming));
    meter.finish();
    let Some(arrived) = find(wheel, &incoming) else {
        bail!("pip saved no wheel named {} {}", wheel.name, wheel.version);
    };
    check(&arrived, wheel)?;
    std::fs::create_dir_all(folder)?;
    let kept = folder.join(arrived.file_name().context("a wheel has a name")?);
    std::fs::rename(&arrived, &kept)?;
    Ok(kept)
}

fn pip_download(pip: &[String], wheel: &Wheel, platform: Platform, index: Index) -> Command {
    let mut command = Command::new(&pip[0]);
    command.args(&pip[1..]).args([
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
    ]);
    command.args(["--progress-bar", "off", "--disable-pip-version-check", "--no-input"]);
    // The wheel for CPython 3.11 whatever Python is here: only its C++ half is used.
    command.args(["--implementation", "cp", "--python-version", "311"]);
    for tag in platform.pip_tags() {
        command.args(["--platform", &tag]);
    }
    if index == Index::PyTorchCpu {
        command.args(["--index-url", PYTORCH_CPU, "--timeout", "8", "--retries", "0"]);
        command.env_remove("PIP_FIND_LINKS").env_remove("PIP_EXTRA_INDEX_URL");
    }
    command.arg(format!("{}=={}", wheel.name, wheel.version));
    command
}

/// The file that pip saves for a wheel: `nvidia_cuda_cupti-13.0.85-py3-none-...whl`.
fn find(wheel: &Wheel, folder: &Path) -> Option<PathBuf> {
    let start = format!("{}-{}-", wheel.name.replace('-', "_"), wheel.version);
    std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace("%2B", "+");
        name.starts_with(&start) && name.ends_with(".whl")
    })
}

fn check(path: &Path, wheel: &Wheel) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match wheel.sha256 {
        Some(expected) => {
            let found = sha256_of(path)?;
            if found != expected {
                bail!("{name} is corrupt: sha256 {expected} expected, {found} found");
            }
        }
        None => {
            open(path).with_context(|| format!("{name} is corrupt"))?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<ZipArchive<File>> {
    Ok(ZipArchive::new(File::open(path)?)?)
}

/// Unpacks what is needed into `root`, holding every file against the wheel's own RECORD.
pub fn unpack(path: &Path, platform: Platform, form: Form, root: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut archive = open(path).with_context(|| format!("{name} is corrupt"))?;
    let record = record(&mut archive).with_context(|| format!("{name} has no RECORD"))?;
    let wanted: Vec<(String, PathBuf)> = archive
        .file_names()
        .flatten()
        .filter(|entry| !entry.ends_with('/') && !entry.contains(".."))
        .filter_map(|entry| {
            let dest = root.join(place(&entry, platform, form)?);
            Some((entry.into_owned(), dest))
        })
        .collect();
    let mut total = 0;
    for (entry, _) in &wanted {
        total += archive.by_name(entry)?.size();
    }
    let mut meter = Meter::new(&format!("unpacking {}", short(&name)), total);
    for (entry, dest) in &wanted {
        let file = archive.by_name(entry)?;
        let (bytes, found) = write(file, dest).with_context(|| format!("cannot unpack {entry}"))?;
        match record.get(entry) {
            Some(expected) if *expected == found => meter.add(bytes),
            Some(_) => bail!("{entry} in {name} is not what the wheel's RECORD says"),
            None => bail!("{entry} in {name} is not in the wheel's RECORD"),
        }
    }
    meter.finish();
    Ok(())
}

fn short(wheel_file: &str) -> &str {
    wheel_file.split('-').next().unwrap_or(wheel_file)
}

/// Copies one entry and returns its length and RECORD's form of its sha256.
fn write(mut source: impl Read, dest: &Path) -> Result<(u64, String)> {
    if let Some(folder) = dest.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::create(dest)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0;
    loop {
        let n = source.read(&mut buffer)?;
        if n == 0 {
            return Ok((total, hex(&hash.finalize())));
        }
        hash.update(&buffer[..n]);
        file.write_all(&buffer[..n])?;
        total += n as u64;
    }
}

/// The wheel's list of files: path -> sha256 in hex.
fn record(archive: &mut ZipArchive<File>) -> Result<HashMap<String, String>> {
    let name = archive
        .file_names()
        .flatten()
        .find(|name| name.ends_with(".dist-info/RECORD"))
        .context("not a wheel")?
        .into_owned();
    let mut text = String::new();
    archive.by_name(&name)?.read_to_string(&mut text)?;
    let lines = text.lines().filter_map(|line| {
        // path,sha256=<base64>,size — paths that hold commas are quoted, and none of ours does
        let mut fields = line.rsplitn(3, ',').skip(1);
        let hash = fields.next()?.strip_prefix("sha256=")?;
        Some((fields.next()?.trim_matches('"').to_owned(), hex(&base64(hash)?)))
    });
    Ok(lines.collect())
}

/// Decodes unpadded URL-safe base64, the alphabet of RECORD files.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(digit(c)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
