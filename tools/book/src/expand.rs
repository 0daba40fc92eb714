//! From a page as written to the Markdown that mdBook renders: listings, figures, tables, numbers.
//!
//! | directive | becomes |
//! | --- | --- |
//! | `{{#include ../../src/forward.rs:posterior}}`, alone in a Rust fence | the code at that anchor |
//! | `{{#include ../../examples/ddpm.rs}}`, likewise | the whole file, without its `//!` lines |
//! | `{{#test b1_the_posterior_is_bayes_rule}}` | the test, folded |
//! | `{{#figure results/a.png` + lines `alt: ...`, `caption: ...` + `}}` | the picture with its command |
//! | `{{#widget name results/a.json` + lines `still: ...`, `alt: ...`, `caption: ...` + `}}` | the still picture, and data for the script of that name |
//! | `{{#table results/a.csv` + lines `columns: ...`, `rows: ...`, `caption: ...` + `}}` | the table with its command |
//! | `{{#value results/a.csv row = x; column .3}}`, in a sentence | one cell |
//! | `{{#fact b1_the_posterior_is_bayes_rule}}`, in a sentence | the name of a test that exists |

use crate::fields::{Column, Fields};
use crate::frame::{code_block, framed, picture, solution, table, widget};
use crate::problem::Problems;
use crate::results::Results;
use crate::source::Sources;

/// Rust of a page's own may not be longer than this: all else comes from compiled files.
const LONGEST_OWN_RUST: usize = 3;

/// A picture wider than this many times its height may be wider than the text.
const WIDE: u32 = 3;

/// Everything a page may draw from.
pub struct Material<'a> {
    pub sources: &'a mut Sources,
    pub results: &'a mut Results,
    pub problems: &'a mut Problems,
}

/// A page after expansion.
#[derive(Debug)]
pub struct Expanded {
    pub text: String,
    /// For each line of `text`, the line of the page it comes from.
    origin: Vec<usize>,
}

impl Expanded {
    /// The page's line at byte `offset` of `text`.
    pub fn line(&self, offset: usize) -> usize {
        let at = self.text[..offset].matches('\n').count();
        self.origin.get(at).copied().unwrap_or(0)
    }
}

/// Expands the page `file`.
pub fn expand(file: &str, text: &str, material: &mut Material) -> Expanded {
    let lines: Vec<&str> = text.lines().collect();
    let mut page = Page { file, material, out: Vec::new(), origin: Vec::new() };
    let mut at = 0;
    while at < lines.len() {
        at = match lines[at].trim_start() {
            line if line.starts_with("```") || line.starts_with("~~~") => page.fence(&lines, at),
            line if is_block(line) => page.block(&lines, at),
            _ => page.line(lines[at], at),
        };
    }
    Expanded { text: page.out.join("\n") + "\n", origin: page.origin }
}

fn is_block(line: &str) -> bool {
    ["{{#figure ", "{{#table ", "{{#test ", "{{#widget "].iter().any(|head| line.starts_with(head))
}

struct Page<'a, 'b> {
    file: &'a str,
    material: &'a mut Material<'b>,
    out: Vec<String>,
    origin: Vec<usize>,
}

impl Page<'_, '_> {
    fn push(&mut self, text: &str, at: usize) {
        for line in text.split('\n') {
            self.out.push(line.into());
            self.origin.push(at + 1);
        }
    }

    fn wrong(&mut self, at: usize, what: impl std::fmt::Display) {
        self.material.problems.add(self.file, at + 1, what);
    }

    /// A fenced block, from its first line; returns the line after it.
    fn fence(&mut self, lines: &[&str], at: usize) -> usize {
        let head = lines[at].trim_start();
        let mark: String = head.chars().take_while(|c| *c == '`' || *c == '~').collect();
        let closes =
            |line: &&str| line.trim().starts_with(&mark) && line.trim().len() == mark.len();
        let Some(length) = lines[at + 1..].iter().position(closes) else {
            self.wrong(at, "this fence is not closed");
            return lines.len();
        };
        let (body, end) = (&lines[at + 1..at + 1 + length], at + 1 + length);
        let language = head[mark.len()..].split([',', ' ']).next().unwrap_or("").trim();
        match body {
            [line] if line.trim().starts_with("{{#include ") => self.include(line.trim(), at + 1),
            _ => {
                if let Some(i) = body.iter().position(|line| line.contains("{{#")) {
                    self.wrong(
                        at + 1 + i,
                        "a directive in a fence stands alone: {{#include path:anchor}}",
                    );
                }
                if matches!(language, "rust" | "rs") && length > LONGEST_OWN_RUST {
                    let what = format!(
                        "{length} lines of Rust that no compiler sees: show them by \
                         {{{{#include path:anchor}}}} (own Rust may have {LONGEST_OWN_RUST} lines)"
                    );
                    self.wrong(at, what);
                }
                self.push(&lines[at..=end].join("\n"), at);
            }
        }
        end + 1
    }

