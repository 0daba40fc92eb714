//! execute.py with a stand-in for the kernel: xtask/jupyter/stand-in says what each cell does.

use super::*;

fn run(sources: &[&str], limit: f64, most: usize) -> Vec<Run> {
    let repo = Repo::find().unwrap();
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", repo.root.join("xtask/jupyter/stand-in"));
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    let work: Vec<Value> =
        sources.iter().map(|source| json!({"source": source, "limit": limit})).collect();
    let job = json!({"folder": repo.root, "cells": work, "most": most, "go_on": true});
    converse(&repo, &mut python, &[], &job).unwrap()
}

#[test]
fn a_cell_that_ends_has_its_outputs_the_late_ones_too() {
    let runs = run(&["prints twice", "prints late"], 60.0, MOST);
    let told: Vec<_> = runs.iter().map(|run| (run.status.as_str(), run.outputs.len())).collect();
    assert_eq!(told, [("ok", 2), ("ok", 1)]);
    assert_eq!(runs[0].outputs[0]["text"], "again\n");
}

#[test]
fn the_time_limit_holds_whatever_the_kernel_says() {
    for source in ["silent", "prints for ever", "another cell prints for ever"] {
        let runs = run(&[source, "prints twice"], 0.2, MOST);
        assert_eq!(runs.len(), 1, "{source}");
        assert_eq!(runs[0].status, "timeout", "{source}");
        assert!((0.2..2.0).contains(&runs[0].seconds), "{source}: {} s", runs[0].seconds);
    }
}

#[test]
fn a_cell_that_puts_out_too_much_is_stopped() {
    let runs = run(&["prints for ever", "prints twice"], 60.0, 10_000);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, "excess");
    let written: usize = runs[0].outputs.iter().map(|output| output.to_string().len()).sum();
    assert!((5_000..=10_000).contains(&written), "{written}");
}

#[test]
fn what_is_printed_after_the_end_keeps_no_cell_waiting() {
    let runs = run(&["ends, and prints for ever", "prints twice"], 60.0, MOST);
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run.status == "ok" && run.seconds < 2.0));
}
