//! What a page's Markdown holds: formulas to set, links to follow, and TeX left over as text.

use crate::expand::Expanded;
use crate::maths::Katex;
use crate::problem::Problems;
use mdbook_markdown::pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A link or image on a page.
#[derive(Debug)]
pub struct Link {
    pub file: String,
    pub line: usize,
    pub target: String,
}

/// The formulas of the whole book, in order of appearance.
#[derive(Debug, Default)]
pub struct Formulas(Vec<String>);

impl Formulas {
    /// What stands for the next formula until mdBook has made HTML of the page.
    fn keep(&mut self, html: String) -> String {
        self.0.push(html);
        format!("<span data-formula=\"{}\"></span>", self.0.len() - 1)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts the formulas into a finished page.
    pub fn put(&self, page: &str) -> String {
        let mut parts = page.split("<span data-formula=\"");
        let mut out = parts.next().unwrap_or("").to_owned();
        for part in parts {
            let (number, rest) = part.split_once("\"></span>").expect("written by keep");
            out.push_str(&self.0[number.parse::<usize>().expect("written by keep")]);
            out.push_str(rest);
        }
        out
    }
}

/// Sets the formulas of `page` (from `file`) and notes its links.
pub fn typeset(
    file: &str,
    page: &Expanded,
    katex: &Katex,
    formulas: &mut Formulas,
    links: &mut Vec<Link>,
    problems: &mut Problems,
) -> String {
    let mut out = String::new();
    let (mut copied, mut in_code, mut last_leftover) = (0, false, 0);
    for (event, range) in Parser::new_ext(&page.text, options()).into_offset_iter() {
        let line = page.line(range.start);
        let (tex, display) = match event {
            Event::InlineMath(tex) => (tex, false),
            Event::DisplayMath(tex) => (tex, true),
            Event::Start(Tag::CodeBlock(_)) | Event::End(TagEnd::CodeBlock) => {
                in_code = !in_code;
                continue;
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(Link { file: file.into(), line, target: dest_url.into_string() });
                continue;
            }
            Event::Text(_) if !in_code && line != last_leftover => {
                if let Some(found) = leftover(&page.text, range.start, range.end) {
                    problems.add(file, line, format!("`{found}` is left over as text"));
                    last_leftover = line;
                }
                continue;
            }
            _ => continue,
        };
        match katex.render(&tex, display) {
            Ok(html) => {
                out.push_str(&page.text[copied..range.start]);
                let comma = if display { "" } else { glued(&tex, &page.text[range.end..]) };
                out.push_str(&formulas.keep(match comma {
                    "" => html,
                    comma => format!("<span class=\"glued\">{html}{comma}</span>"),
                }));
                copied = range.end + comma.len();
            }
            Err(error) => problems.add(file, line, format!("formula `{}`: {error}", tex.trim())),
        }
    }
    out.push_str(&page.text[copied..]);
    out
}

/// The punctuation after a short formula, which must not begin the next line. (A long formula may
/// have to be broken itself.)
fn glued<'a>(tex: &str, rest: &'a str) -> &'a str {
    let end = rest.find(|c: char| !",.;:!?)".contains(c)).unwrap_or(rest.len());
    if tex.len() <= 40 { &rest[..end] } else { "" }
}

/// mdBook's own dialect, and formulas.
fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_SMART_PUNCTUATION
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH
}

/// A dollar (unless written `\$`), a TeX command or a directive in what should be prose.
fn leftover(text: &str, start: usize, end: usize) -> Option<&str> {
    let prose = &text[start..end];
    let dollar = prose.match_indices('$').find(|(i, _)| !text[..start + i].ends_with('\\'));
    let command = prose
        .match_indices('\\')
        .find(|(i, _)| prose[i + 1..].starts_with(|next: char| next.is_ascii_alphabetic()));
    let directive = prose.match_indices("{{").next();
    let (at, _) = dollar.or(command).or(directive)?;
    let line = text[start + at..].lines().next()?;
    Some(&line[..line.char_indices().nth(24).map_or(line.len(), |(i, _)| i)])
}
