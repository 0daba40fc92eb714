//! `cargo xtask readme` writes the README's tables from results/, so that no number is typed.
//!
//! A block `<!-- table results/x.csv -->` ... `<!-- end -->` holds the CSV as a Markdown table and
//! one line that says how it was made, from the sidecar `results/x.csv.json`. After the file's name
//! may stand which columns it shows, under which heading and with how many decimals:
//! `<!-- table results/x.csv: steps | fid_lenet as FID .1 -->`.

use crate::files;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

const OPEN: &str = "<!-- table ";
const CLOSE: &str = "<!-- end -->";

#[derive(clap::Args)]
pub struct Options {
    /// Only say whether the README agrees with results/; fails if not.
    #[arg(long)]
    pub check: bool,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let path = repo.root.join("README.md");
    let now =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let fresh = filled(&now, &repo.root)?;
    match (now == fresh, options.check) {
        (true, _) => println!("README.md agrees with results/"),
        (false, true) => bail!("README.md does not agree with results/: run `cargo xtask readme`"),
        (false, false) => {
            files::write(&path, &fresh)?;
            println!("README.md: tables written from results/");
        }
    }
    Ok(())
}

/// The text with every table block filled from the files under `root`.
fn filled(text: &str, root: &Path) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let body = &rest[start..];
        let (what, after) = body[OPEN.len()..].split_once(" -->").with_context(|| {
            format!("a comment is not closed: {}", body.lines().next().unwrap_or(""))
        })?;
        let end = after.find(CLOSE);
        let end = end.with_context(|| format!("no `{CLOSE}` after the table {what}"))?;
        out += &rest[..start];
        out += &format!("{OPEN}{what} -->\n{}{CLOSE}", table(root, what)?);
        rest = &after[end + CLOSE.len()..];
    }
    Ok(out + rest)
}

/// `name as heading .2`
struct Column {
    place: usize,
    heading: String,
    decimals: Option<usize>,
}

impl Column {
    fn parse(text: &str, header: &[&str], file: &str) -> Result<Self> {
        let (text, decimals) = match text.trim().rsplit_once(" .") {
            Some((text, digits)) => (text, digits.parse().ok()),
            None => (text.trim(), None),
        };
        let (name, heading) = text.split_once(" as ").unwrap_or((text, text));
        let place = header.iter().position(|column| *column == name);
        let known = || format!("{file} has no column `{name}`; it has: {}", header.join(", "));
        let place = place.with_context(known)?;
        Ok(Self { place, heading: heading.replace('_', " "), decimals })
    }

    fn cell(&self, row: &csv::StringRecord) -> String {
        let text = &row[self.place];
        match (self.decimals, text.parse::<f64>()) {
            (Some(decimals), Ok(number)) => format!("{number:.decimals$}"),
            _ => text.to_owned(),
        }
    }
}

fn table(root: &Path, what: &str) -> Result<String> {
    let (name, columns) = what.split_once(": ").unwrap_or((what, ""));
    let mut reader =
        csv::Reader::from_path(root.join(name)).with_context(|| format!("cannot read {name}"))?;
    let broken = || format!("{name} is not a table");
    let header = reader.headers().with_context(broken)?.clone();
    let header: Vec<&str> = header.iter().collect();
    let columns = if columns.is_empty() { header.join(" | ") } else { columns.to_owned() };
    let columns = columns.split(" | ").map(|column| Column::parse(column, &header, name));
    let columns: Vec<Column> = columns.collect::<Result<_>>()?;
    let sidecar = format!("{name}.json");
    let json = fs::read_to_string(root.join(&sidecar))
        .with_context(|| format!("cannot read {sidecar}: every result needs its sidecar"))?;
    let origin: serde_json::Value =
        serde_json::from_str(&json).with_context(|| format!("{sidecar} is not JSON"))?;
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(columns.iter().map(|column| column.heading.clone()).collect());
    out += &format!("|{}\n", "---|".repeat(columns.len()));
    for row in reader.records() {
        let row = row.with_context(broken)?;
        out += &line(columns.iter().map(|column| column.cell(&row)).collect());
    }
    let field = |key: &str| origin[key].as_str().unwrap_or("?").to_owned();
    out += &format!("\n(`{}`, {}, {})\n", field("command"), field("device"), field("date"));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"command":"cargo x","device":"cpu","date":"2026-01-02"}"#;

    #[test]
    fn a_table_is_filled_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let csv = |text: &str| fs::write(dir.path().join("a.csv"), text).unwrap();
        let fill = |text: &str| filled(text, dir.path()).map_err(|error| error.to_string());
        csv("x_of,y\n1,2\n");
        let text = "before\n<!-- table a.csv -->\nold\n<!-- end -->\nafter\n";
        assert!(fill(text).unwrap_err().contains("a.csv.json"));
        fs::write(dir.path().join("a.csv.json"), JSON).unwrap();
        let once = fill(text).unwrap();
        assert_eq!(
            once,
            "before\n<!-- table a.csv -->\n| x of | y |\n|---|---|\n| 1 | 2 |\n\n\
             (`cargo x`, cpu, 2026-01-02)\n<!-- end -->\nafter\n"
        );
        assert_eq!(fill(&once).unwrap(), once);
        csv("x_of,y\n\"1, or 2\",2.346\n");
        let found = fill("<!-- table a.csv: y as why .2 | x_of -->\n<!-- end -->").unwrap();
        assert!(found.contains("| why | x of |\n|---|---|\n| 2.35 | 1, or 2 |\n"), "{found}");
        let wrong = fill("<!-- table a.csv: z -->\n<!-- end -->").unwrap_err();
        assert!(wrong.contains("it has: x_of, y"), "{wrong}");
        csv("x_of,y\n1,3\n");
        assert_ne!(fill(&once).unwrap(), once, "a new number must show");
    }
}
