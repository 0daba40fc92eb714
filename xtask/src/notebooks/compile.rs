//! Compiles the cells of each notebook as one program, without Jupyter and without running it.
//!
//! As in evcxr, a cell sees what the cells before it declared, a later `let` or `fn` of the same
//! name hides the earlier one, and a closing expression is displayed: each cell becomes a block
//! nested in the block of the cell before, and the expression gets a call of `evcxr_display`.
//! rustc stops after type and borrow checking, which takes a second instead of evcxr's minutes.

mod program;

use crate::files;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use program::Program;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// evcxr's own edition, whatever the crate's.
const EDITION: &str = "2024";

/// Where rustc finds what a notebook may name in `:dep`.
#[derive(Debug, Default)]
pub struct Crates {
    /// The library files of from-noise and of its direct dependencies, by crate name.
    pub libraries: HashMap<String, PathBuf>,
    /// The folder with everything those depend on.
    pub dependencies: PathBuf,
}

/// The sources of the code cells; the first is In[1] of a notebook run from its top.
fn cells(notebook: &Path) -> Result<Vec<String>> {
    let name = notebook.display();
    let text = std::fs::read_to_string(notebook).with_context(|| name.to_string())?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{name}: not JSON"))?;
    let cells = value["cells"].as_array();
    let cells = cells.with_context(|| format!("{name}: no list of cells: not a notebook"))?;
    let code = cells.iter().filter(|cell| cell["cell_type"] == "code");
    Ok(code
        .map(|cell| match &cell["source"] {
            Value::String(text) => text.clone(),
            lines => lines.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        })
        .collect())
}

/// Fails with every error of the notebook, each with its cell and line.
pub fn check(notebook: &Path, crates: &Crates, scratch: &Path) -> Result<()> {
    let name = files::name(notebook);
    let cells = cells(notebook)?;
    let program = Program::new(&cells).map_err(|error| anyhow::anyhow!("{name}, {error}"))?;
    let source = scratch.join(&name).with_extension("rs");
    std::fs::write(&source, &program.text)?;

    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", EDITION, "--crate-name", "notebook", "--crate-type", "bin"]);
    rustc.args(["--error-format=json", "--cap-lints=allow"]);
    let metadata = source.with_extension("rmeta");
    rustc.arg(format!("--emit=metadata={}", metadata.display())).arg(&source);
    rustc.arg("-L").arg(format!("dependency={}", crates.dependencies.display()));
    for dep in ["from-noise"].into_iter().chain(program.dependencies.iter().map(String::as_str)) {
        let name = dep.replace('-', "_");
        match crates.libraries.get(&name) {
            Some(path) => rustc.arg("--extern").arg(format!("{name}={}", path.display())),
            None if name == "from_noise" => continue,
            None => bail!("{}: `:dep {dep}` is no dependency of from-noise", notebook.display()),
        };
    }
    let output = rustc.output().context("rustc does not start")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let errors = program.errors(&text, &source);
    let errors: Vec<String> = errors.iter().map(|error| format!("{name}, {error}")).collect();
    bail!(if errors.is_empty() { text.into_owned() } else { errors.join("\n") })
}

/// Builds the library as every other command does, and notes where cargo put what.
pub fn crates(repo: &Repo) -> Result<Crates> {
    let direct = direct_dependencies(repo)?;
    let mut cargo = repo.cargo();
    cargo.args(["build", "--lib", "--message-format=json-render-diagnostics"]);
    let output = cargo.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the library does not build");
    }
    let mut crates = Crates::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let id = message["package_id"].as_str().unwrap_or_default();
        if message["reason"] != "compiler-artifact" || !direct.contains(id) {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(library) = files.map(PathBuf::from).find(|path| has_extension(path, "rlib")) {
            let name = message["target"]["name"].as_str().unwrap_or_default().replace('-', "_");
            crates.libraries.insert(name, library);
        }
    }
    crates.dependencies = repo.target().join("debug/deps");
    Ok(crates)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The package ids of from-noise and of what its Cargo.toml lists.
fn direct_dependencies(repo: &Repo) -> Result<HashSet<String>> {
    let output = repo.cargo().args(["metadata", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let root = metadata["resolve"]["root"].as_str().context("no root package")?;
    let nodes = metadata["resolve"]["nodes"].as_array().context("no resolve")?;
    let node = nodes.iter().find(|node| node["id"] == root).context("the root is not resolved")?;
    let ids = node["dependencies"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(ids.chain([root]).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
