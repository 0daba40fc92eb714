//! A notebook file: its cells, the outputs put into it, and the form in which it is committed.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What a reader waits for at most: GitHub shows no notebook that is much larger.
pub const LARGEST: usize = 1_000_000;
/// The tag of a cell that must show a figure.
const FIGURE: &str = "has-figure";
/// Where the notebook's metadata tells which cells its outputs are of.
const OURS: &str = "from-noise";

/// One code cell, numbered like In[1], In[2] ... of a notebook run from its top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    pub number: usize,
    pub source: String,
    /// Whether its output must hold a figure.
    pub figure: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Notebook(Value);

impl Notebook {
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("{name}"))?;
        Self::parse(&text).with_context(|| format!("{name}"))
    }

    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("not JSON")?;
        if !value["cells"].is_array() {
            bail!("no list of cells: not a notebook");
        }
        Ok(Self(value))
    }

    /// The code cells.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let cells = self.0["cells"].as_array().context("no list of cells")?;
        let code = cells.iter().filter(|cell| cell["cell_type"] == "code");
        Ok(code
            .enumerate()
            .map(|(i, cell)| Cell {
                number: i + 1,
                source: joined(&cell["source"]),
                figure: tags(cell).contains(&FIGURE),
            })
            .collect())
    }

    /// Fails unless the file is as `put` and `write` leave it, with the outputs of these cells.
    pub fn check_saved(&self, path: &Path) -> Result<()> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let again = format!(
            "`cargo xtask notebook {} --execute` runs and saves it",
            stem.split(['_', '-']).next().unwrap_or_default()
        );
        if self.0["metadata"][OURS]["outputs_of"] != self.fingerprint()? {
            bail!("its outputs are not those of its cells: {again}");
        }
        let mut saved = self.clone();
        let outputs = self.0["cells"].as_array().into_iter().flatten();
        let code = outputs.filter(|cell| cell["cell_type"] == "code");
        let outputs = code.map(|cell| cell["outputs"].as_array().cloned().unwrap_or_default());
        saved.put(outputs.collect())?;
        if std::fs::read_to_string(path)? != saved.text()? {
            bail!("it is not as the runner leaves it: {again}");
        }
        Ok(())
    }

    /// Gives the code cells these outputs, and everything the form that makes small diffs: no
    /// timings, counts from 1, the ids that are there, the same keys whichever program wrote it.
    pub fn put(&mut self, outputs: Vec<Vec<Value>>) -> Result<()> {
        let fingerprint = self.fingerprint()?;
        let root = self.0.as_object_mut().context("not a notebook")?;
        root.insert("nbformat".into(), 4.into());
        root.insert("nbformat_minor".into(), 5.into());
        let rust = json!({"file_extension": ".rs", "mimetype": "text/rust", "name": "Rust"});
        let kernel = json!({"display_name": "Rust", "language": "rust", "name": "rust"});
        let ours = json!({ "outputs_of": fingerprint });
        let metadata = json!({"kernelspec": kernel, "language_info": rust, OURS: ours});
        root.insert("metadata".into(), metadata);
        let cells = root.get_mut("cells").and_then(Value::as_array_mut).context("no cells")?;
        name_cells(cells);
        let mut outputs = outputs.into_iter();
        let mut count = 0;
        for cell in cells {
            let tags: Vec<&str> = tags(cell);
            let metadata = if tags.is_empty() { json!({}) } else { json!({ "tags": tags }) };
            let source = lines(&joined(&cell["source"]));
            let mut tidy = json!({
                "cell_type": cell["cell_type"], "id": cell["id"], "metadata": metadata, "source": source
            });
            if cell["cell_type"] == "code" {
                count += 1;
                tidy["execution_count"] = count.into();
                tidy["outputs"] = tidied(outputs.next().unwrap_or_default(), count).into();
            }
            *cell = tidy;
        }
        Ok(())
    }

    /// As Jupyter itself writes it.
    pub fn text(&self) -> Result<String> {
        let mut bytes = Vec::new();
        let indented = serde_json::ser::PrettyFormatter::with_indent(b" ");
        self.0.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, indented))?;
        Ok(String::from_utf8(bytes)? + "\n")
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.text()?;
        if text.len() > LARGEST {
            bail!(
                "{} would have {} bytes and may have {LARGEST}: make its figures smaller",
                path.display(),
                text.len()
            );
        }
        let beside = path.with_extension("tmp");
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)
            .and_then(|()| std::fs::write(&beside, text))
            .and_then(|()| std::fs::rename(&beside, path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The sha256 of what the kernel gets to see.
    fn fingerprint(&self) -> Result<String> {
        let sources: Vec<String> = self.cells()?.into_iter().map(|cell| cell.source).collect();
        Ok(crate::files::hex(&Sha256::digest(serde_json::to_vec(&sources)?)))
    }
}

/// Keeps the ids that are there, and names what has none or has another cell's.
fn name_cells(cells: &mut [Value]) {
    let mut taken: Vec<String> = Vec::new();
    for cell in cells.iter_mut() {
        let id = cell["id"].as_str().unwrap_or_default().to_owned();
        if id.is_empty() || taken.contains(&id) {
            cell["id"] = Value::Null;
        } else {
            taken.push(id);
        }
    }
    let mut free = (1..).map(|i| format!("c{i:02}")).filter(|id| !taken.contains(id));
    for cell in cells {
        if cell["id"].is_null() {
            cell["id"] = free.next().into();
        }
    }
}

fn tags(cell: &Value) -> Vec<&str> {
    cell["metadata"]["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The outputs with neighbouring pieces of one stream as one, and texts as lists of lines.
fn tidied(outputs: Vec<Value>, count: usize) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for mut output in outputs {
        match output["output_type"].as_str() {
            Some("stream") => {
                let text = joined(&output["text"]);
                match all.last_mut().filter(|last| {
                    last["output_type"] == "stream" && last["name"] == output["name"]
                }) {
                    Some(last) => last["text"] = lines(&(joined(&last["text"]) + &text)),
                    None => {
                        output["text"] = lines(&text);
                        all.push(output);
                    }
                }
            }
            kind => {
                if kind == Some("execute_result") {
                    output["execution_count"] = count.into();
                }
                output["metadata"] = json!({});
                for data in
                    output["data"].as_object_mut().into_iter().flat_map(|map| map.values_mut())
                {
                    if data.is_string() || data.is_array() {
                        *data = lines(&joined(data));
                    }
                }
                all.push(output);
            }
        }
    }
    all
}

/// A text that a notebook holds as one string or as lines.
pub fn joined(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        lines => lines.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notebook(cells: Value) -> Notebook {
        Notebook::parse(&json!({ "cells": cells }).to_string()).unwrap()
    }

    fn stream(text: &str) -> Value {
        json!({"output_type": "stream", "name": "stdout", "text": text})
    }

    #[test]
    fn whichever_program_wrote_it_the_form_is_one() {
        let source = "let a = 1;\na";
        let lab = json!([
            {"cell_type": "markdown", "source": "# T", "metadata": {"scrolled": true}, "id": "a1"},
            {"cell_type": "code", "source": source, "execution_count": 17, "id": "a1",
             "metadata": {"execution": {"iopub.status.busy": "2026"}, "tags": ["has-figure"]}},
        ]);
        let ours = json!([
            {"cell_type": "markdown", "source": ["# T"], "id": "a1"},
            {"cell_type": "code", "source": ["let a = 1;\n", "a"], "id": "c01", "outputs": [1, 2],
             "metadata": {"tags": ["has-figure"]}},
        ]);
        let result = |count| {
            json!({"output_type": "execute_result", "execution_count": count,
                             "data": {"text/plain": "1\n2"}, "metadata": {"took": 3}})
        };
        let texts = [(lab, 17), (ours, 1)].map(|(cells, count)| {
            let mut notebook = notebook(cells);
            let outputs = vec![stream("a\nb"), stream("c"), result(count)];
            notebook.put(vec![outputs]).unwrap();
            notebook.text().unwrap()
        });
        assert_eq!(texts[0], texts[1]);
        let told: Value = serde_json::from_str(&texts[0]).unwrap();
        let cell = &told["cells"][1];
        assert_eq!(cell["outputs"][0]["text"], json!(["a\n", "bc"]));
        assert_eq!(cell["outputs"][1]["execution_count"], 1);
        assert_eq!(cell["metadata"], json!({"tags": ["has-figure"]}));
        assert_eq!(told["cells"][0]["metadata"], json!({}));
    }

    #[test]
    fn outputs_belong_to_their_cells() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("ch07-x.ipynb");
        let check = || Notebook::read(&path).unwrap().check_saved(&path).map_err(|e| e.to_string());
        let mut notebook = notebook(json!([{"cell_type": "code", "source": "1 + 1"}]));
        notebook.put(vec![vec![stream("2\n")]]).unwrap();
        notebook.write(&path).unwrap();
        assert_eq!(check(), Ok(()));

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("1 + 1", "1 + 2")).unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("not those of its cells: `cargo xtask notebook ch07"), "{error}");
        std::fs::write(&path, text.replace("\"execution_count\": 1", "\"execution_count\": 4"))
            .unwrap();
        assert!(check().unwrap_err().contains("not as the runner leaves it"));
        std::fs::write(&path, json!({"cells": []}).to_string()).unwrap();
        assert!(check().unwrap_err().contains("not those of its cells"));
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("ch01.ipynb");
        let mut notebook = notebook(json!([{"cell_type": "code", "source": "1"}]));
        notebook.put(vec![vec![stream(&"x".repeat(LARGEST))]]).unwrap();
        assert!(notebook.write(&path).unwrap_err().to_string().contains("smaller"));
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_notebook_is_said() {
        for (text, reason) in [("{", "not JSON"), ("{}", "not a notebook")] {
            assert!(Notebook::parse(text).unwrap_err().to_string().contains(reason));
        }
    }
}
