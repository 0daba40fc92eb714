//! Figures, tables and numbers from `results/`: each with the sidecar that says how it was made.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// `results/` of the repository, and which of its files the book shows.
#[derive(Debug)]
pub struct Results {
    root: PathBuf,
    pub shown: BTreeSet<String>,
}

/// What the book says of a result's origin.
#[derive(Debug, Deserialize)]
pub struct Sidecar {
    command: String,
    seed: u64,
    n: Option<u64>,
    device: String,
    date: String,
}

/// A result that may be shown.
#[derive(Debug)]
pub struct Shown {
    pub origin: Sidecar,
    /// Relative to the repository.
    pub file: String,
    path: PathBuf,
}

impl Results {
    pub fn new(root: &Path) -> Self {
        Self { root: root.into(), shown: BTreeSet::new() }
    }

    /// The result `file`, or why it may not be shown.
    pub fn show(&mut self, file: &str) -> Result<Shown, String> {
        if !file.starts_with("results/") || file.contains("..") {
            return Err(format!("{file} does not lie in results/"));
        }
        let path = self.root.join(file);
        if !path.is_file() {
            return Err(format!("there is no {file}"));
        }
        let sidecar = format!("{file}.json");
        let text = std::fs::read_to_string(self.root.join(&sidecar));
        let text = text.map_err(|_| format!("{file} has no sidecar {sidecar}"))?;
        let origin = serde_json::from_str(&text).map_err(|e| format!("{sidecar}: {e}"))?;
        self.shown.insert(file.into());
        Ok(Shown { origin, file: file.into(), path })
    }
}

impl Sidecar {
    /// How to make the result again, in HTML.
    pub fn caption(&self) -> String {
        let mut facts = vec![
            format!("<code>{}</code>", escape(&self.command)),
            format!("seed&nbsp;{}", self.seed),
        ];
        facts.extend(self.n.map(|n| format!("<i>n</i>&nbsp;=&nbsp;{}", thousands(n))));
        facts.push(escape(&self.device));
        facts.push(escape(&self.date));
        facts.join(" · ")
    }
}

impl Shown {
    /// Width and height in pixels of a PNG or GIF.
    pub fn size(&self) -> Result<(u32, u32), String> {
        let bytes = std::fs::read(&self.path).map_err(|e| format!("{}: {e}", self.file))?;
        let big =
            |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let little =
            |at: usize| bytes.get(at..at + 2).map(|b| u32::from(b[0]) | u32::from(b[1]) << 8);
        let size = match &bytes {
            b if b.starts_with(b"\x89PNG") => big(16).zip(big(20)),
            b if b.starts_with(b"GIF8") => little(6).zip(little(8)),
            _ => None,
        };
        size.ok_or_else(|| format!("{} is neither a PNG nor a GIF", self.file))
    }

    /// A JSON file on one line that may stand in a page.
    pub fn json(&self) -> Result<String, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", self.file);
        let text = std::fs::read_to_string(&self.path).map_err(|e| failed(&e))?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| failed(&e))?;
        Ok(value.to_string().replace("</", "<\\/"))
    }

    /// The header and the rows of a CSV.
    pub fn rows(&self) -> Result<Csv, String> {
        let failed = |e: csv::Error| format!("{}: {e}", self.file);
        let mut reader = csv::Reader::from_path(&self.path).map_err(failed)?;
        let header = reader.headers().map_err(failed)?.iter().map(String::from).collect();
        let rows: Result<Vec<_>, _> = reader.records().collect();
        let rows = rows.map_err(failed)?;
        let rows = rows.iter().map(|row| row.iter().map(String::from).collect()).collect();
        Ok(Csv { file: self.file.clone(), header, rows })
    }
}

/// A table as text.
#[derive(Debug)]
pub struct Csv {
    file: String,
    header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    pub fn header(&self) -> &[String] {
        &self.header
    }

    pub fn column(&self, name: &str) -> Result<usize, String> {
        let found = self.header.iter().position(|column| column == name);
        let known = || self.header.join(", ");
        found.ok_or_else(|| format!("{} has no column `{name}`; it has: {}", self.file, known()))
    }

    /// Keeps the rows where `column` holds one of `values` (`a / b` in the book).
    pub fn keep(&mut self, column: &str, values: &str) -> Result<(), String> {
        let at = self.column(column)?;
        let wanted: Vec<&str> = values.split(" / ").map(str::trim).collect();
        for value in &wanted {
            if !self.rows.iter().any(|row| row[at] == *value) {
                return Err(format!("{} has no row where {column} = {value}", self.file));
            }
        }
        self.rows.retain(|row| wanted.contains(&row[at].as_str()));
        Ok(())
    }
}

/// How a column's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Format {
    AsIs,
    /// `.3`: three decimals.
    Decimals(usize),
    /// `.2e`: two decimals and a power of ten.
    Scientific(usize),
}

impl Format {
    /// `.3`, `.2e` or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('.')?;
        match digits.strip_suffix('e') {
            Some(digits) => digits.parse().ok().map(Self::Scientific),
            None => digits.parse().ok().map(Self::Decimals),
        }
    }

    /// The cell in HTML.
    pub fn apply(self, cell: &str) -> Result<String, String> {
        let number = || cell.parse::<f64>().map_err(|_| format!("`{cell}` is not a number"));
        Ok(match self {
            Self::AsIs => escape(cell),
            Self::Decimals(digits) => minus(&format!("{:.digits$}", number()?)),
            Self::Scientific(digits) => {
                let text = format!("{:.digits$e}", number()?);
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                match exponent {
                    "0" => minus(mantissa),
                    _ => format!("{}·10<sup>{}</sup>", minus(mantissa), minus(exponent)),
                }
            }
        })
    }
}

fn minus(text: &str) -> String {
    text.replace('-', "−")
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push_str("&#8239;");
        }
        out.push(digit);
    }
    out
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_asked() {
        let write = |format: &str, cell| Format::parse(format).unwrap().apply(cell).unwrap();
        assert_eq!(write(".2", "-0.126"), "−0.13");
        assert_eq!(write(".2e", "0.0000403583"), "4.04·10<sup>−5</sup>");
        assert_eq!(write(".1e", "3.0"), "3.0");
        assert_eq!(Format::AsIs.apply("a<b").unwrap(), "a&lt;b");
        assert!(Format::Decimals(1).apply("linear").is_err());
        assert_eq!(Format::parse("3"), None);
        assert_eq!(thousands(1_234_567), "1&#8239;234&#8239;567");
        assert_eq!(thousands(123), "123");
    }
}
