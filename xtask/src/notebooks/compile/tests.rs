use super::*;
use serde_json::json;

/// Checks a notebook of these cells and returns what is wrong with it.
fn complaint(cells: &[&str]) -> Option<String> {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ch01-test.ipynb");
    let cells: Vec<Value> = cells
        .iter()
        .map(|source| {
            let lines: Vec<String> = source.split_inclusive('\n').map(str::to_owned).collect();
            json!({"cell_type": "code", "source": lines})
        })
        .collect();
    let text = json!({"cell_type": "markdown", "source": "# Title"});
    let all: Vec<Value> = [text].into_iter().chain(cells).collect();
    std::fs::write(&path, json!({ "cells": all }).to_string()).unwrap();
    let crates = Crates { dependencies: scratch.path().into(), ..Crates::default() };
    check(&path, &crates, scratch.path()).err().map(|error| format!("{error:#}"))
}

#[test]
fn cells_see_what_earlier_cells_declared() {
    let cells = [
        "use std::collections::HashMap;\nfn twice(x: i32) -> i32 { 2 * x }",
        "let x = twice(4);\nlet mut map = HashMap::new();",
        "map.insert(\"a\", x);\nmap",
    ];
    assert_eq!(complaint(&cells), None);
}

#[test]
fn later_declarations_hide_earlier_ones() {
    let cells = [
        "fn f() -> i32 { 1 }\nstruct S;\nlet x = 1;",
        "fn f() -> &'static str { \"two\" }\n#[derive(Debug)] struct S(f64);\nlet x = f().len();",
        "let y: usize = x;\nS(1.5)",
    ];
    assert_eq!(complaint(&cells), None);
}

#[test]
fn commands_are_skipped_and_paths_are_not() {
    let cells = [":opt 2\n:dep from-noise = { path = \"..\" }\nlet x = 1;", "::std::mem::drop(x);"];
    assert_eq!(complaint(&cells), None);
    let error = complaint(&[":dep numpy = \"1\"\nlet x = 1;"]).unwrap();
    assert!(error.contains("`:dep numpy` is no dependency of from-noise"), "{error}");
}

#[test]
fn the_closing_expression_must_be_displayable() {
    assert_eq!(complaint(&["struct P;\nimpl P { fn evcxr_display(&self) {} }\nP"]), None);
    assert_eq!(complaint(&["let x = 3;\nlet y = 4; x + y // the sum"]), None);
    assert_eq!(complaint(&["for i in 0..3 { println!(\"{i}\"); }"]), None);
    assert_eq!(
        complaint(&["let x = 1;\nif x > 0 { println!(\"yes\") } else { println!(\"no\") }"]),
        None
    );
    assert_eq!(complaint(&["println!(\"no semicolon\")"]), None);
    let error = complaint(&["let x = 1;", "struct Q;\n\nQ"]).unwrap();
    assert!(error.contains("cell 2, line 3"), "{error}");
}

#[test]
fn an_error_names_notebook_cell_line_and_place() {
    let error =
        complaint(&["let x = 1;", "let s = \"é\"; let z = 2;\nlet y: i32 = x + missing;"]).unwrap();
    assert!(
        error.starts_with("ch01-test.ipynb, cell 2, line 2: cannot find value `missing`"),
        "{error}"
    );
    let lines: Vec<&str> = error.lines().collect();
    let (code, mark) = (lines[1], lines[2]);
    assert_eq!(&code[mark.find('^').unwrap()..][..7], "missing");
}

#[test]
fn columns_stay_right_in_a_displayed_expression() {
    let error = complaint(&["let a = 1; a.nothing()"]).unwrap();
    assert!(error.contains("cell 1, line 1"), "{error}");
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(&lines[1][lines[2].find('^').unwrap()..][..7], "nothing");
}

#[test]
fn every_error_is_told() {
    let error = complaint(&["let a: i32 = \"text\";", "let b = missing;"]).unwrap();
    assert!(error.contains("cell 1, line 1") && error.contains("cell 2, line 1"), "{error}");
}

#[test]
fn moves_are_checked_across_cells() {
    let error = complaint(&["let v = vec![1];", "drop(v);", "v.len()"]).unwrap();
    assert!(error.contains("cell 3, line 1") && error.contains("moved"), "{error}");
}

#[test]
fn an_error_inside_a_macro_is_told_where_the_cell_calls_it() {
    let error = complaint(&["struct Q;", "\nprintln!(\"{}\", Q);"]).unwrap();
    assert!(error.contains("cell 2, line 2"), "{error}");
}

#[test]
fn broken_syntax_stays_in_its_cell() {
    let error = complaint(&["let a = 1;", "let b = (2;\nlet c = 3;"]).unwrap();
    assert!(error.contains("cell 2, line"), "{error}");
    let error = complaint(&["let a = 1;", "let c = 3;\nlet = 4;"]).unwrap();
    assert!(error.contains("cell 2, line 2"), "{error}");
}

#[test]
fn a_question_mark_is_refused_since_evcxr_swallows_it() {
    let error = complaint(&["let n: i32 = \"7\".parse()?;"]).unwrap();
    assert!(error.contains("`?` operator"), "{error}");
}
