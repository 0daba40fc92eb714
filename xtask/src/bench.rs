//! `cargo xtask bench` measures how fast training and sampling are here, beside what the processor can do.

use crate::process::replace_with;
use crate::repo::Repo;
use crate::setup;
use anyhow::Result;

#[derive(clap::Args)]
pub struct Options {
    /// Flags for the benchmark itself, for example `--device cuda:0` or `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub flags: Vec<String>,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    setup::ensure(repo)?;
    let mut cargo = repo.cargo();
    cargo.args(["run", "--example", "throughput", "--"]).args(&options.flags);
    replace_with(cargo)
}