    fn include(&mut self, line: &str, at: usize) {
        let target = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"));
        let Some(target) = target.map(str::trim) else {
            return self
                .wrong(at, "an include reads {{#include path:anchor}} or {{#include path}}");
        };
        let (path, anchor) =
            target.split_once(':').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
        match self.material.sources.listing(path.trim_start_matches("../"), anchor) {
            Ok(listing) => self.push(&code_block(&listing), at),
            Err(what) => self.wrong(at, what),
        }
    }

    /// A directive over one or more lines; returns the line after it.
    fn block(&mut self, lines: &[&str], at: usize) -> usize {
        let Some(length) = lines[at..].iter().position(|line| line.trim_end().ends_with("}}"))
        else {
            self.wrong(at, "this directive is not closed by }}");
            return lines.len();
        };
        let text = lines[at..=at + length].join("\n");
        let text = text.trim().trim_start_matches("{{#").trim_end_matches("}}");
        let made = match Fields::parse(text) {
            Ok(fields) => match fields.kind {
                "figure" => self.figure(&fields),
                "table" => self.table(&fields),
                "widget" => self.widget(&fields),
                _ => self
                    .material
                    .sources
                    .test(fields.subject)
                    .map(|test| solution(&test, fields.subject)),
            },
            Err(what) => Err(what),
        };
        match made {
            Ok(markdown) => self.push(&indented(&markdown, lines[at]), at),
            Err(what) => self.wrong(at, what),
        }
        at + length + 1
    }

    fn figure(&mut self, fields: &Fields) -> Result<String, String> {
        fields.allow(&["alt", "caption"])?;
        let shown = self.material.results.show(fields.subject)?;
        let (width, height) = shown.size()?;
        let class = if width > WIDE * height { "figure wide" } else { "figure" };
        let picture = picture(&shown, (width, height), fields.need("alt")?);
        Ok(framed(class, &picture, fields.need("caption")?, &shown))
    }

    /// A still picture that a script may bring to life, with the data it needs in the page.
    fn widget(&mut self, fields: &Fields) -> Result<String, String> {
        fields.allow(&["still", "alt", "caption"])?;
        let (name, file) = fields.subject.split_once(' ').ok_or("a widget has a name and data")?;
        let shown = self.material.results.show(file.trim())?;
        let still = self.material.results.show(fields.need("still")?)?;
        let picture = picture(&still, still.size()?, fields.need("alt")?);
        let content = widget(name, &picture, &shown.json()?);
        Ok(framed("widget", &content, fields.need("caption")?, &shown))
    }

    fn table(&mut self, fields: &Fields) -> Result<String, String> {
        fields.allow(&["columns", "rows", "caption"])?;
        let shown = self.material.results.show(fields.subject)?;
        let mut csv = shown.rows()?;
        for rows in fields.all("rows") {
            let (column, values) = rows.split_once(" = ").ok_or("rows read `column = value`")?;
            csv.keep(column.trim(), values)?;
        }
        Ok(framed("table", &table(&csv, fields.first("columns"))?, fields.need("caption")?, &shown))
    }

    /// A line of prose, which may quote numbers and name tests.
    fn line(&mut self, line: &str, at: usize) -> usize {
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{#") {
            let (quote, after) = after.split_once("}}").unwrap_or((after, ""));
            out.push_str(before);
            let made = match quote.split_once(' ') {
                Some(("value", quote)) => self.value(quote),
                Some(("fact", test)) => {
                    let found = self.material.sources.test(test.trim());
                    // a long name may be broken after any of its underscores
                    found.map(|_| format!("<code>{}</code>", test.trim().replace('_', "_<wbr>")))
                }
                _ => Err(format!("`{{{{#{quote}}}}}` is no directive of this book")),
            };
            match made {
                Ok(text) => out.push_str(&text),
                Err(what) => self.wrong(at, what),
            }
            rest = after;
        }
        self.push(&(out + rest), at);
        at + 1
    }

    /// `results/a.csv row = x; column .3`
    fn value(&mut self, quote: &str) -> Result<String, String> {
        let quote = quote.trim();
        let (file, rest) =
            quote.split_once(' ').ok_or("a value reads {{#value file.csv row = x; column .3}}")?;
        let mut csv = self.material.results.show(file)?.rows()?;
        let mut parts: Vec<&str> = rest.split(';').map(str::trim).collect();
        let column = parts.pop().unwrap_or("");
        for filter in parts {
            let (name, value) = filter.split_once(" = ").ok_or("rows read `column = value`")?;
            csv.keep(name.trim(), value)?;
        }
        let column = Column::parse(column);
        let at = csv.column(column.name)?;
        match &csv.rows[..] {
            [row] => column.format.apply(&row[at]),
            rows => Err(format!("{file}: {} rows fit, one is needed", rows.len())),
        }
    }
}

/// `markdown` as deep as `model`, so that what stands in a list stays in it.
fn indented(markdown: &str, model: &str) -> String {
    let indent = &model[..model.len() - model.trim_start().len()];
    let deep = |line: &str| if line.is_empty() { String::new() } else { format!("{indent}{line}") };
    markdown.lines().map(deep).collect::<Vec<_>>().join("\n")
}
