//! This stage opens the built book in a browser, where tests/browser/book.mjs reads every page.

use crate::files;
use crate::process::{once, require, run_client};
use crate::repo::Repo;
use crate::setup::prerequisites::install_hint;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What playwright-core asks for.
const NODE: (u32, u32) = (20, 0);
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Fails with every complaint about a page; screenshots go to target/browser/screenshots.
pub fn run(repo: &Repo) -> Result<()> {
    let book = repo.root.join("target/book");
    if !book.join("index.html").is_file() {
        bail!("there is no book in {}: `cargo xtask book` builds it", book.display());
    }
    let chromium = chromium()?;
    let hint = install_hint("nodejs npm", "nodejs npm", "brew install node");
    require("node", NODE, "the book's browser test", &hint)?;
    let folder = repo.target().join("browser");
    install(&repo.root.join("tests/browser"), &folder, &hint)?;
    let mut test = Command::new("node");
    repo.clean(&mut test);
    test.arg(folder.join("book.mjs")).arg(&book).arg(folder.join("screenshots")).arg(chromium);
    if !test.status().context("node does not start")?.success() {
        bail!("the book is not as it should be in a browser");
    }
    Ok(())
}

/// `CHROME`, or the first that is installed.
fn chromium() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("CHROME") {
        return Ok(chosen.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = |name: &&str| {
        std::env::split_paths(&path).map(move |dir| dir.join(name)).find(|path| path.is_file())
    };
    let mac = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let found = BROWSERS.iter().find_map(in_path).or(Some(mac).filter(|path| path.is_file()));
    found.with_context(|| {
        let hint = install_hint("chromium", "chromium", "brew install --cask chromium");
        format!("the book's browser test needs Chromium: {hint}")
    })
}

/// Copies the test and lets npm install what its lockfile names, unless that is done already.
fn install(sources: &Path, folder: &Path, hint: &str) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for file in files::entries(sources).filter(|path| path.is_file()) {
        std::fs::copy(&file, folder.join(files::name(&file)))?;
    }
    let lock = "package-lock.json";
    let wanted = std::fs::read_to_string(folder.join(lock)).context(lock)?;
    once(folder, &wanted, "playwright-core and axe-core (20 MB)", || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        run_client(&mut npm, hint, &mut || {})
            .context("npm could not install the browser test's packages (is there a network?)")
    })
}
