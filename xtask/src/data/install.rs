//! This module brings files, perhaps gzipped, from where they were found to the data set's folder.

use super::manifest::{File as Expected, Set};
use super::source::Found;
use crate::files::{copy_hashed, sha256_of};
use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The digests of what was installed, as `sha256sum --check` reads them.
const RECORD: &str = "SHA256SUMS";

/// Whether every file is in `dest` with the digest of the manifest, or, where that has none, with
/// the one recorded when the file came out of a verified archive.
pub fn is_complete(set: &Set, dest: &Path) -> bool {
    let record = fs::read_to_string(dest.join(RECORD)).unwrap_or_default();
    set.files.iter().all(|file| {
        let path = dest.join(&file.name);
        let size = path.metadata().map_or(0, |meta| meta.len());
        size == file.size
            && sha256_of(&path).is_ok_and(|found| match &file.sha256 {
                Some(expected) => found == *expected,
                None => record.lines().any(|line| line == record_line(&found, &file.name)),
            })
    })
}

fn record_line(sha256: &str, name: &str) -> String {
    format!("{sha256}  {name}")
}

/// Unpacks and verifies every file before the first of them is put into `dest`.
pub fn install(set: &Set, found: &Found, dest: &Path) -> Result<()> {
    let ready = dest.join(".part/ready");
    let _ = fs::remove_dir_all(&ready);
    let mut record = String::new();
    for file in &set.files {
        let sha256 = unpack(file, found, &ready.join(&file.name))?;
        record += &record_line(&sha256, &file.name);
        record.push('\n');
    }
    fs::write(ready.join(RECORD), record)?;
    for name in set.files.iter().map(|file| file.name.as_str()).chain([RECORD]) {
        let to = dest.join(name);
        fs::rename(ready.join(name), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Copies one file to `to`, unpacked, and returns its sha256 if it is the expected one.
fn unpack(file: &Expected, found: &Found, to: &Path) -> Result<String> {
    let from = plain_or_gz(&found.folder, &file.name)?;
    let path = from.display();
    let (size, sha256) = copy(&from, to, file.size).with_context(|| format!("{path}"))?;
    if size != file.size {
        let size = if size > file.size { "more".into() } else { size.to_string() };
        bail!("{path}: {} bytes expected, {size} found", file.size);
    }
    match &file.sha256 {
        Some(expected) if *expected != sha256 => {
            bail!("{path}: sha256 {expected} expected, {sha256} found")
        }
        None => ensure!(
            found.verified,
            "{path} has no published sha256 of its own: name the folder of the official archive"
        ),
        Some(_) => {}
    }
    Ok(sha256)
}

fn plain_or_gz(folder: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [name.to_owned(), format!("{name}.gz")].map(|name| folder.join(name));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.with_context(|| format!("{} holds neither {name} nor {name}.gz", folder.display()))
}

/// Copies at most one byte more than `limit`, unpacking gzip; returns the length and the sha256.
fn copy(from: &Path, to: &Path, limit: u64) -> Result<(u64, String)> {
    let mut file = BufReader::new(File::open(from)?);
    let gzipped = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let copied = copy_hashed(plain.take(limit + 1), to)?;
    File::open(to)?.sync_all()?;
    Ok(copied)
}
