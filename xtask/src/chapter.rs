//! `cargo chapter NN` sets up what is missing, builds the chapter and runs it.

use crate::process::replace_with;
use crate::repo::{Binary, Repo};
use crate::setup;
use anyhow::{Result, bail};

#[derive(clap::Args)]
pub struct Options {
    /// The chapter's number or name: 1, 01, ch01 or ch01-forward.
    pub number: Option<String>,
    /// Flags for the chapter itself, for example `--smoke` or `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub flags: Vec<String>,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let chapters = chapters(repo)?;
    let Some(asked) = &options.number else {
        println!("{}", listing(&chapters));
        println!("Run one with `cargo chapter NN`; `cargo chapter NN --help` tells its flags.");
        return Ok(());
    };
    let Some(chapter) = chapters.iter().find(|chapter| is(&chapter.name, asked)) else {
        bail!("there is no chapter {asked}. These are here:\n{}", listing(&chapters));
    };
    setup::ensure(repo)?;
    if !repo.is_built() {
        eprintln!("First build: the C++ half of tch compiles once, which takes some minutes.");
    }
    let mut cargo = repo.cargo();
    cargo.args(["run", "--bin", &chapter.name, "--"]).args(&options.flags);
    // Relative paths in the flags mean what they mean in the user's shell.
    cargo.current_dir(std::env::current_dir()?);
    replace_with(cargo)
}

/// The binaries that are chapters: `ch` and two digits.
pub fn chapters(repo: &Repo) -> Result<Vec<Binary>> {
    let mut all = repo.binaries()?;
    all.retain(|binary| number(&binary.name).is_some());
    Ok(all)
}

fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("ch")?.split('-').next()?;
    digits.parse().ok()
}

/// Whether `asked` (1, 01, ch01, forward or all of it) means the chapter called `name`.
pub fn is(name: &str, asked: &str) -> bool {
    let wanted = asked.trim_start_matches("ch").parse::<u32>().ok();
    let slug = name.split_once('-').map(|(_, slug)| slug);
    name == asked || slug == Some(asked) || (wanted.is_some() && number(name) == wanted)
}

/// One line per chapter: its name and what its source says about itself first.
fn listing(chapters: &[Binary]) -> String {
    let width = chapters.iter().map(|chapter| chapter.name.len()).max().unwrap_or(0);
    let line = |chapter: &Binary| {
        let source = std::fs::read_to_string(&chapter.source).unwrap_or_default();
        let title = source.lines().find_map(|line| line.strip_prefix("//! ")).unwrap_or("");
        format!("  {:width$}  {title}", chapter.name).trim_end().to_owned()
    };
    chapters.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_goes_by_number_or_name_and_is_listed() {
        let names = ["ch01-forward", "ch02-reverse", "ch10-latent"];
        for (words, found) in [
            ("1 01 ch01 ch1 ch01-forward forward", Some("ch01-forward")),
            ("10 latent", Some("ch10-latent")),
            ("3 0 ch latent-x 00", None),
        ] {
            for asked in words.split(' ') {
                assert_eq!(names.into_iter().find(|name| is(name, asked)), found, "{asked}");
            }
        }
        assert!(!is("ch01-forward", ""));
        for (name, found) in [("ch07-x", Some(7)), ("chart", None), ("from-noise", None)] {
            assert_eq!(number(name), found);
        }
        let text = listing(&names.map(|name| Binary { name: name.into(), source: "gone".into() }));
        assert!(text.lines().count() == 3 && text.contains("ch02-reverse"), "{text}");
    }
}
