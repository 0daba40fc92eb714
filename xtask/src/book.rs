//! `cargo xtask book`: builds the book with tools/book, which says what is wrong by file and line.

use crate::repo::Repo;
use anyhow::Result;
use std::os::unix::process::CommandExt;

/// The builder runs for a second at a time: compiling it fast matters more than its speed, except
/// for the engine that runs KaTeX.
const PROFILE: [&str; 2] = [
    "profile.dev.package.\"*\".opt-level=0",
    "profile.dev.package.rquickjs-sys.opt-level=2",
];

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
    let mut cargo = repo.cargo();
    cargo.args(["run", "--package", "from-noise-book"]);
    // Beside the xtask: what links libtorch is built elsewhere, and waits for nothing here.
    cargo.args(["--target-dir", "target/xtask"]);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    cargo.arg("--");
    if options.serve {
        cargo.args(["--serve", "--port", &options.port.to_string()]);
    }
    // This process becomes cargo, and cargo the builder: exit code and Ctrl-C need no forwarding.
    Err(anyhow::Error::new(cargo.exec()).context("cargo does not start"))
}
