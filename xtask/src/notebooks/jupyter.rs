//! JupyterLab and the Rust kernel are installed below target/jupyter: nothing user-wide is touched.

use crate::process::{once, replace_with, require, run_client, succeeds};
use crate::repo::Repo;
use crate::setup::prerequisites::install_hint;
use crate::ui::{duration, size};
use crate::{files, lock, pip};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The kernel, exactly: what it calls "ok" and where it looks for its files was read in this one.
const EVCXR: &str = "0.22.0";
/// The oldest Python that all versions in constraints.txt install on.
const PYTHON: (u32, u32) = (3, 11);
/// A panic becomes an error that no scheduling of threads can lose; the variables are lost with it.
const HEADLESS: &str = "[evcxr]\npreserve_vars_on_panic = false\n";
/// 100 s of C++ in place of 240, as in the crate's own profile; nothing that runs changes.
const PROFILE: &str = "[profile.dev.package.torch-sys]\nopt-level = 0\n";

/// Held while something is installed.
const LOCK: &str = "lock";

/// The settings in which JupyterLab asks whether it may fetch news and look for newer versions.
const NEWS: &str = "@jupyterlab/apputils-extension/notification.jupyterlab-settings";

pub fn base(repo: &Repo) -> PathBuf {
    repo.target().join("jupyter")
}

/// evcxr_jupyter itself.
pub fn program(repo: &Repo) -> PathBuf {
    base(repo).join("evcxr/bin/evcxr_jupyter")
}

/// Installs the kernel unless it is there, and (re)writes the files that lead to it.
pub fn kernel(repo: &Repo) -> Result<()> {
    let base = base(repo);
    let _lock = lock::wait(&base.join(LOCK))?;
    let list = std::fs::read_to_string(base.join("evcxr/.crates.toml")).unwrap_or_default();
    let complete = list.contains(&format!("\"evcxr_jupyter {EVCXR} "));
    if !complete || !program(repo).is_file() {
        install_evcxr(repo, &base)?;
    }
    files::write(&base.join(".cargo/config.toml"), PROFILE)?;
    files::write(&base.join("headless/evcxr.toml"), HEADLESS)?;
    let spec = json!({
        "argv": [std::env::current_exe()?, "kernel", "{connection_file}"],
        "display_name": "Rust",
        "language": "rust",
        "interrupt_mode": "message",
    });
    files::write(&base.join("kernels/rust/kernel.json"), &format!("{spec:#}\n"))
}

fn install_evcxr(repo: &Repo, base: &Path) -> Result<()> {
    let build = base.join("build");
    println!(
        "Installing the Rust kernel, evcxr_jupyter {EVCXR}, into {}: about 300 crates, ten minutes \
         on two cores, once.",
        base.join("evcxr").display()
    );
    let started = Instant::now();
    let mut cargo = repo.cargo();
    cargo.args(["install", "--locked", "evcxr_jupyter", "--version"]).arg(format!("={EVCXR}"));
    cargo.arg("--root").arg(base.join("evcxr")).arg("--target-dir").arg(&build);
    if !cargo.status().context("cargo does not start")?.success() {
        bail!(
            "evcxr_jupyter was not installed; cargo gives its reason above (without a network: try \
             again with one, what is compiled stays)"
        );
    }
    let _ = std::fs::remove_dir_all(&build);
    let bytes = program(repo).metadata().map_or(0, |meta| meta.len());
    println!("The Rust kernel is there: {} in {}.", size(bytes), duration(started.elapsed()));
    Ok(())
}

/// The Python that runs cells without a window.
pub fn executor(repo: &Repo) -> Result<Command> {
    let python = environment(repo, "execute", "Jupyter's client (a quarter of a minute, 50 MB)")?;
    let mut python = command(repo, &python);
    python.env("EVCXR_CONFIG_DIR", base(repo).join("headless")).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}

/// Opens JupyterLab on one notebook, or on their folder. This process becomes JupyterLab.
pub fn open(repo: &Repo, notebook: Option<&PathBuf>, flags: &[String]) -> Result<()> {
    kernel(repo)?;
    let python = environment(repo, "lab", "JupyterLab (a minute, 240 MB)")?;
    let quiet = base(repo).join("settings/lab/user-settings").join(NEWS);
    if !quiet.exists() {
        files::write(&quiet, "{ \"fetchNews\": \"false\", \"checkForUpdates\": false }\n")?;
    }
    println!(
        "The first cell of the first notebook compiles the crate, which takes some minutes once; \
         after that a cell takes about a second."
    );
    let mut lab = command(repo, &python);
    let name = notebook.and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy();
    let page = format!("/lab/tree/notebooks/{name}");
    lab.args(["-m", "jupyterlab"]).current_dir(&repo.root).args(flags);
    lab.arg(format!("--LabApp.default_url={}", page.trim_end_matches('/')));
    lab.arg(format!("--ServerApp.root_dir={}", repo.root.display()));
    replace_with(lab).context("JupyterLab does not start")
}

/// A Python that finds our kernel, and writes settings, logs and signatures below target/jupyter.
fn command(repo: &Repo, python: &Path) -> Command {
    let base = base(repo);
    let mut command = Command::new(python);
    repo.clean(&mut command);
    command.env("JUPYTER_PATH", &base);
    for (name, folder) in [
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
        ("JUPYTER_CONFIG_DIR", "settings"),
        ("IPYTHONDIR", "ipython"),
    ] {
        command.env(name, base.join(folder));
    }
    command.env("PYTHONNOUSERSITE", "1").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// The Python of the environment `name`, which is made unless it is there as it should be.
fn environment(repo: &Repo, name: &str, what: &str) -> Result<PathBuf> {
    let (base, lists) = (base(repo), repo.root.join("xtask/jupyter"));
    let _lock = lock::wait(&base.join(LOCK))?;
    let [requirements, constraints] =
        [name, "constraints"].map(|list| lists.join(format!("{list}.txt")));
    let read = |path: &Path| std::fs::read_to_string(path).context(path.display().to_string());
    let hint = install_hint("python3 python3-venv", "python3", "brew install python");
    let version = require("python3", PYTHON, "Jupyter", &hint)?;
    let wanted = format!("{version}\n{}{}", read(&requirements)?, read(&constraints)?);
    let folder = base.join(name);
    let python = folder.join("bin/python");
    if !succeeds(Command::new(&python).arg("--version")) {
        let _ = std::fs::remove_dir_all(&folder); // a Python that is gone takes its environments along
    }
    once(&folder, &wanted, what, || {
        let _ = std::fs::remove_dir_all(&folder);
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        run_client(&mut venv, &hint, &mut || {})
            .with_context(|| format!("python3 makes no environment: {hint}"))?;
        let mut pip = pip::command(&[&python.to_string_lossy(), "-m", "pip"]);
        pip.args(["install", "--disable-pip-version-check", "--no-input", "--quiet"]);
        pip.arg("--requirement").arg(&requirements).arg("--constraint").arg(&constraints);
        run_client(&mut pip, "it was there a moment ago", &mut || {})
            .context("pip could not install what Jupyter needs (is there a network?)")
    })?;
    Ok(python)
}
