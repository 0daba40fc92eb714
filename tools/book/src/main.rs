//! `cargo xtask book [--serve [--port N]]`: builds the book into target/book.

use anyhow::{Result, bail};
use from_noise_book::{build, serve};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const WATCHED: [&str; 6] = ["book", "src", "chapters", "tests", "results", "assets"];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let (mut port, mut serving) = (3000, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--serve" => serving = true,
            "--port" => match args.next().and_then(|n| n.parse().ok()) {
                Some(n) => port = n,
                None => bail!("--port needs a number, such as 3000"),
            },
            other => bail!("unknown flag {other}: --serve and --port N are all there is"),
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let out = root.join("target/book");
    let good = tell(&root, &out)?;
    if !serving {
        return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    serve(&out, port)?;
    println!("reading at http://127.0.0.1:{port}; rebuilt whenever a source changes; Ctrl-C ends");
    let mut seen = newest(&root);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = newest(&root);
        if now != seen {
            seen = now;
            tell(&root, &out)?;
        }
    }
}

/// Builds, and says how it went.
fn tell(root: &Path, out: &Path) -> Result<bool> {
    match build(root, out)? {
        Ok(built) => {
            println!(
                "{} pages, {} formulas, {} results",
                built.pages, built.formulas, built.results
            );
            println!("{}", out.join("index.html").display());
            Ok(true)
        }
        Err(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            eprintln!("the book is not built: {} to mend", problems.len());
            Ok(false)
        }
    }
}

/// The newest change of any file that the book is made of, and how many files there are.
fn newest(root: &Path) -> (SystemTime, usize) {
    let mut state = (SystemTime::UNIX_EPOCH, 0);
    let mut folders: Vec<PathBuf> = WATCHED.iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                state.0 = state.0.max(metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
                state.1 += 1;
            }
        }
    }
    state
}
