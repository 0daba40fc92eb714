//! A source is where a data set can be had. Every source ends as a folder with the files in it.

use super::manifest::{Set, Source, last_part};
use crate::fetch::fetch;
use crate::files::{self, sha256_of};
use crate::process::run_client;
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that holds the files of a set, plain or as `.gz`.
#[derive(Debug)]
pub struct Found {
    pub folder: PathBuf,
    /// They came out of an archive with the published digest.
    pub verified: bool,
}

impl Source {
    /// Brings the files of `set` into a folder below `stage`.
    pub fn obtain(&self, set: &Set, stage: &Path) -> Result<Found> {
        let unpacked = stage.join("unpacked");
        let verified = matches!(self, Source::Archive { .. });
        let folder = match self {
            Source::Mirror { url, suffix } => {
                for file in &set.files {
                    let name = format!("{}{suffix}", file.name);
                    // gzip adds at most a few bytes to what it cannot compress
                    fetch(&format!("{url}{name}"), &stage.join(&name), None, file.size + 1024)?;
                }
                stage.to_owned()
            }
            Source::Archive { url, size, sha256, folder } => {
                let archive = stage.join(last_part(url));
                fetch(url, &archive, Some(sha256), *size)?;
                untar(&archive, folder, set, &unpacked)?;
                unpacked
            }
            Source::Npm { package, folder } => {
                let mut npm = Command::new("npm");
                npm.args(["pack", "--silent", "--fetch-retries=1", package]).current_dir(stage);
                run_client(&mut npm, "install Node.js", &mut || {})?;
                untar(&file_ending(stage, ".tgz")?, folder, set, &unpacked)?;
                unpacked
            }
            Source::Apt { package, folder } => {
                let mut apt = Command::new("apt-get");
                apt.args(["download", "--quiet", package]).current_dir(stage);
                run_client(&mut apt, "this source needs Debian or Ubuntu", &mut || {})?;
                let mut dpkg = Command::new("dpkg-deb");
                dpkg.arg("--extract").arg(file_ending(stage, ".deb")?).arg(&unpacked);
                run_client(&mut dpkg, "install dpkg", &mut || {})?;
                unpacked.join(folder)
            }
        };
        Ok(Found { folder, verified })
    }

    /// The same for every run, so that a download can be resumed, and another for every source.
    pub fn folder_name(&self) -> String {
        let text = self.to_string();
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Source::Mirror { url, .. } | Source::Archive { url, .. } => f.write_str(url),
            Source::Npm { package, .. } => write!(f, "npm package {package}"),
            Source::Apt { package, .. } => write!(f, "Debian package {package}"),
        }
    }
}

/// The files in a folder that the user names: as they are, or in the official archive.
pub fn given(set: &Set, folder: &Path, stage: &Path) -> Result<Found> {
    if !folder.is_dir() {
        bail!("{}: there is no folder {}", set.name, folder.display());
    }
    for source in &set.sources {
        let Source::Archive { url, sha256, folder: inside, .. } = source else { continue };
        let archive = folder.join(last_part(url));
        if !archive.is_file() {
            continue;
        }
        let found = sha256_of(&archive)?;
        if found != *sha256 {
            bail!("{}: sha256 {sha256} expected, {found} found; get it again", archive.display());
        }
        untar(&archive, inside, set, &stage.join("unpacked"))?;
        return Ok(Found { folder: stage.join("unpacked"), verified: true });
    }
    Ok(Found { folder: folder.to_owned(), verified: false })
}

/// Unpacks the files of `set` that lie in `folder` of a .tar.gz, and nothing else.
fn untar(archive: &Path, folder: &str, set: &Set, to: &Path) -> Result<()> {
    let damaged = || format!("{} is damaged; remove it and try again", archive.display());
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to)?;
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        let path = entry.path().with_context(damaged)?.into_owned();
        let wanted = set.files.iter().find(|file| path == Path::new(folder).join(&file.name));
        let Some(wanted) = wanted else { continue };
        let mut out = File::create(to.join(&wanted.name))?;
        let mut bounded = entry.by_ref().take(wanted.size + 1); // a longer file shows as longer
        std::io::copy(&mut bounded, &mut out).with_context(damaged)?;
    }
    Ok(())
}

/// The one file that a client has left in `folder`.
fn file_ending(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let found = files::entries(folder).find(|path| path.to_string_lossy().ends_with(suffix));
    found.with_context(|| format!("the client left no {suffix} file"))
}
