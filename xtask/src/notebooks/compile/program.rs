//! The program that a notebook's cells make, and the way back from its lines to the cells.

use crate::notebooks::document::Cell;
use serde_json::Value;
use std::fmt;
use std::path::Path;
use syn::spanned::Spanned;
use syn::{Block, Expr, Stmt};

/// A call of a type's own `evcxr_display` takes precedence; what has none must be Debug.
const HEAD: &str = "\
trait DisplayByDebug { fn evcxr_display(&self); }
impl<T: std::fmt::Debug + ?Sized> DisplayByDebug for T { fn evcxr_display(&self) {} }
fn main() {";

#[derive(Debug)]
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
    pub fn new(cells: &[Cell]) -> Result<Self, CellError> {
        let mut program =
            Self { text: String::new(), dependencies: Vec::new(), origin: Vec::new() };
        HEAD.lines().for_each(|line| program.push(line, None));
        for cell in cells {
            program.push("{", None);
            program.add(cell)?;
        }
        program.push(&"}".repeat(cells.len() + 1), None);
        Ok(program)
    }

    fn push(&mut self, line: &str, origin: Option<(usize, usize)>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.origin.push(origin);
    }

    fn add(&mut self, cell: &Cell) -> Result<(), CellError> {
        let lines: Vec<&str> = cell.source.lines().collect();
        let mut code: Vec<String> = Vec::new();
        for line in &lines {
            let command = command(line);
            let dependency = command.and_then(|command| command.strip_prefix("dep "));
            self.dependencies.extend(dependency.and_then(dependency_name));
            code.push(if command.is_some() { String::new() } else { (*line).to_owned() });
        }
        let shown = closing_expression(&code.join("\n")).map_err(|(line, message)| CellError {
            cell: cell.number,
            line,
            message,
        })?;
        for (i, line) in code.iter().enumerate() {
            let here = Some((cell.number, i + 1));
            let mut rest = line.clone();
            if let Some(shown) = shown {
                if shown.end.0 == i + 1 {
                    rest.insert_str(byte(&rest, shown.end.1), ").evcxr_display();");
                }
                if shown.start.0 == i + 1 {
                    // On lines of its own, so that the columns that rustc reports stay the cell's.
                    let start = byte(&rest, shown.start.1);
                    self.push(&rest[..start], here);
                    self.push("(", here);
                    rest = " ".repeat(shown.start.1) + &rest[start..];
                }
            }
            self.push(&rest, here);
        }
        Ok(())
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
        let span = innermost(primary, source)?;
        let number = usize::try_from(span["line_start"].as_u64()?).ok()?;
        let (cell, line) = (*self.origin.get(number - 1)?)?;
        let mut message = diagnostic["message"].as_str()?.to_owned();
        if let Some(code) = diagnostic["code"]["code"].as_str() {
            message = format!("{message} [{code}]");
        }
        if let Some(text) = span["text"][0]["text"].as_str() {
            let column = |name: &str| span["text"][0][name].as_u64().unwrap_or(1) as usize;
            let (start, end) = (column("highlight_start"), column("highlight_end"));
            let mark = " ".repeat(start - 1) + &"^".repeat((end - start).max(1));
            let label = primary["label"].as_str().unwrap_or_default();
            message.push_str(&format!("\n    {text}\n    {mark} {label}"));
        }
        Some(CellError { cell, line, message })
    }
}

/// The span in the program itself, where a macro's own file would help nobody.
fn innermost<'a>(span: &'a Value, source: &str) -> Option<&'a Value> {
    let mut span = span;
    while span["file_name"] != source {
        span = span["expansion"].get("span")?;
    }
    Some(span)
}

/// `dep x = ...` of a line `:dep x = ...`.
fn command(line: &str) -> Option<&str> {
    let command = line.trim_start().strip_prefix(':')?;
    command.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(command)
}

fn dependency_name(command: &str) -> Option<String> {
    let name = command.split(['=', ' ']).find(|word| !word.is_empty())?;
    Some(name.to_owned())
}

/// Where the closing expression starts and ends: (line from 1, column from 0 in characters).
#[derive(Debug, Clone, Copy)]
struct Shown {
    start: (usize, usize),
    end: (usize, usize),
}

fn closing_expression(code: &str) -> Result<Option<Shown>, (usize, String)> {
    let broken = |span: proc_macro2::Span, text: String| Err((span.start().line.max(1), text));
    let tokens: proc_macro2::TokenStream = match code.parse() {
        Ok(tokens) => tokens,
        Err(error) => return broken(error.span(), format!("this is not Rust: {error}")),
    };
    let statements = match syn::parse::Parser::parse2(Block::parse_within, tokens) {
        Ok(statements) => statements,
        Err(error) => return broken(error.span(), format!("this is not Rust: {error}")),
    };
    let Some(Stmt::Expr(expression, None)) = statements.last() else { return Ok(None) };
    if matches!(expression, Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_)) {
        return Ok(None);
    }
    let span = expression.span();
    let place = |at: proc_macro2::LineColumn| (at.line, at.column);
    Ok(Some(Shown { start: place(span.start()), end: place(span.end()) }))
}

fn byte(line: &str, column: usize) -> usize {
    line.char_indices().nth(column).map_or(line.len(), |(i, _)| i)
}
