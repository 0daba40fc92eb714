//! The page xtask/doctor.toml holds what the doctor says; this module reads it.

use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// The whole page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    finding: HashMap<String, Finding>,
    variable: Vec<Variable>,
    program: Vec<Program>,
    known: Vec<Known>,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    toml::from_str(include_str!("../../doctor.toml")).expect("the tests read this page too")
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the report, with its fix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finding {
    pub subject: String,
    pub verdict: Verdict,
    pub detail: String,
    pub fix: String,
}

/// A variable that changes which libtorch is built against or found.
#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    /// The values that this is about, where it is not about all.
    value: Option<Vec<String>>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(flatten)]
    finding: Finding,
}

/// A program that only some users need.
#[derive(Debug, Deserialize)]
struct Program {
    names: Vec<String>,
    #[serde(flatten)]
    missing: Finding,
}

/// A known error message, with its cause and its fix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    message: Vec<String>,
    pub cause: String,
    pub fix: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader, and followed by a test"))]
    example: Vec<String>,
}

impl Finding {
    pub fn ok(subject: &str, detail: impl Into<String>) -> Self {
        let (subject, detail) = (subject.to_owned(), detail.into());
        Self { subject, verdict: Verdict::Ok, detail, fix: String::new() }
    }

    fn filled(&self, values: &[(&str, &dyn fmt::Display)]) -> Self {
        let mut filled = self.clone();
        for (name, value) in values {
            for text in [&mut filled.detail, &mut filled.fix] {
                *text = text.replace(&format!("{{{name}}}"), &value.to_string());
            }
        }
        filled
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "OK  ",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        write!(f, "{verdict} {:14} {}", self.subject, self.detail)?;
        if !self.fix.is_empty() {
            write!(f, "\n     {:14} fix: {}", "", self.fix)?;
        }
        Ok(())
    }
}

/// The finding of this name, with what was seen in place of the words in braces.
pub fn finding(name: &str, values: &[(&str, &dyn fmt::Display)]) -> Finding {
    PAGE.finding[name].filled(values)
}

/// The known messages that `text` shows, the most telling first.
pub fn explain(text: &str) -> Vec<&'static Known> {
    let text = text.to_lowercase();
    let shows = |message: &String| message.split(" ... ").all(|part| text.contains(part));
    PAGE.known.iter().filter(|known| known.message.iter().any(shows)).collect()
}

/// The fix of a known message, or `otherwise`.
pub fn fix_of(message: &str, otherwise: &str) -> String {
    explain(message).first().map_or(otherwise, |known| &known.fix).to_owned()
}

/// What the variables do, given a way to look them up.
pub fn variables(get: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let interfering = PAGE.variable.iter().filter_map(|variable| {
        let value = get(&variable.name)?;
        let meant = variable.value.as_ref().is_none_or(|values| values.contains(&value));
        let meant = meant && !variable.except.contains(&value);
        meant.then(|| variable.finding.filled(&[("value", &value)]))
    });
    let all: Vec<Finding> = interfering.collect();
    if all.is_empty() { vec![Finding::ok("environment", "no variable interferes")] } else { all }
}

/// What the programs say that only some users need, given a way to ask them for their version.
pub fn programs(version: impl Fn(&str) -> Option<String>) -> impl Iterator<Item = Finding> {
    PAGE.program.iter().map(move |program| {
        let found = program.names.iter().find_map(|name| version(name));
        match found {
            Some(text) => Finding::ok(&program.missing.subject, text),
            None => program.missing.clone(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_checks_name_the_same_findings() {
        let code = include_str!("checks.rs");
        for name in PAGE.finding.keys() {
            assert!(code.contains(&format!("\"{name}\"")), "no check finds {name}");
        }
        for (_, rest) in
            code.match_indices("finding(\"").map(|(i, start)| code[i..].split_at(start.len()))
        {
            let name = rest.split('"').next().unwrap();
            assert!(PAGE.finding.contains_key(name), "{name} is not on the page");
        }
    }

    #[test]
    fn every_example_leads_to_its_entry() {
        for known in &PAGE.known {
            assert!(!known.example.is_empty(), "{} has no example", known.cause);
            for example in &known.example {
                let first = explain(example).first().map(|found| &found.cause);
                assert_eq!(first, Some(&known.cause), "{example}");
            }
            for message in &known.message {
                assert_eq!(*message, message.to_lowercase(), "the search is in lower case");
            }
        }
    }

    #[test]
    fn an_unknown_message_is_not_guessed_at() {
        for message in ["", "error[E0308]: mismatched types", "thread 'main' panicked", "torch"] {
            assert!(explain(message).is_empty(), "{message}");
        }
    }

    #[test]
    fn a_variable_is_judged_by_its_value() {
        for (name, value, verdict) in [
            ("PATH", "/bin", Verdict::Ok),
            ("LIBTORCH_USE_PYTORCH", "1", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "0", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "1", Verdict::Warn),
            ("LIBTORCH_STATIC", "1", Verdict::Fail),
            ("LIBTORCH_STATIC", "0", Verdict::Ok),
            ("LIBTORCH_INCLUDE", "/x", Verdict::Warn),
        ] {
            let found = variables(|asked| (asked == name).then(|| value.to_owned()));
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].verdict, verdict, "{name}={value}");
            assert_eq!(found[0].fix.is_empty(), verdict == Verdict::Ok, "{name}={value}");
            assert!(!found[0].detail.contains("{value}"));
        }
    }
}
