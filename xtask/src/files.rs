//! This module writes files whole or not at all, and lists, copies and digests them.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Writes a file, with its folder, under a temporary name first; one that says this already is left
/// alone, for a program may have it open.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    let beside = with_suffix(path, ".tmp");
    std::fs::create_dir_all(path.parent().context("a file has a folder")?)
        .and_then(|()| std::fs::write(&beside, text))
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The last part of a path, as text.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What lies in a folder itself; nothing if there is no such folder.
pub fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Every file below a folder with its length, links followed.
pub fn below(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let files = WalkDir::new(folder).follow_links(true).into_iter().flatten();
    files.filter(|entry| entry.file_type().is_file()).filter_map(|entry| {
        let length = entry.metadata().ok()?.len();
        Some((entry.into_path(), length))
    })
}

/// Copies a folder with all it holds.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for (path, _) in below(from) {
        let there = to.join(path.strip_prefix(from)?);
        std::fs::create_dir_all(there.parent().context("a file has a folder")?)?;
        std::fs::copy(path, there)?;
    }
    Ok(())
}

/// sha256 of a file in lower-case hex.
pub fn sha256_of(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hash(file, std::io::sink())?.1)
}

/// Copies `source` to `sink`, and returns its length and its sha256 in lower-case hex.
pub fn hash(mut source: impl Read, mut sink: impl Write) -> Result<(u64, String)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer)? {
            0 => {
                let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                return Ok((length, hex));
            }
            n => {
                hash.update(&buffer[..n]);
                sink.write_all(&buffer[..n])?;
                length += n as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_copied_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        write(&from.join("fonts/a.woff2"), "font").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read(to.join("fonts/a.woff2")).unwrap(), b"font");
        assert_eq!(below(scratch.path()).count(), 2, "no temporary file is left behind");
    }
}
