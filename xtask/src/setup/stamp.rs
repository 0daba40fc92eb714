//! The note that setup leaves inside `.libtorch/torch`, last of all: without it nothing counts.

use super::platform::{Form, VERSION};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const NAME: &str = "from-noise.json";

/// What was installed, from where, and how large its libraries must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub form: Form,
    pub source: String,
    /// (wheel file, sha256)
    pub wheels: Vec<(String, String)>,
    /// (path below torch/, bytes)
    pub files: Vec<(PathBuf, u64)>,
}

impl Stamp {
    /// Measures the libraries in `torch` and in the `nvidia` folder beside it.
    pub fn of(
        torch: &Path,
        form: Form,
        source: &str,
        wheels: Vec<(String, String)>,
    ) -> Result<Self> {
        let mut files = Vec::new();
        for folder in ["lib", "cuda", "../nvidia"] {
            measure(torch, Path::new(folder), &mut files)?;
        }
        files.sort();
        Ok(Self { form, source: source.to_owned(), wheels, files })
    }

    pub fn write(&self, torch: &Path) -> Result<()> {
        let pairs = |pairs: &[(String, String)]| -> Value {
            pairs.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>().into()
        };
        let files: Map<String, Value> = self
            .files
            .iter()
            .map(|(path, bytes)| (path.display().to_string(), json!(bytes)))
            .collect();
        let text = serde_json::to_string_pretty(&json!({
            "version": VERSION,
            "form": self.form.name(),
            "source": self.source,
            "wheels": pairs(&self.wheels),
            "files": files,
        }))?;
        let tmp = torch.join(format!("{NAME}.tmp"));
        std::fs::write(&tmp, text + "\n")
            .with_context(|| format!("cannot write {}", tmp.display()))?;
        Ok(std::fs::rename(tmp, torch.join(NAME))?)
    }

    /// Reads the note back, if there is one and it is of this version.
    pub fn read(torch: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(torch.join(NAME)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        if value["version"] != VERSION {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let wheels = value["wheels"].as_object()?.iter();
        let files = value["files"].as_object()?.iter();
        Some(Self {
            form: Form::parse(value["form"].as_str()?)?,
            source: text(&value["source"])?,
            wheels: wheels.map(|(k, v)| Some((k.clone(), text(v)?))).collect::<Option<_>>()?,
            files: files.map(|(k, v)| Some((k.into(), v.as_u64()?))).collect::<Option<_>>()?,
        })
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

/// Adds every file below `torch/folder`, links followed.
fn measure(torch: &Path, folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(torch.join(folder)) else { return Ok(()) };
    for entry in entries {
        let path = folder.join(entry?.file_name());
        let full = torch.join(&path);
        let meta = full.metadata().with_context(|| full.display().to_string())?;
        match meta.is_dir() {
            true => measure(torch, &path, files)?,
            false => files.push((path, meta.len())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_stamp_comes_back_and_notices_damage() {
        let scratch = Scratch::new("stamp").unwrap();
        let torch = &scratch.path().join("torch");
        std::fs::create_dir_all(torch.join("lib")).unwrap();
        std::fs::create_dir_all(scratch.path().join("nvidia/cu13/lib")).unwrap();
        std::fs::write(scratch.path().join("nvidia/cu13/lib/libcudart.so.13"), b"run").unwrap();
        std::fs::write(torch.join("lib/libc10.so"), b"library").unwrap();
        assert_eq!(Stamp::read(torch), None);
        let wheels = vec![("torch-2.13.0.whl".to_owned(), "ab".to_owned())];
        let stamp = Stamp::of(torch, Form::Cuda, "a wheel", wheels).unwrap();
        stamp.write(torch).unwrap();
        assert_eq!(Stamp::read(torch), Some(stamp.clone()));
        let names = [("../nvidia/cu13/lib/libcudart.so.13", 3), ("lib/libc10.so", 7)];
        assert_eq!(stamp.files, names.map(|(name, bytes)| (PathBuf::from(name), bytes)));
        assert_eq!(stamp.damage(torch), None);
        std::fs::write(torch.join("lib/libc10.so"), b"libr").unwrap();
        assert!(stamp.damage(torch).unwrap().contains("4 bytes instead of 7"));
        std::fs::remove_file(torch.join("lib/libc10.so")).unwrap();
        assert!(stamp.damage(torch).unwrap().contains("missing"));
    }

    #[test]
    fn another_version_or_a_torn_note_does_not_count() {
        let scratch = Scratch::new("stamp").unwrap();
        let torch = scratch.path();
        let stamp = Stamp { form: Form::Cpu, source: String::new(), wheels: vec![], files: vec![] };
        stamp.write(torch).unwrap();
        let text = std::fs::read_to_string(torch.join(NAME)).unwrap();
        std::fs::write(torch.join(NAME), text.replace(VERSION, "2.12.0")).unwrap();
        assert_eq!(Stamp::read(torch), None);
        std::fs::write(torch.join(NAME), &text[..text.len() / 2]).unwrap();
        assert_eq!(Stamp::read(torch), None);
    }
}
