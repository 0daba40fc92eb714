//! `cargo xtask doc`: the crate's documentation, with its formulas set by the vendored KaTeX.
//!
//! A plain `cargo doc` shows the same pages with the formulas as TeX.

use crate::repo::Repo;
use crate::setup;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;

#[derive(clap::Args)]
pub struct Options {
    /// Open the documentation in a browser.
    #[arg(long)]
    pub open: bool,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    setup::ensure(repo)?;
    let assets = repo.root.join("assets/katex");
    let there = repo.target().join("doc/katex");
    copy(&assets, &there).with_context(|| format!("cannot copy KaTeX to {}", there.display()))?;
    let mut cargo = repo.cargo();
    cargo.args(["doc", "--no-deps", "--package", "from-noise"]);
    cargo.env("CARGO_ENCODED_RUSTDOCFLAGS", flags(&assets.join("rustdoc.html")));
    if options.open {
        cargo.arg("--open");
    }
    Err(anyhow::Error::new(cargo.exec()).context("cargo does not start"))
}

/// The user's own RUSTDOCFLAGS and ours, in cargo's encoding, which lets paths hold spaces.
fn flags(header: &Path) -> OsString {
    let own = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
    let mut flags: OsString = own.split_whitespace().collect::<Vec<_>>().join("\x1f").into();
    if !flags.is_empty() {
        flags.push("\x1f");
    }
    flags.push("--html-in-header\x1f");
    flags.push(header);
    flags
}

/// Copies a folder with all it holds.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &there)?,
            false => _ = std::fs::copy(entry.path(), there)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_stays_one_flag() {
        let flags = flags(Path::new("/a b/rustdoc.html")).into_string().unwrap();
        assert!(flags.ends_with("--html-in-header\x1f/a b/rustdoc.html"), "{flags:?}");
    }

    #[test]
    fn a_folder_is_copied_whole() {
        let root = std::env::temp_dir().join(format!("from-noise-doc-{}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        std::fs::create_dir_all(from.join("fonts")).unwrap();
        std::fs::write(from.join("fonts/a.woff2"), "font").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read(to.join("fonts/a.woff2")).unwrap(), b"font");
        std::fs::remove_dir_all(root).unwrap();
    }
}
