use super::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Page {
    fine: Vec<Case>,
    wrong: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    what: String,
    cells: Vec<String>,
    #[serde(default)]
    error: Vec<String>,
    marked: Option<String>,
}

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
    let crates = Crates { dependencies: scratch.path().into(), ..Crates::default() };
    check(&path, &crates, scratch.path()).err().map(|error| format!("{error:#}"))
}

#[test]
fn cells_compile_as_evcxr_runs_them() {
    let page: Page = toml::from_str(include_str!("cells.toml")).unwrap();
    for case in &page.fine {
        assert_eq!(complaint(&case.cells), None, "{}", case.what);
    }
    for case in &page.wrong {
        let error = complaint(&case.cells).expect(&case.what);
        assert!(case.error.iter().all(|part| error.contains(part)), "{}: {error}", case.what);
        if let Some(marked) = &case.marked {
            let lines: Vec<&str> = error.lines().collect();
            let place = lines[2].find('^').unwrap();
            assert!(lines[1][place..].starts_with(marked), "{}: {error}", case.what);
        }
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
