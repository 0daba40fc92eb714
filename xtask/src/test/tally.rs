//! The tally counts what passed and names what failed.

use anyhow::Result;

#[derive(Debug, Default)]
pub struct Tally {
    pub passed: usize,
    pub failed: Vec<String>,
    /// Failures of the test binary whose output is being read, which its closing line confirms.
    unconfirmed: Vec<String>,
}

impl Tally {
    /// One check that is not libtest's, counted as one test.
    pub fn check(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Counts one line of what a libtest binary prints.
    pub fn count_line(&mut self, line: &str) {
        if let Some(name) = failed_test(line) {
            self.unconfirmed.push(name.to_owned());
        } else if let Some((passed, failed)) = closing_line(line) {
            self.passed += passed;
            let mut names = std::mem::take(&mut self.unconfirmed);
            // Names can drown in a test's own output; the numbers cannot.
            names.resize(failed, "a test whose name was not printed".into());
            self.failed.append(&mut names);
        }
    }

    /// What failed, by name, and the closing line.
    pub fn summary(&self) -> String {
        let heading = if self.failed.is_empty() { "" } else { "Failed:\n" };
        let names: String = self.failed.iter().map(|name| format!("  {name}\n")).collect();
        format!("{heading}{names}{} passed, {} failed\n", self.passed, self.failed.len())
    }
}

/// The name in `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The numbers in `test result: ok. 3 passed; 0 failed; ...`.
fn closing_line(line: &str) -> Option<(usize, usize)> {
    let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number =
        |word: &str| numbers.split("; ").find_map(|part| part.strip_suffix(word)?.parse().ok());
    Some((number(" passed")?, number(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_and_failures_named() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test schedule::tests::linear ... ok",
            "test schedule::tests::cosine ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test result: ok. 10 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 2.00s",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            tally.count_line(line);
        }
        tally.check("format", Ok(()));
        let unnamed = "a test whose name was not printed";
        assert_eq!(
            (tally.passed, tally.failed.as_slice()),
            (13, &["schedule::tests::cosine".into(), unnamed.into()][..])
        );
        let summary = tally.summary();
        assert!(
            summary.ends_with(&format!("cosine\n  {unnamed}\n13 passed, 2 failed\n")),
            "{summary}"
        );
    }

    #[test]
    fn without_failures_the_summary_is_one_line() {
        let mut tally = Tally::default();
        tally.check("format", Ok(()));
        assert_eq!(tally.summary(), "1 passed, 0 failed\n");
        tally.check("book", Err(anyhow::anyhow!("broken")));
        assert_eq!(tally.summary(), "Failed:\n  book\n1 passed, 1 failed\n");
    }

    #[test]
    fn other_lines_say_nothing() {
        for line in ["", "test result: none", "3 passed; 0 failed", "a test ... FAILED"] {
            assert_eq!((closing_line(line), failed_test(line)), (None, None), "{line}");
        }
    }
}
