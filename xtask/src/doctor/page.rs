//! What the doctor knows, as it is written in xtask/doctor.toml.

use super::finding::{Finding, Verdict};
use serde::Deserialize;
use std::sync::LazyLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(rename = "variable")]
    pub variables: Vec<Variable>,
    #[serde(rename = "program")]
    pub programs: Vec<Program>,
    pub known: Vec<Known>,
}

/// A variable that changes which libtorch is built against or found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    name: String,
    /// The values that this is about, where it is not about all.
    value: Option<Vec<String>>,
    #[serde(default)]
    except: Vec<String>,
    verdict: Verdict,
    detail: String,
    fix: String,
}

/// A program that only some users need.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub subject: String,
    pub names: Vec<String>,
    pub purpose: String,
    pub fix: String,
}

/// A known error message, with its cause and its fix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    message: Vec<String>,
    pub cause: String,
    pub fix: String,
    #[serde(rename = "example")]
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader, and followed by a test"))]
    examples: Vec<String>,
}

pub static PAGE: LazyLock<Page> = LazyLock::new(|| {
    toml::from_str(include_str!("../../doctor.toml")).expect("the tests read this page too")
});

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
pub fn variables(get: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let interfering = PAGE.variables.iter().filter_map(|variable| {
        let value = get(&variable.name)?;
        let meant = variable.value.as_ref().is_none_or(|values| values.contains(&value));
        (meant && !variable.except.contains(&value)).then(|| Finding {
            verdict: variable.verdict,
            subject: "environment",
            detail: variable.detail.replace("{value}", &value),
            fix: variable.fix.clone(),
        })
    });
    let all: Vec<Finding> = interfering.collect();
    if all.is_empty() { vec![Finding::ok("environment", "no variable interferes")] } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_leads_to_its_entry() {
        for known in &PAGE.known {
            assert!(!known.examples.is_empty(), "{} has no example", known.cause);
            for example in &known.examples {
                let first = explain(example).first().map(|found| &found.cause);
                assert_eq!(first, Some(&known.cause), "{example}");
            }
        }
    }

    #[test]
    fn messages_are_written_in_the_case_that_is_searched() {
        for message in PAGE.known.iter().flat_map(|known| &known.message) {
            assert_eq!(*message, message.to_lowercase());
        }
    }

    #[test]
    fn an_unknown_message_is_not_guessed_at() {
        for message in ["", "error[E0308]: mismatched types", "thread 'main' panicked", "torch"] {
            assert!(explain(message).is_empty(), "{message}");
        }
    }

    #[test]
    fn each_variable_has_its_verdict_and_a_fix() {
        for (name, value, verdict) in [
            ("PATH", "/bin", Verdict::Ok),
            ("LIBTORCH_USE_PYTORCH", "1", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "0", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "1", Verdict::Warn),
            ("LIBTORCH_BYPASS_VERSION_CHECK", "1", Verdict::Warn),
            ("LIBTORCH_STATIC", "1", Verdict::Fail),
            ("LIBTORCH_STATIC", "0", Verdict::Ok),
            ("LIBTORCH_INCLUDE", "/x", Verdict::Warn),
            ("LIBTORCH_LIB", "/x", Verdict::Warn),
            ("RUSTFLAGS", "-C target-cpu=native", Verdict::Warn),
            ("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-cpu=native", Verdict::Warn),
        ] {
            let found = variables(&|asked| (asked == name).then(|| value.to_owned()));
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].verdict, verdict, "{name}={value}");
            assert_eq!(found[0].fix.is_empty(), verdict == Verdict::Ok, "{name}={value}");
            assert!(!found[0].detail.contains("{value}"));
        }
    }
}
