//! Set-up and automation of from-noise: `cargo setup`, `cargo chapter NN`, `cargo xtask ...`.

#[cfg(not(unix))]
compile_error!("from-noise builds on Linux and macOS; on Windows use WSL2");

mod chapter;
mod data;
mod fetch;
mod repo;
mod scratch;
mod setup;
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
    /// Install libtorch 2.13.0 into .libtorch/ (also: cargo setup).
    Setup(setup::Options),
    /// Build and run one chapter (also: cargo chapter NN [-- flags]); without a number, list them.
    Chapter(chapter::Options),
    /// Download data sets into datasets/.
    Data(data::Options),
    /// Load shared libraries in order and report the first that fails.
    #[command(hide = true)]
    Load { libraries: Vec<std::path::PathBuf> },
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
        Task::Setup(options) => setup::run(&repo, &options),
        Task::Chapter(options) => chapter::run(&repo, &options),
        Task::Data(options) => data::run(&repo, &options),
        Task::Load { libraries } => setup::load::here(&libraries),
    }
}
