//! What is wrong with the book, and where.

use std::collections::BTreeSet;
use std::fmt;

/// One mistake, at a line of a file (0: the file as a whole).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the repository, with forward slashes.
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// Everything found wrong so far: a build reports all of it at once, sorted by place.
#[derive(Debug, Default)]
pub struct Problems(BTreeSet<Problem>);

impl Problems {
    pub fn add(&mut self, file: &str, line: usize, what: impl fmt::Display) {
        self.0.insert(Problem { file: file.into(), line, what: what.to_string() });
    }

    /// Adds what is not known already, perhaps by its line.
    pub fn add_unless_known(&mut self, file: &str, what: String) {
        if !self.0.iter().any(|known| known.file == file && known.what == what) {
            self.add(file, 0, what);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_iter().collect()
    }
}
