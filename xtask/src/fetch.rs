//! This module downloads from a URL with curl, which resumes, notices a silent server, follows the
//! proxy variables and trusts what the system trusts; an HTTP library with TLS would take 20 s to
//! compile in every first set-up. A file lands under a temporary name and is renamed once it is
//! whole, so a killed run leaves no false file.

use crate::files::{sha256_of, with_suffix};
use crate::process::{last_line, run};
use crate::ui::Meter;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

/// How curl ends at --max-filesize.
const TOO_LARGE: i32 = 63;

/// Fetches `url` to `dest`: resumes an interrupted download, gives up on a silent server after
/// 30 seconds, refuses more than `size_limit` bytes and anything whose sha256 is not `sha256`.
/// A `dest` that is already right is left alone.
pub fn fetch(url: &str, dest: &Path, sha256: Option<&str>, size_limit: u64) -> Result<()> {
    if dest.is_file() && sha256.is_none_or(|hash| sha256_of(dest).is_ok_and(|found| found == hash))
    {
        return Ok(());
    }
    let folder = dest.parent().context("a download needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let part = with_suffix(dest, ".part");
    let resumed = part.is_file();
    let mut outcome = download(url, &part, sha256, size_limit);
    if outcome.is_err() && resumed {
        // What was there belonged to another file, or the server cannot resume: once more, afresh.
        let _ = std::fs::remove_file(&part);
        outcome = download(url, &part, sha256, size_limit);
    }
    outcome?;
    std::fs::rename(&part, dest).with_context(|| format!("cannot write {}", dest.display()))
}

/// What a server says of `url`: its own lines, and not those of where it leads on.
pub fn headers(url: &str) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--head", "--silent", "--show-error", "--connect-timeout", "10"]);
    let (status, said) =
        run(curl.args(["--max-time", "60", "--", url]), "install curl", &mut |_, _| {})?;
    ensure!(status.success(), "{url}: {}", last_line(&said).trim_start_matches("curl: "));
    Ok(said)
}

fn download(url: &str, part: &Path, sha256: Option<&str>, size_limit: u64) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--continue-at", "-"])
        .args(["--connect-timeout", "10", "--speed-limit", "1", "--speed-time", "30"])
        .args(["--retry", "2", "--max-filesize", &size_limit.to_string()])
        .arg("--output")
        .arg(part)
        .args(["--", url]);
    let length = || part.metadata().map_or(0, |meta| meta.len());
    let name = url.rsplit('/').next().unwrap_or(url);
    // Of a file with a known digest the length is known too.
    let mut meter = Meter::new(name, sha256.map_or(0, |_| size_limit));
    let outcome = run(&mut curl, "install curl", &mut |child, _| {
        meter.set(length());
        if length() > size_limit {
            let _ = child.kill();
        }
    });
    let (status, output) = outcome?;
    if length() > size_limit || status.code() == Some(TOO_LARGE) {
        let _ = std::fs::remove_file(part);
        bail!("{url} is larger than the {size_limit} bytes expected");
    }
    ensure!(status.success(), "{url}: {}", last_line(&output).trim_start_matches("curl: "));
    meter.set(length());
    meter.finish();
    let Some(expected) = sha256 else { return Ok(()) };
    let found = sha256_of(part)?;
    if found != expected {
        let _ = std::fs::remove_file(part);
        bail!("{url} is not the file expected: sha256 {expected} expected, {found} found");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
