//! This module compiles the cells of a notebook as one program, without Jupyter or running it.
//!
//! As in evcxr, a cell sees what the cells before it declared, a later `let` or `fn` of the same
//! name hides the earlier one, and a closing expression is displayed: each cell becomes a block
//! nested in the block of the cell before, and the expression gets a call of `evcxr_display`.
//! rustc stops after type and borrow checking, which takes a second instead of evcxr's minutes.

use crate::files;
use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use syn::spanned::Spanned;
use syn::{Block, Expr, Stmt};

/// evcxr's own edition, whatever the crate's.
const EDITION: &str = "2024";

/// A call of a type's `evcxr_display` takes precedence; what has none must be Debug.
const HEAD: &str = "\
trait DisplayByDebug { fn evcxr_display(&self); }
impl<T: std::fmt::Debug + ?Sized> DisplayByDebug for T { fn evcxr_display(&self) {} }
fn main() {";

/// Fails with every error of the notebook, each with its cell and line. `built` is the folder in
/// which cargo has put the library.
pub fn check(notebook: &Path, built: &Path, scratch: &Path) -> Result<()> {
    let name = files::name(notebook);
    let (program, origin) =
        program(&cells(notebook)?).map_err(|error| anyhow!("{name}, {error}"))?;
    let source = scratch.join(&name).with_extension("rs");
    std::fs::write(&source, &program)?;
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", EDITION, "--crate-name", "notebook", "--crate-type", "bin"]);
    rustc.args(["--error-format=json", "--cap-lints=allow", "--emit=metadata"]);
    rustc.arg("--out-dir").arg(scratch).arg(&source);
    rustc.arg("-L").arg(format!("dependency={}", built.join("deps").display()));
    let library = built.join("libfrom_noise.rlib");
    rustc.arg("--extern").arg(format!("from_noise={}", library.display()));
    let output = rustc.output().context("rustc does not start")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let told = text.lines().filter_map(|line| serde_json::from_str::<Diagnostic>(line).ok());
    let errors = told.filter(|told| told.level == DiagnosticLevel::Error).filter_map(|error| {
        let (cell, line) = origin[line_in(&error, &source.to_string_lossy())? - 1]?;
        Some(format!("{name}, cell {cell}, line {line}: {}", error.rendered?))
    });
    let errors: Vec<String> = errors.collect();
    bail!(if errors.is_empty() { text.into_owned() } else { errors.join("\n") })
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

/// A cell and a line in it, counted from 1; nothing for a line that is ours.
type Origin = Option<(usize, usize)>;

/// The program, and where each of its lines comes from.
fn program(cells: &[String]) -> Result<(String, Vec<Origin>)> {
    let mut text = format!("{HEAD}\n");
    let mut origin = vec![None; HEAD.lines().count()];
    for (cell, source) in cells.iter().enumerate() {
        let mut code = String::new();
        for line in source.lines() {
            code += if is_command(line) { "" } else { line };
            code.push('\n');
        }
        let shown =
            closing_expression(&code).map_err(|error| anyhow!("cell {}, {error}", cell + 1))?;
        if let Some(shown) = shown {
            code.insert_str(shown.end, ").evcxr_display();");
            code.insert(shown.start, '(');
        }
        text += &format!("{{\n{code}");
        origin.push(None);
        origin.extend((1..=code.lines().count()).map(|line| Some((cell + 1, line))));
    }
    text += &"}".repeat(cells.len() + 1);
    origin.push(None);
    Ok((text, origin))
}

/// Whether this is `:dep x = ...` or another word to evcxr, not the path `::x`.
fn is_command(line: &str) -> bool {
    let word = line.trim_start().strip_prefix(':');
    word.is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The bytes of the expression that closes the cell and is shown, if there is one.
fn closing_expression(code: &str) -> Result<Option<Range<usize>>> {
    let tokens = code.parse().map_err(syn::Error::from);
    let parsed = tokens.and_then(|tokens| syn::parse::Parser::parse2(Block::parse_within, tokens));
    let statements = match parsed {
        Ok(statements) => statements,
        Err(error) => bail!("line {}: this is not Rust: {error}", error.span().start().line.max(1)),
    };
    Ok(match statements.last() {
        Some(Stmt::Expr(Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_), None)) => None,
        Some(Stmt::Expr(expression, None)) => Some(expression.span().byte_range()),
        _ => None,
    })
}

/// The line of `source` that an error is about; for one in a macro's own file, where it is called.
fn line_in(error: &Diagnostic, source: &str) -> Option<usize> {
    let mut span = error.spans.iter().find(|span| span.is_primary)?;
    while span.file_name != source {
        span = &span.expansion.as_ref()?.span;
    }
    Some(span.line_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashMap;

    /// Checks a notebook of these cells and returns what is wrong with it.
    fn complaint(sources: &[String]) -> Option<String> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("ch01-test.ipynb");
        let mut cells = vec![json!({"cell_type": "markdown", "source": "# Title"})];
        cells.extend(sources.iter().map(|source| {
            let lines: Vec<&str> = source.split_inclusive('\n').collect();
            json!({"cell_type": "code", "source": lines})
        }));
        std::fs::write(&path, json!({ "cells": cells }).to_string()).unwrap();
        check(&path, scratch.path(), scratch.path()).err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn cells_compile_as_evcxr_runs_them() {
        #[derive(serde::Deserialize)]
        struct Case {
            cells: Vec<String>,
            #[serde(default)]
            error: Vec<String>,
        }
        let page = include_str!("../../jupyter/cells.toml");
        let page: HashMap<String, Case> = toml::from_str(page).unwrap();
        for (what, case) in page {
            let told = complaint(&case.cells).unwrap_or_default();
            assert_eq!(told.is_empty(), case.error.is_empty(), "{what}: {told}");
            assert!(case.error.iter().all(|part| told.contains(part)), "{what}: {told}");
        }
    }

    #[test]
    fn what_is_no_notebook_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, reason) in [("{", "not JSON"), ("{}", "not a notebook")] {
            std::fs::write(file.path(), text).unwrap();
            assert!(cells(file.path()).unwrap_err().to_string().contains(reason));
        }
    }
}
