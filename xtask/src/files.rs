//! This module writes files whole or not at all, and lists, copies and digests them.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Copies what a folder holds into another. Times stay, for cargo goes by them.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status()?;
    ensure!(status.success(), "cannot copy {} to {}", from.display(), to.display());
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
