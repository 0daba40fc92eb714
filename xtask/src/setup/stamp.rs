//! The stamp is what a set-up leaves in `.libtorch/torch` last of all: without it nothing counts.

use super::platform::{Form, VERSION};
use crate::files;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const NAME: &str = "from-noise.json";

/// What was installed, from where, and how large its libraries must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    version: String,
    pub form: Form,
    pub source: String,
    /// The bytes of each library, by its path below torch/.
    files: BTreeMap<PathBuf, u64>,
}

impl Stamp {
    /// Measures the libraries in `torch` and in the `nvidia` folder beside it.
    pub fn of(torch: &Path, form: Form, source: &str) -> Self {
        let folders = ["lib", "cuda", "../nvidia"].map(|folder| torch.join(folder));
        let found = folders.iter().flat_map(|folder| files::below(folder));
        let relative = |path: PathBuf| path.strip_prefix(torch).map(Path::to_owned);
        let files = found.filter_map(|(path, bytes)| Some((relative(path).ok()?, bytes))).collect();
        Self { version: VERSION.into(), form, source: source.into(), files }
    }

    pub fn write(&self, torch: &Path) -> Result<()> {
        files::write(&torch.join(NAME), &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Reads the note back, if there is one and it is of this version.
    pub fn read(torch: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(torch.join(NAME)).ok()?;
        let stamp: Self = serde_json::from_str(&text).ok()?;
        (stamp.version == VERSION).then_some(stamp)
    }

    /// The first library that is not there in the size that was installed.
    pub fn damage(&self, torch: &Path) -> Option<String> {
        self.files.iter().find_map(|(path, bytes)| match torch.join(path).metadata() {
            Ok(meta) if meta.len() == *bytes => None,
            Ok(meta) => {
                Some(format!("{} has {} bytes instead of {bytes}", path.display(), meta.len()))
            }
            Err(_) => Some(format!("{} is missing", path.display())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_and_notices_damage() {
        let scratch = tempfile::tempdir().unwrap();
        let torch = &scratch.path().join("torch");
        let library = torch.join("lib/libc10.so");
        files::write(&library, "library").unwrap();
        files::write(&scratch.path().join("nvidia/cu13/lib/libcudart.so.13"), "run").unwrap();
        assert_eq!(Stamp::read(torch), None);
        let stamp = Stamp::of(torch, Form::Cuda, "a wheel");
        stamp.write(torch).unwrap();
        assert_eq!(Stamp::read(torch), Some(stamp.clone()));
        let names = [("../nvidia/cu13/lib/libcudart.so.13", 3), ("lib/libc10.so", 7)];
        assert_eq!(stamp.files, names.map(|(name, bytes)| (PathBuf::from(name), bytes)).into());
        assert_eq!(stamp.damage(torch), None);
        std::fs::write(&library, b"libr").unwrap();
        assert!(stamp.damage(torch).unwrap().contains("4 bytes instead of 7"));
        std::fs::remove_file(&library).unwrap();
        assert!(stamp.damage(torch).unwrap().contains("missing"));
        let text = std::fs::read_to_string(torch.join(NAME)).unwrap();
        for wrong in [&text.replace(VERSION, "2.12.0"), &text[..text.len() / 2]] {
            std::fs::write(torch.join(NAME), wrong).unwrap();
            assert_eq!(Stamp::read(torch), None, "another version, or torn");
        }
    }
}
