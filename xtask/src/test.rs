//! `cargo xtask test` runs everything that can fail without a GPU, one stage after the other, and
//! counts at the end. A failed stage does not stop the next.

mod smoke;
mod tally;

use crate::repo::{BOOK, Repo};
use crate::ui::duration;
use crate::{browser, chapter, files, notebooks, readme, setup};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use tally::Tally;

#[derive(clap::Args)]
pub struct Options {
    /// Also execute every notebook and read the book in a browser (needs python3, node, chromium).
    #[arg(long)]
    pub full: bool,
    /// Only the stages whose name contains this, for example `--only browser`.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub only: String,
}

type Stage = (&'static str, fn(&Repo, &mut Tally) -> Result<()>);

const STRICT: [&str; 4] = ["--all-targets", "--", "-D", "warnings"];

/// The tools, members of the workspace beside from-noise, link no libtorch.
const STAGES: [Stage; 8] = [
    ("format", |repo, tally| {
        tally.check("format", succeed(repo.cargo().args(["fmt", "--all", "--", "--check"])));
        Ok(())
    }),
    ("lints", |repo, tally| {
        tally.check("clippy", succeed(repo.cargo().arg("clippy").args(STRICT)));
        for tool in repo.tools()? {
            let outcome = succeed(repo.tool("clippy", &tool).args(STRICT));
            tally.check(&format!("clippy of {tool}"), outcome);
        }
        Ok(())
    }),
    ("tests", |repo, tally| {
        count(repo.cargo().args(["test", "--no-fail-fast"]), "from-noise", tally)?;
        for tool in repo.tools()? {
            count(repo.tool("test", &tool).arg("--no-fail-fast"), &tool, tally)?;
        }
        Ok(())
    }),
    ("documentation", |repo, tally| {
        let mut cargo = repo.cargo();
        cargo.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        tally.check("documentation", succeed(&mut cargo));
        Ok(())
    }),
    ("chapters", chapters),
    ("README", |repo, tally| {
        tally.check("README", readme::run(repo, &readme::Options { check: true }));
        Ok(())
    }),
    ("notebooks", check_notebooks),
    ("book", |repo, tally| {
        tally.check("book", succeed(&mut repo.tool("run", BOOK)));
        Ok(())
    }),
];

/// The stages that --full adds.
const FULL: [Stage; 2] = [
    ("notebooks executed", execute_notebooks),
    ("book in a browser", |repo, tally| {
        tally.check("browser", browser::run(repo));
        Ok(())
    }),
];

pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    setup::ensure(repo)?;
    let asked = |(name, _): &&Stage| name.contains(&options.only);
    let mut stages: Vec<&Stage> = STAGES.iter().filter(asked).collect();
    // A stage asked for by a name that only the full list knows runs without --full.
    if options.full || stages.is_empty() {
        stages.extend(FULL.iter().filter(asked));
    }
    if stages.is_empty() {
        let names: Vec<&str> = STAGES.iter().chain(&FULL).map(|(name, _)| *name).collect();
        bail!("no stage is called {}; there are {}", options.only, names.join(", "));
    }
    let started = Instant::now();
    let mut tally = Tally::default();
    for (name, work) in stages {
        println!("\n=== {name}");
        let (started, failed) = (Instant::now(), tally.failed);
        if let Err(error) = work(repo, &mut tally) {
            tally.check(name, Err(error));
        }
        let verdict = if tally.failed == failed { "passed" } else { "FAILED" };
        println!("=== {name}: {verdict} in {}", duration(started.elapsed()));
    }
    println!("\nAll stages in {}.", duration(started.elapsed()));
    print!("{}", tally.summary());
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().context("cargo does not start")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Runs cargo's tests, passing on what they print and counting what they say.
fn count(command: &mut Command, package: &str, tally: &mut Tally) -> Result<()> {
    let before = tally.failed;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("the pipe is there")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        tally.count_line(&line);
    }
    let status = child.wait()?;
    // A test that failed is counted already; what did not compile or crashed is not.
    if !status.success() && tally.failed == before {
        tally.check(&format!("tests of {package}"), Err(anyhow!("{status}")));
    }
    Ok(())
}

fn chapters(repo: &Repo, tally: &mut Tally) -> Result<()> {
    let chapters = chapter::chapters(repo)?;
    smoke::all_listed(repo, &chapters)?;
    succeed(repo.cargo().args(["build", "--bins"])).context("the chapters do not build")?;
    for chapter in chapters {
        let started = Instant::now();
        let outcome = smoke::run(repo, &chapter.name);
        if let Ok(files) = &outcome {
            println!("{}: {files} files in {}", chapter.name, duration(started.elapsed()));
        }
        tally.check(&chapter.name, outcome.map(drop));
    }
    Ok(())
}

fn check_notebooks(repo: &Repo, tally: &mut Tally) -> Result<()> {
    let scratch = repo.target().join("notebooks");
    std::fs::create_dir_all(&scratch).context("target/notebooks")?;
    succeed(repo.cargo().args(["build", "--lib"])).context("the library does not build")?;
    for path in notebooks::all(repo) {
        let name = files::name(&path);
        let outcome = notebooks::compiles(&path, &repo.target().join("debug"), &scratch);
        if outcome.is_ok() {
            println!("{name}: its cells compile");
        }
        tally.check(&name, outcome);
        tally.check(&format!("outputs of {name}"), notebooks::check_saved(repo, &path));
    }
    Ok(())
}

/// The notebooks stay as they are: what a run shows goes to target/notebooks/.
fn execute_notebooks(repo: &Repo, tally: &mut Tally) -> Result<()> {
    tally.check("a broken notebook is seen to be", notebooks::execute_broken(repo));
    for path in notebooks::all(repo) {
        let name = files::name(&path);
        let outcome = notebooks::execute(repo, &path, &repo.target().join("notebooks").join(&name));
        tally.check(&format!("{name} executed"), outcome);
    }
    Ok(())
}
