//! A program is made of a notebook's cells, and leads from its lines back to the cells.

use serde_json::Value;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use syn::spanned::Spanned;
use syn::{Block, Expr, Stmt};

/// A call of a type's `evcxr_display` takes precedence; what has none must be Debug.
const HEAD: &str = "\
trait DisplayByDebug { fn evcxr_display(&self); }
impl<T: std::fmt::Debug + ?Sized> DisplayByDebug for T { fn evcxr_display(&self) {} }
fn main() {";

#[derive(Debug, Default)]
pub struct Program {
    pub text: String,
    /// What the notebook asks for with `:dep`.
    pub dependencies: Vec<String>,
    /// (cell, line in it) of each line of `text`, counted from 1.
    origin: Vec<Option<(usize, usize)>>,
}

/// An error in a cell, with the line and a mark below what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct CellError {
    pub cell: usize,
    pub line: usize,
    pub message: String,
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cell {}, line {}: {}", self.cell, self.line, self.message)
    }
}

impl Program {
    pub fn new(cells: &[String]) -> Result<Self, CellError> {
        let mut program = Self::default();
        HEAD.lines().for_each(|line| program.push(line, None));
        for (i, source) in cells.iter().enumerate() {
            program.push("{", None);
            program.add(i + 1, source)?;
        }
        program.push(&"}".repeat(cells.len() + 1), None);
        Ok(program)
    }

    fn push(&mut self, line: &str, origin: Option<(usize, usize)>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.origin.push(origin);
    }

    fn add(&mut self, cell: usize, source: &str) -> Result<(), CellError> {
        let mut code = String::new();
        for line in source.lines() {
            match command(line) {
                Some(command) => self.dependencies.extend(dependency(command)),
                None => code.push_str(line),
            }
            code.push('\n');
        }
        let shown = closing_expression(&code).map_err(|(line, message)| CellError {
            cell,
            line,
            message,
        })?;
        let start = shown.as_ref().map_or(0, |shown| shown.start);
        if let Some(shown) = shown {
            code.insert_str(shown.end, ").evcxr_display();");
            self.push_code(cell, &code, 0..start);
            self.push("(", None);
        }
        self.push_code(cell, &code, start..code.len());
        Ok(())
    }

    /// Adds a part of a cell's code, on lines of its own whose columns stay the cell's.
    fn push_code(&mut self, cell: usize, code: &str, part: Range<usize>) {
        let line_start = code[..part.start].rfind('\n').map_or(0, |end| end + 1);
        let first = code[..part.start].matches('\n').count() + 1;
        let indent = " ".repeat(code[line_start..part.start].chars().count());
        for (i, line) in (indent + &code[part]).lines().enumerate() {
            self.push(line, Some((cell, first + i)));
        }
    }

    /// The errors among rustc's JSON diagnostics, told in terms of cells.
    pub fn errors(&self, diagnostics: &str, source: &Path) -> Vec<CellError> {
        let parsed =
            diagnostics.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed
            .filter(|diagnostic| diagnostic["level"] == "error")
            .filter_map(|diagnostic| self.error(&diagnostic, &source.to_string_lossy()))
            .collect()
    }

    fn error(&self, diagnostic: &Value, source: &str) -> Option<CellError> {
        let spans = diagnostic["spans"].as_array()?;
        let primary = spans.iter().find(|span| span["is_primary"] == true)?;
        // A macro's file would help nobody: the span in the program is where the cell calls it.
        let mut span = primary;
        while span["file_name"] != source {
            span = span["expansion"].get("span")?;
        }
        let number = usize::try_from(span["line_start"].as_u64()?).ok()?;
        let (cell, line) = (*self.origin.get(number - 1)?)?;
        let mut message = diagnostic["message"].as_str()?.to_owned();
        if let Some(code) = diagnostic["code"]["code"].as_str() {
            message += &format!(" [{code}]");
        }
        let place = &span["text"][0];
        if let Some(text) = place["text"].as_str() {
            let column = |name: &str| place[name].as_u64().unwrap_or(1) as usize;
            let (start, end) = (column("highlight_start"), column("highlight_end"));
            let mark = " ".repeat(start - 1) + &"^".repeat((end - start).max(1));
            let label = primary["label"].as_str().unwrap_or_default();
            message += &format!("\n    {text}\n    {mark} {label}");
        }
        Some(CellError { cell, line, message })
    }
}

/// `dep x = ...` of a line `:dep x = ...`.
fn command(line: &str) -> Option<&str> {
    let command = line.trim_start().strip_prefix(':')?;
    command.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(command)
}

/// The crate's name in `dep x = ...`.
fn dependency(command: &str) -> Option<String> {
    let name = command.strip_prefix("dep ")?.split(['=', ' ']).find(|word| !word.is_empty())?;
    Some(name.to_owned())
}

/// The bytes of the expression that closes the cell and is shown, if there is one.
fn closing_expression(code: &str) -> Result<Option<Range<usize>>, (usize, String)> {
    let statements = code
        .parse()
        .map_err(syn::Error::from)
        .and_then(|tokens| syn::parse::Parser::parse2(Block::parse_within, tokens));
    let statements = statements.map_err(|error| {
        (error.span().start().line.max(1), format!("this is not Rust: {error}"))
    })?;
    Ok(match statements.last() {
        Some(Stmt::Expr(Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_), None)) => None,
        Some(Stmt::Expr(expression, None)) => Some(expression.span().byte_range()),
        _ => None,
    })
}
