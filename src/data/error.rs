//! What can be wrong with data on disk, each said with the file, what was expected and the fix.

use std::fmt;
use std::path::{Path, PathBuf};

/// Data that is missing or not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A named data set that has not been downloaded.
    #[error(
        "{name} is not in {}: {} missing{instead}. Run `cargo xtask data {name}`, or put the files \
         there, or set FROM_NOISE_DATA to the folder that holds {name}/",
        folder.display(), files.join(", ")
    )]
    Missing {
        name: String,
        folder: PathBuf,
        files: Vec<String>,
        /// What was found in another form, in words.
        instead: String,
    },

    /// A file that is truncated, corrupt, too long or of another format.
    #[error("{}: expected {expected}, found {found}; {fix}", path.display())]
    Content { path: PathBuf, expected: String, found: String, fix: String },

    /// Pictures of a folder that cannot be used, all of them.
    #[error(
        "{}: {} of {total} pictures cannot be used; save them again as png or jpeg, or remove \
         them:{}",
        folder.display(), bad.len(), listed(bad)
    )]
    BadPictures { folder: PathBuf, bad: Vec<BadPicture>, total: usize },

    /// A data set whose images are not what the network takes.
    #[error(
        "the images of {name} are {found:?} (channels, height, width), but {wanted:?} were asked \
         for; change the network's size and channels, or the data"
    )]
    Shape { name: String, wanted: [i64; 3], found: [i64; 3] },

    /// A caption that says what captions cannot say.
    #[error("cannot read the caption {caption:?}: {why}")]
    Caption { caption: String, why: String },

    /// A file or folder that cannot be read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// A picture that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPicture {
    pub path: PathBuf,
    pub why: String,
}

pub type Result<T> = std::result::Result<T, Error>;

/// The fix for a file that a download put there.
pub(super) const FETCH_AGAIN: &str = "delete it and run `cargo xtask data` for it again";

impl Error {
    pub(super) fn content(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: &str,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self::Content { path: path.to_owned(), expected, found, fix: fix.into() }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl fmt::Display for BadPicture {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// A line each.
pub(super) fn listed(bad: &[BadPicture]) -> String {
    bad.iter().map(|picture| format!("\n  {picture}")).collect()
}
