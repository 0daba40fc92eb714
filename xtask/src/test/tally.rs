//! The tally counts what passed and names what failed.

use anyhow::Result;

#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    pub failed: usize,
    names: Vec<String>,
}

impl Tally {
    /// One check that is not libtest's, counted as one test.
    pub fn check(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                self.failed += 1;
                self.names.push(name.to_owned());
            }
        }
    }

    /// Counts one line of what a libtest binary prints: its closing line has the numbers.
    pub fn count_line(&mut self, line: &str) {
        if let Some(name) = failed_test(line) {
            self.names.push(name.to_owned());
        } else if let Some((passed, failed)) = closing_line(line) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    /// What failed, by name, and the closing line.
    pub fn summary(&self) -> String {
        let heading = if self.failed == 0 { "" } else { "Failed:\n" };
        let names: String = self.names.iter().map(|name| format!("  {name}\n")).collect();
        format!("{heading}{names}{} passed, {} failed\n", self.passed, self.failed)
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
        tally.check("format", Ok(()));
        assert_eq!(tally.summary(), "1 passed, 0 failed\n");
        for line in [
            "running 3 tests",
            "test schedule::tests::linear ... ok",
            "test schedule::tests::cosine ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test result: ok. 10 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 2.00s",
            "test result: none",
            "3 passed; 1 failed",
            "a test ... FAILED",
        ] {
            tally.count_line(line);
        }
        tally.check("book", Err(anyhow::anyhow!("broken")));
        let summary = "Failed:\n  schedule::tests::cosine\n  book\n13 passed, 2 failed\n";
        assert_eq!(tally.summary(), summary);
    }
}
