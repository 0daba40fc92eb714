//! What is wrong with a run that looks well: evcxr calls a cell "ok" that panicked or ended at a `?`.

use super::document::{Cell, joined};
use super::execute::MOST;
use crate::ui::size;
use serde_json::Value;

/// What a cell put out in a run, and how it ended.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub outputs: Vec<Value>,
    /// `ok`, `error`, `timeout` (still running), `excess` (of output) or `died` (the kernel).
    pub status: String,
    pub seconds: f64,
}

/// One sentence for each cell that is not as it should be; what follows a failure has not run.
pub fn complaints(cells: &[Cell], runs: &[Run]) -> Vec<String> {
    let mut all = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        let Some(run) = runs.get(i) else {
            all.push(format!("cell {}: it did not run", cell.number));
            break;
        };
        all.extend(complaint(cell, run).map(|text| format!("cell {}: {text}", cell.number)));
        if run.status != "ok" && i + 1 == runs.len() {
            break;
        }
    }
    all
}

pub fn complaint(cell: &Cell, run: &Run) -> Option<String> {
    let stderr = stream(run, "stderr");
    let stderr = stderr.trim();
    if let Some(start) = stderr.find("panicked at ") {
        let told: Vec<&str> = stderr[start..].lines().take(2).collect();
        return Some(told.join(" "));
    }
    match run.status.as_str() {
        "ok" => {}
        "timeout" => return Some(format!("still running after {:.0} s", run.seconds)),
        "excess" => return Some(format!("it puts out more than {}", size(MOST as u64))),
        "died" => return Some(format!("the kernel died {stderr}").trim().to_owned()),
        _ => return Some(error(run)),
    }
    if !stderr.is_empty() {
        return Some(format!("it wrote to stderr, as a failed `?` does: {stderr}"));
    }
    if shown(run, "text/plain").any(|text| text == "()") {
        return Some("it shows (): end it with a figure, or with a semicolon".into());
    }
    match (cell.figure, shows_figure(run)) {
        (true, false) => Some("it is tagged has-figure and shows none".into()),
        (false, true) => Some("it shows a figure and is not tagged has-figure".into()),
        _ => None,
    }
}

fn stream(run: &Run, name: &str) -> String {
    let parts = run.outputs.iter().filter(|output| output["name"] == name);
    parts.map(|output| joined(&output["text"])).collect()
}

fn shows_figure(run: &Run) -> bool {
    shown(run, "text/html").any(|html| html.contains("<img "))
}

fn shown<'a>(run: &'a Run, kind: &'a str) -> impl Iterator<Item = String> + 'a {
    run.outputs.iter().map(move |output| joined(&output["data"][kind]))
}

/// What evcxr says of a cell that does not compile or brought its process down.
fn error(run: &Run) -> String {
    let errors = run.outputs.iter().filter(|output| output["output_type"] == "error");
    let mut lines = Vec::new();
    for output in errors {
        lines.push(joined(&output["evalue"]));
        lines.extend(output["traceback"].as_array().into_iter().flatten().map(joined));
    }
    let told = lines.iter().map(|line| plain(line)).find(|line| !line.trim().is_empty());
    told.unwrap_or_else(|| "it failed without a reason".into()).trim().to_owned()
}

/// Without the escape sequences that colour a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, text)| text));
    rest.fold(first, |text, part| text + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(figure: bool, status: &str, outputs: Value) -> Option<String> {
        let cell = Cell { number: 1, figure, ..Cell::default() };
        let outputs = outputs.as_array().unwrap().clone();
        complaint(&cell, &Run { outputs, status: status.into(), seconds: 3.0 })
    }

    fn stderr(text: &str) -> Value {
        json!([{"output_type": "stream", "name": "stderr", "text": text}])
    }

    fn html(text: &str) -> Value {
        json!([{"output_type": "execute_result", "data": {"text/html": [text]}}])
    }

    #[test]
    fn a_panic_is_told_whatever_the_status() {
        let text = "thread '<unnamed>' panicked at src/lib.rs:3:5:\nshapes [2] and [3]\nstack:";
        for status in ["ok", "error"] {
            let told = told(false, status, stderr(text)).unwrap();
            assert_eq!(told, "panicked at src/lib.rs:3:5: shapes [2] and [3]");
        }
    }

    #[test]
    fn a_swallowed_error_is_seen_on_stderr() {
        let told = told(false, "ok", stderr("ParseIntError { kind: InvalidDigit }\n")).unwrap();
        assert!(told.ends_with("ParseIntError { kind: InvalidDigit }"), "{told}");
    }

    #[test]
    fn figures_and_tags_agree() {
        let picture = html("<img alt=\"\" src=\"data:\">");
        assert_eq!(told(true, "ok", picture.clone()), None);
        assert!(told(true, "ok", json!([])).unwrap().contains("shows none"));
        assert!(told(true, "ok", html("<table>")).unwrap().contains("shows none"));
        assert!(told(false, "ok", picture).unwrap().contains("not tagged"));
        let text = json!([{"output_type": "stream", "name": "stdout", "text": ["<img "]}]);
        assert_eq!(told(false, "ok", text), None);
    }

    #[test]
    fn a_loop_at_the_end_shows_nothing_worth_showing() {
        let shown = |text| json!([{"output_type": "execute_result", "data": {"text/plain": text}}]);
        assert!(told(false, "ok", shown("()")).unwrap().contains("semicolon"));
        assert_eq!(told(false, "ok", shown("(1, 2)")), None);
    }

    #[test]
    fn an_error_is_told_without_colours() {
        let output = json!([{"output_type": "error", "ename": "Error", "evalue": "",
                             "traceback": ["", "\u{1b}[31mno such thing\u{1b}[0m: x"]}]);
        assert_eq!(told(false, "error", output).unwrap(), "no such thing: x");
        assert_eq!(told(false, "timeout", json!([])).unwrap(), "still running after 3 s");
        assert_eq!(told(false, "excess", json!([])).unwrap(), "it puts out more than 10 MB");
        assert_eq!(told(true, "died", json!([])).unwrap(), "the kernel died");
    }

    #[test]
    fn only_the_first_cell_that_did_not_run_is_named() {
        let cells: Vec<Cell> = (1..=4).map(|number| Cell { number, ..Cell::default() }).collect();
        let run = |status: &str| Run { status: status.into(), ..Run::default() };
        let ended = complaints(&cells, &[run("ok"), run("timeout")]);
        assert_eq!(ended, ["cell 2: still running after 0 s"]);
        assert_eq!(complaints(&cells, &[run("ok")]), ["cell 2: it did not run"]);
        let all = ["ok", "error", "ok", "died"].map(run);
        assert_eq!(complaints(&cells, &all).len(), 2);
    }
}
