//! Set-up and automation of from-noise: `cargo setup`, `cargo chapter NN`, `cargo xtask ...`.

#[cfg(not(unix))]
compile_error!("from-noise builds on Linux and macOS; on Windows use WSL2");

mod data;
mod fetch;
mod repo;
mod scratch;
mod ui;

use clap::{Parser, Subcommand};
use repo::Repo;

/// Set-up and automation of from-noise.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Download data sets into datasets/.
    Data(data::Options),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match run(cli.task) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let repo = Repo::find()?;
    match task {
        Task::Data(options) => data::run(&repo, &options),
    }
}
