//! `from-noise`: draw, measure, tabulate and inspect, with weights and pictures of one's own.

mod arrays;
mod captions;
mod export;
mod import;
mod info;
mod inpaint;
mod model;
mod output;
mod prompt;
mod sample;
mod score;
mod score_input;
mod table;
mod train_classifier;
mod upsample;

use anyhow::Result;
use clap::{Parser, Subcommand};
use from_noise::util::cli;
use std::process::ExitCode;

/// Diffusion models on your own data: draw from a trained run, measure what was drawn, fill tables
/// of scores, look into a run or copy it, train a classifier to score by, take a model from
/// diffusers. The models themselves are trained by `cargo chapter 04 --train`.
///
/// Examples:
///   cargo from-noise sample weights/mnist-unet-v --out digits.png
///   cargo from-noise info weights/mnist-unet-v
///   cargo from-noise score --help
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment, name = "from-noise", bin_name = "cargo from-noise", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one
enum Command {
    Sample(sample::Args),
    Score(score::Args),
    Table(table::Args),
    Info(info::Args),
    Export(export::Args),
    TrainClassifier(train_classifier::Args),
    Import(import::Args),
}

fn main() -> ExitCode {
    cli::exit(run(cli::parse::<Cli>().command))
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Sample(args) => sample::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Table(args) => table::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Export(args) => export::run(&args),
        Command::TrainClassifier(args) => train_classifier::run(&args),
        Command::Import(args) => import::run(&args),
    }
}

/// What to type to do this again.
fn command_line() -> String {
    cli::command_line("from-noise")
}
