//! `cargo xtask doc` builds the crate's documentation with its formulas set by the vendored KaTeX.
//!
//! A plain `cargo doc` shows the same pages with the formulas as TeX.

use crate::process::replace_with;
use crate::repo::Repo;
use crate::{files, setup};
use anyhow::Result;
use std::ffi::OsString;
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
    files::copy(&assets, &there)?;
    let mut cargo = repo.cargo();
    cargo.args(["doc", "--no-deps", "--package", "from-noise"]);
    cargo.env("CARGO_ENCODED_RUSTDOCFLAGS", flags(&assets.join("rustdoc.html")));
    if options.open {
        cargo.arg("--open");
    }
    replace_with(cargo)
}

/// The user's RUSTDOCFLAGS and ours, in cargo's encoding, which lets paths hold spaces.
fn flags(header: &Path) -> OsString {
    let users = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
    let mut flags: Vec<OsString> = users.split_whitespace().map(OsString::from).collect();
    flags.extend(["--html-in-header".into(), header.into()]);
    flags.join("\x1f".as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_stays_one_flag() {
        let flags = flags(Path::new("/a b/rustdoc.html")).into_string().unwrap();
        assert!(flags.ends_with("--html-in-header\x1f/a b/rustdoc.html"), "{flags:?}");
    }
}
