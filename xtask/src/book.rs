//! `cargo xtask book` builds the book with tools/book, which says what is wrong by file and line.

use crate::process::replace_with;
use crate::repo::Repo;
use anyhow::Result;
use std::process::Command;

#[derive(clap::Args)]
pub struct Options {
    /// Serve the book on this machine, and build it again whenever a source changes.
    #[arg(long)]
    pub serve: bool,
    /// The port of --serve.
    #[arg(long, default_value_t = 3000, value_name = "N")]
    pub port: u16,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let mut cargo = builder(repo);
    if options.serve {
        cargo.args(["--", "--serve", "--port", &options.port.to_string()]);
    }
    replace_with(cargo)
}

/// The builder of the book, compiled beside the xtask: what links libtorch waits for nothing here.
pub fn builder(repo: &Repo) -> Command {
    let mut cargo = repo.cargo();
    cargo.args(["run", "--profile", "xtask", "--target-dir", "target/xtask"]);
    cargo.args(["--package", "from-noise-book"]);
    cargo
}
