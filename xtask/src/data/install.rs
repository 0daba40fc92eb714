//! This module brings files, perhaps gzipped, from where they were found to the data set's folder.

use super::manifest::{File as Expected, Set};
use crate::files::{hash, sha256_of};
use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// No file of unknown size is larger: 4 GiB.
pub const LARGEST: u64 = 1 << 32;

/// Whether every file is in `dest` with its size and, where one is published, its digest.
pub fn is_complete(set: &Set, dest: &Path) -> bool {
    set.files.iter().all(|file| {
        let path = dest.join(&file.name);
        let wanted = file.sha256.as_ref();
        path.metadata().is_ok_and(|meta| file.size.is_none_or(|size| meta.len() == size))
            && wanted.is_none_or(|hash| sha256_of(&path).is_ok_and(|found| found == *hash))
    })
}

/// Unpacks and verifies every file in `from` before the first of them is put into `dest`.
pub fn install(set: &Set, from: &Path, dest: &Path) -> Result<()> {
    let ready = dest.join(".part/ready");
    let _ = fs::remove_dir_all(&ready);
    for file in &set.files {
        unpack(file, from, &ready.join(&file.name))?;
    }
    for file in &set.files {
        let to = dest.join(&file.name);
        fs::rename(ready.join(&file.name), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Copies one file to `to`, unpacked, if it is the expected one.
fn unpack(file: &Expected, folder: &Path, to: &Path) -> Result<()> {
    let from = plain_or_gz(folder, &file.name)?;
    let path = from.display();
    let limit = file.size.unwrap_or(LARGEST);
    let (size, sha256) = copy(&from, to, limit).with_context(|| format!("{path}"))?;
    if let Some(expected) = file.size.filter(|expected| size != *expected) {
        let size = if size > expected { "more".into() } else { size.to_string() };
        bail!("{path}: {expected} bytes expected, {size} found");
    }
    let expected = file.sha256.as_ref().unwrap_or(&sha256);
    ensure!(*expected == sha256, "{path}: sha256 {expected} expected, {sha256} found");
    Ok(())
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
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    let copy = File::create(to)?;
    let hashed = hash(plain.take(limit + 1), &copy)?;
    copy.sync_all()?;
    Ok(hashed)
}
