//! `cargo xtask book` builds the book with tools/book, which says what is wrong by file and line.

use crate::process::replace_with;
use crate::repo::{BOOK, Repo};
use anyhow::Result;

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
    let mut cargo = repo.tool("run", BOOK);
    if options.serve {
        cargo.args(["--", "--serve", "--port", &options.port.to_string()]);
    }
    replace_with(cargo)
}
