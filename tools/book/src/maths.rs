//! TeX to HTML at build time: the vendored KaTeX, run by a small JavaScript engine.

use anyhow::{Context as _, Result, anyhow};
use rquickjs::{Context, Function, Runtime};
use std::collections::BTreeMap;

const KATEX: &str = include_str!("../../../assets/katex/katex.min.js");

/// Calls KaTeX so that an error comes back as text: `-` and the message, or `+` and the HTML.
const CALL: &str = r#"
    (tex, display, macros) => {
        const options = { displayMode: display, throwOnError: true, strict: "error",
                          output: "htmlAndMathml", macros: JSON.parse(macros) };
        try { return "+" + katex.renderToString(tex, options); }
        catch (error) { return "-" + error.message; }
    }
"#;

/// KaTeX with the book's macros.
pub struct Katex {
    context: Context,
    macros: String,
}

impl Katex {
    /// `macros` has a line `\name:body` for each (empty lines and lines of `#` aside).
    pub fn new(macros: &str) -> Result<Self> {
        let mut table = BTreeMap::new();
        for line in macros.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, body) = line.split_once(':').with_context(|| format!("macro `{line}`"))?;
            table.insert(name, body);
        }
        let context = Context::full(&Runtime::new()?)?;
        context.with(|js| js.eval::<(), _>(KATEX)).context("KaTeX does not load")?;
        Ok(Self { context, macros: serde_json::to_string(&table)? })
    }

    /// The HTML of a formula; the error is KaTeX's own.
    pub fn render(&self, tex: &str, display: bool) -> Result<String> {
        let answer = self.context.with(|js| -> rquickjs::Result<String> {
            js.eval::<Function, _>(CALL)?.call((tex, display, self.macros.as_str()))
        })?;
        match answer.split_at(1) {
            ("+", html) => Ok(without_source(html)),
            (_, message) => Err(anyhow!("{}", message.trim_start_matches("KaTeX parse error: "))),
        }
    }
}

/// Drops the TeX that KaTeX repeats for copying: it would be found by search and read aloud.
fn without_source(html: &str) -> String {
    let parts = html.split_once("<annotation").and_then(|(before, rest)| {
        rest.split_once("</annotation>").map(|(_, after)| format!("{before}{after}"))
    });
    parts.unwrap_or_else(|| html.to_owned()).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_html_or_say_why_not() {
        let katex = Katex::new("\\abar:\\bar\\alpha\n").unwrap();
        let html = katex.render(r"\abar_t = \frac{1}{2}", true).unwrap();
        assert!(html.contains("katex-display") && html.contains("<math"), "{html}");
        assert!(!html.contains("annotation") && !html.contains("\\frac"), "{html}");
        let error = katex.render(r"\frac{1}{", false).unwrap_err().to_string();
        assert!(error.contains("Unexpected end of input"), "{error}");
        assert!(katex.render(r"\nosuch", false).is_err());
    }
}
