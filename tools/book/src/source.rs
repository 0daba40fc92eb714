//! The compiled files that listings come from: their anchors and their tests.

use crate::problem::Problems;
use std::collections::BTreeMap;
use std::path::Path;

/// Folders whose Rust files are compiled and tested.
const COMPILED: [&str; 4] = ["src", "chapters", "tests", "examples"];

/// Every Rust file of the crate, by its path from the repository's root.
#[derive(Debug)]
pub struct Sources(BTreeMap<String, Source>);

#[derive(Debug)]
struct Source {
    lines: Vec<String>,
    anchors: BTreeMap<String, Anchor>,
}

/// Line numbers from 1; the code lies strictly between them.
#[derive(Debug)]
struct Anchor {
    first: usize,
    last: usize,
    used: bool,
}

/// Some lines of a file, dedented.
#[derive(Debug)]
pub struct Listing {
    pub file: String,
    pub line: usize,
    pub code: String,
}

impl Sources {
    /// Reads the crate, and reports anchors that are unclosed, empty, doubled or left over.
    pub fn read(root: &Path, problems: &mut Problems) -> anyhow::Result<Self> {
        let mut sources = BTreeMap::new();
        for folder in COMPILED.iter().filter(|folder| root.join(folder).is_dir()) {
            let mut folders = vec![root.join(folder)];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder)? {
                    let path = entry?.path();
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.extension().is_some_and(|e| e == "rs") {
                        let name = relative(&path, root);
                        let text = std::fs::read_to_string(&path)?;
                        sources.insert(name.clone(), Source::parse(&name, &text, problems));
                    }
                }
            }
        }
        Ok(Self(sources))
    }

    /// The listing at `anchor` of `file`, or the whole file after its `//!` lines; or why there is
    /// none.
    pub fn listing(&mut self, file: &str, anchor: Option<&str>) -> Result<Listing, String> {
        let Some(source) = self.0.get_mut(file) else {
            let folders = COMPILED.join("/, ");
            return Err(format!("there is no {file} among the Rust files of {folders}/"));
        };
        let Some(anchor) = anchor else {
            let heading = |line: &&String| line.starts_with("//!") || line.is_empty();
            let first = source.lines.iter().take_while(heading).count();
            let code = source.lines[first..].iter().filter(|line| marker(line).is_none());
            return Ok(Listing { file: file.into(), line: first + 1, code: dedent(code) });
        };
        let Some(found) = source.anchors.get_mut(anchor) else {
            let known: Vec<&str> = source.anchors.keys().map(String::as_str).collect();
            return Err(format!("{file} has no anchor `{anchor}`; it has: {}", known.join(", ")));
        };
        found.used = true;
        let (first, last) = (found.first, found.last);
        let inside = source.lines[first..last - 1].iter().filter(|line| marker(line).is_none());
        Ok(Listing { file: file.into(), line: first + 1, code: dedent(inside) })
    }

    /// The test function `name`, attributes included.
    pub fn test(&self, name: &str) -> Result<Listing, String> {
        let found = self.0.iter().filter(|(file, _)| file.starts_with("tests/"));
        let mut found = found.filter_map(|(file, source)| source.test(file, name));
        let listing = found.next().ok_or_else(|| format!("there is no test `{name}` in tests/"))?;
        match found.next() {
            None => Ok(listing),
            Some(other) => Err(format!("`{name}` is in {} and in {}", listing.file, other.file)),
        }
    }

    /// Anchors in the crate that no page shows.
    pub fn report_unused(&self, problems: &mut Problems) {
        for (file, source) in &self.0 {
            for (name, _) in source.anchors.iter().filter(|(_, anchor)| !anchor.used) {
                let line = source.anchors[name].first;
                problems.add(file, line, format!("anchor `{name}` is shown on no page"));
            }
        }
    }
}

impl Source {
    fn parse(file: &str, text: &str, problems: &mut Problems) -> Self {
        let lines: Vec<String> = text.lines().map(String::from).collect();
        let mut anchors: BTreeMap<String, Anchor> = BTreeMap::new();
        for (number, line) in (1..).zip(&lines) {
            match marker(line) {
                Some(Marker::Start(name)) => {
                    let anchor = Anchor { first: number, last: 0, used: false };
                    if anchors.insert(name.into(), anchor).is_some() {
                        problems.add(file, number, format!("a second anchor `{name}`"));
                    }
                }
                Some(Marker::End(name)) => match anchors.get_mut(name) {
                    Some(anchor) if anchor.last == 0 => anchor.last = number,
                    _ => problems.add(file, number, format!("no anchor `{name}` is open here")),
                },
                None => {}
            }
        }
        anchors.retain(|name, anchor| {
            if anchor.last == 0 {
                problems.add(file, anchor.first, format!("anchor `{name}` is not closed"));
                return false;
            }
            let inside = &lines[anchor.first..anchor.last - 1];
            if inside.iter().all(|line| line.trim().is_empty() || marker(line).is_some()) {
                problems.add(file, anchor.first, format!("anchor `{name}` is empty"));
            }
            true
        });
        Self { lines, anchors }
    }

    fn test(&self, file: &str, name: &str) -> Option<Listing> {
        let head = format!("fn {name}(");
        let at = self.lines.iter().position(|line| line.trim_start().starts_with(&head))?;
        let indent = self.lines[at].len() - self.lines[at].trim_start().len();
        let attributes = self.lines[..at].iter().rev();
        let attributes = attributes.take_while(|line| line.trim_start().starts_with("#[")).count();
        let first = at - attributes;
        if !self.lines[first..at].iter().any(|line| line.trim() == "#[test]") {
            return None;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let last = at + self.lines[at..].iter().position(|line| *line == end)?;
        Some(Listing {
            file: file.into(),
            line: first + 1,
            code: dedent(self.lines[first..=last].iter()),
        })
    }
}

enum Marker<'a> {
    Start(&'a str),
    End(&'a str),
}

/// `// ANCHOR: name` or `// ANCHOR_END: name`, alone on its line.
fn marker(line: &str) -> Option<Marker<'_>> {
    let comment = line.trim().strip_prefix("//")?.trim_start();
    let end = comment.strip_prefix("ANCHOR_END:").map(|name| Marker::End(name.trim()));
    end.or_else(|| comment.strip_prefix("ANCHOR:").map(|name| Marker::Start(name.trim())))
}

fn dedent<'a>(lines: impl Iterator<Item = &'a String> + Clone) -> String {
    let full = lines.clone().filter(|line| !line.trim().is_empty());
    let indent = full.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let code: Vec<&str> = lines.map(|line| line.get(indent..).unwrap_or("")).collect();
    code.join("\n").trim_matches('\n').to_owned()
}

/// `path` from `root`, with forward slashes.
pub fn relative(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
