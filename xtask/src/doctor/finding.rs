//! One line of the doctor's report.

use serde::Deserialize;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub subject: &'static str,
    pub detail: String,
    pub fix: String,
}

impl Finding {
    pub fn ok(subject: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, subject, detail: detail.into(), fix: String::new() }
    }

    pub fn warn(subject: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, subject, detail: detail.into(), fix: fix.into() }
    }

    pub fn fail(subject: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, subject, detail: detail.into(), fix: fix.into() }
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
