//! The xtask sets up and automates from-noise: `cargo setup`, `cargo chapter NN`, `cargo xtask ...`.

#[cfg(not(unix))]
compile_error!("from-noise builds on Linux and macOS; on Windows use WSL2");

mod bench;
mod book;
mod browser;
mod bundle;
mod chapter;
mod data;
mod doc;
mod doctor;
mod fetch;
mod files;
mod first_run;
mod lock;
mod notebooks;
mod pip;
mod process;
mod readme;
mod repo;
mod setup;
mod test;
mod ui;

use clap::{Parser, Subcommand};
use nix::sys::signal::{SigHandler, Signal, signal};
use repo::Repo;
use std::process::ExitCode;

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
    /// Download data sets into datasets/: mnist, fashion, cifar10.
    Data(data::Options),
    /// Download published weights into weights/published/: ddpm-cifar10-32, fid-inception,
    /// stylegan-inception.
    Weights(data::Options),
    /// Look at this machine and tell what is wrong, each with its fix.
    Doctor(doctor::Options),
    /// Run every test, smoke-run every chapter, compile every notebook; the count comes last.
    Test(test::Options),
    /// Open the notebooks in JupyterLab, or run them and save their outputs (--execute).
    Notebook(notebooks::Options),
    /// Build the book into target/book; --serve shows it while you write.
    Book(book::Options),
    /// Time training and sampling here, beside a matrix product, and measure their memory.
    Bench(bench::Options),
    /// Compare with diffusers, pytorch-fid and SciPy on the golden files, each with its error.
    Parity,
    /// Pack the programs for a machine that has PyTorch and no Rust, such as a cluster with GPUs.
    Bundle(bundle::Options),
    /// Build the crate's documentation with its formulas set.
    Doc(doc::Options),
    /// Write the README's tables from results/.
    Readme(readme::Options),
    /// Time the README's two commands in a fresh clone with an empty cargo home.
    FirstRun(first_run::Options),
    /// Load shared libraries in order and report the first that fails.
    #[command(hide = true)]
    Load { libraries: Vec<std::path::PathBuf> },
    /// Become the Rust kernel; JupyterLab calls this.
    #[command(hide = true)]
    Kernel { connection: std::path::PathBuf },
}

fn main() -> ExitCode {
    // `cargo xtask ... | head -1` ends this program quietly, where Rust's default makes it panic.
    // SAFETY: the default action runs no code of this process.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let cli = Cli::parse();
    match run(cli.task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let repo = Repo::find()?;
    match task {
        Task::Setup(options) => setup::run(&repo, &options)?,
        Task::Chapter(options) => chapter::run(&repo, &options)?,
        Task::Data(options) => data::run(&repo, data::Kind::Data, &options)?,
        Task::Weights(options) => data::run(&repo, data::Kind::Weights, &options)?,
        Task::Doctor(options) => return doctor::run(&repo, &options),
        Task::Book(options) => book::run(&repo, &options)?,
        Task::Bench(options) => bench::run(&repo, &options)?,
        Task::Parity => parity(&repo)?,
        Task::Bundle(options) => bundle::run(&repo, &options)?,
        Task::Doc(options) => doc::run(&repo, &options)?,
        Task::Readme(options) => readme::run(&repo, &options)?,
        Task::FirstRun(options) => first_run::run(&repo, &options)?,
        Task::Test(options) => return test::run(&repo, &options),
        Task::Notebook(options) => notebooks::run(&repo, &options)?,
        Task::Kernel { connection } => notebooks::kernel::start(&repo, &connection)?,
        Task::Load { libraries } => setup::load::here(&libraries)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The tests of tests/golden that print their errors.
fn parity(repo: &Repo) -> anyhow::Result<()> {
    setup::ensure(repo)?;
    let mut cargo = repo.cargo();
    cargo.args([
        "test",
        "--test",
        "golden",
        "--",
        "--show-output",
        "frechet",
        "inception",
        "published",
    ]);
    process::replace_with(cargo)
}
