use super::*;
use serde_json::json;

/// Checks a notebook of these cells and returns what is wrong with it.
fn complaint(sources: &[&str]) -> Option<String> {
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
fn what_evcxr_takes_compiles() {
    for (subject, cells) in [
        (
            "cells see what earlier cells declared",
            &[
                "use std::collections::HashMap;\nfn twice(x: i32) -> i32 { 2 * x }",
                "let x = twice(4);\nlet mut map = HashMap::new();",
                "map.insert(\"a\", x);\nmap",
            ][..],
        ),
        (
            "later declarations hide earlier ones",
            &[
                "fn f() -> i32 { 1 }\nstruct S;\nlet x = 1;",
                "fn f() -> &'static str { \"two\" }\n#[derive(Debug)] struct S(f64);\nlet x = f().len();",
                "let y: usize = x;\nS(1.5)",
            ],
        ),
        (
            "commands are skipped and paths are not",
            &[":opt 2\n:dep from-noise = { path = \"..\" }\nlet x = 1;", "::std::mem::drop(x);"],
        ),
        (
            "a type may say how it is displayed",
            &["struct P;\nimpl P { fn evcxr_display(&self) {} }\nP"],
        ),
        ("a comment may follow", &["let x = 3;\nlet y = 4; x + y // the sum"]),
        ("a loop shows nothing", &["for i in 0..3 { println!(\"{i}\"); }"]),
        (
            "an if may close a cell",
            &["let x = 1;\nif x > 0 { println!(\"yes\") } else { println!(\"no\") }"],
        ),
        ("a macro may close a cell", &["println!(\"no semicolon\")"]),
    ] {
        assert_eq!(complaint(cells), None, "{subject}");
    }
}

#[test]
fn each_error_names_its_cell_and_line() {
    for (cells, parts) in [
        (
            &[":dep numpy = \"1\"\nlet x = 1;"][..],
            &["`:dep numpy` is no dependency of from-noise"][..],
        ),
        // The closing expression must be displayable.
        (&["let x = 1;", "struct Q;\n\nQ"], &["cell 2, line 3"]),
        (&["let a: i32 = \"text\";", "let b = missing;"], &["cell 1, line 1", "cell 2, line 1"]),
        // Moves are checked across cells.
        (&["let v = vec![1];", "drop(v);", "v.len()"], &["cell 3, line 1", "moved"]),
        // An error inside a macro is told where the cell calls it.
        (&["struct Q;", "\nprintln!(\"{}\", Q);"], &["cell 2, line 2"]),
        // Broken syntax stays in its cell.
        (&["let a = 1;", "let b = (2;\nlet c = 3;"], &["cell 2, line"]),
        (&["let a = 1;", "let c = 3;\nlet = 4;"], &["cell 2, line 2"]),
        // evcxr would swallow a question mark.
        (&["let n: i32 = \"7\".parse()?;"], &["`?` operator"]),
    ] {
        let error = complaint(cells).expect(cells[0]);
        assert!(error.starts_with("ch01-test.ipynb") || error.contains(":dep"), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn an_error_marks_its_place() {
    for (cells, start, marked) in [
        (
            &["let x = 1;", "let s = \"é\"; let z = 2;\nlet y: i32 = x + missing;"][..],
            "ch01-test.ipynb, cell 2, line 2: cannot find value `missing`",
            "missing",
        ),
        // Columns stay right in a displayed expression.
        (&["let a = 1; a.nothing()"], "ch01-test.ipynb, cell 1, line 1: ", "nothing"),
    ] {
        let error = complaint(cells).unwrap();
        let lines: Vec<&str> = error.lines().collect();
        assert!(error.starts_with(start), "{error}");
        assert_eq!(&lines[1][lines[2].find('^').unwrap()..][..7], marked, "{error}");
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
