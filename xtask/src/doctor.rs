//! `cargo xtask doctor` tells what this machine has, what is wrong with it, and what to do about it.

mod checks;
mod page;

use crate::repo::Repo;
use anyhow::Result;
use page::Verdict;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Options {
    /// Explain an error message instead: give the text, or nothing to read it from standard input.
    #[arg(long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "-")]
    explain: Option<String>,
}

pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    if let Some(text) = &options.explain {
        return explain(text);
    }
    let mut worst = Verdict::Ok;
    for section in checks::ALL {
        for finding in section(repo) {
            println!("{finding}");
            worst = worst.max(finding.verdict);
        }
    }
    println!(
        "\n{}",
        match worst {
            Verdict::Ok => "All is well.",
            Verdict::Warn => "Everything needed is here; the WARN lines may matter to you.",
            Verdict::Fail =>
                "The FAIL lines need their fix. For any other error message: cargo xtask doctor --explain \"...\"",
        }
    );
    Ok(if worst == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn explain(text: &str) -> Result<ExitCode> {
    let text = match text {
        "-" => std::io::read_to_string(std::io::stdin())?,
        text => text.to_owned(),
    };
    let known = page::explain(&text);
    if known.is_empty() {
        println!(
            "This message is not among the known ones. `cargo xtask doctor` looks at the machine itself."
        );
        return Ok(ExitCode::FAILURE);
    }
    for message in known {
        println!("{}\n  fix: {}\n", message.cause, message.fix);
    }
    Ok(ExitCode::SUCCESS)
}
