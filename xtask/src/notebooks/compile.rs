//! This module compiles the cells of a notebook as one program, without Jupyter or running it.
//!
//! As in evcxr, a cell sees what the cells before it declared, a later `let` or `fn` of the same
//! name hides the earlier one, and a closing expression is displayed: each cell becomes a block
//! nested in the block of the cell before, and the expression gets a call of `evcxr_display`.
//! rustc stops after type and borrow checking, which takes a second instead of evcxr's minutes.

mod program;

use crate::files;
use crate::repo::Repo;
use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::Message;
use program::Program;
use serde_json::Value;
use std::collections::HashMap;
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
    let source = |cell: &Value| match &cell["source"] {
        Value::String(text) => text.clone(),
        lines => lines.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    Ok(code.map(source).collect())
}

/// Fails with every error of the notebook, each with its cell and line.
pub fn check(notebook: &Path, crates: &Crates, scratch: &Path) -> Result<()> {
    let name = files::name(notebook);
    let cells = cells(notebook)?;
    let program = Program::new(&cells).map_err(|error| anyhow!("{name}, {error}"))?;
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
    let metadata = repo.metadata(&[])?;
    let resolved = metadata.resolve.context("cargo resolves nothing")?;
    let root = resolved.root.context("no root package")?;
    let node = resolved.nodes.into_iter().find(|node| node.id == root);
    let mut direct = node.context("the root is not resolved")?.dependencies;
    direct.push(root);
    let mut cargo = repo.cargo();
    cargo.args(["build", "--lib", "--message-format=json-render-diagnostics"]);
    let output = cargo.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the library does not build");
    }
    let mut crates = Crates { dependencies: repo.target().join("debug/deps"), ..Crates::default() };
    for message in Message::parse_stream(&output.stdout[..]) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let library = artifact.filenames.iter().find(|path| path.extension() == Some("rlib"));
        if let Some(library) = library.filter(|_| direct.contains(&artifact.package_id)) {
            crates.libraries.insert(artifact.target.name.replace('-', "_"), library.into());
        }
    }
    Ok(crates)
}

#[cfg(test)]
mod tests;
