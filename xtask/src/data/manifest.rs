//! `datasets/manifest.toml` and `weights/manifest.toml` name the files of each set, their digests
//! and their sources.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "set")]
    sets: Vec<Set>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    pub name: String,
    pub title: String,
    #[expect(dead_code, reason = "for the reader of the manifest")]
    authors: String,
    pub licence: String,
    pub files: Vec<File>,
    pub sources: Vec<Source>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    /// In bytes; none where the hub tells it.
    pub size: Option<u64>,
    /// None where only the archive around it has a published digest, or the hub tells it.
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    Mirror {
        url: String,
        suffix: String,
    },
    Archive {
        url: String,
        size: u64,
        sha256: String,
        folder: String,
    },
    Npm {
        package: String,
        folder: String,
    },
    Apt {
        package: String,
        folder: String,
    },
    /// A repository of the Hugging Face hub, which tells size and digest of its large files; the
    /// set names none.
    Hub {
        repository: String,
    },
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a manifest", path.display()))
    }

    /// The sets with these names, each once; all of them for `all`.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Set>> {
        let known: Vec<&str> = self.sets.iter().map(|set| set.name.as_str()).collect();
        let unknown = names.iter().find(|name| *name != "all" && !known.contains(&name.as_str()));
        if let Some(name) = unknown {
            bail!("there is no {name:?}; choose from {}, all", known.join(", "));
        }
        let all = names.iter().any(|name| name == "all");
        Ok(self.sets.iter().filter(|set| all || names.contains(&set.name)).collect())
    }
}

impl Set {
    /// The archive that vouches for files without a published digest: its name, size, sha256 and
    /// the folder in it.
    pub fn archive(&self) -> Option<(&str, u64, &str, &str)> {
        self.sources.iter().find_map(|source| match source {
            Source::Archive { url, size, sha256, folder } => {
                Some((last_part(url), *size, sha256.as_str(), folder.as_str()))
            }
            _ => None,
        })
    }

    /// What to get, with size and sha256: the files, or the archive that vouches for them.
    pub fn wanted(&self) -> Vec<(&str, Option<u64>, &str)> {
        let files = self.files.iter();
        let files = files.map(|f| (&*f.name, f.size, f.sha256.as_deref().unwrap_or("unknown")));
        let archive =
            self.archive().map(|(name, size, sha256, _)| vec![(name, Some(size), sha256)]);
        archive.unwrap_or_else(|| files.collect())
    }
}

/// The file name in a URL.
pub fn last_part(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
