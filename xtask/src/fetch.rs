//! This module downloads from a URL with curl, which resumes, notices a silent server, follows the
//! proxy variables and trusts what the system trusts; an HTTP library with TLS would take 20 s to
//! compile in every first set-up. A file lands under a temporary name and is renamed once it is
//! whole, so a killed run leaves no false file.

use crate::files::{sha256_of, with_suffix};
use crate::process::{last_line, run};
use crate::ui::Meter;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

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

fn download(url: &str, part: &Path, sha256: Option<&str>, size_limit: u64) -> Result<()> {
    let headers = with_suffix(part, ".head");
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--continue-at", "-"])
        .args(["--connect-timeout", "10", "--speed-limit", "1", "--speed-time", "30"])
        .args(["--retry", "2", "--max-filesize", &size_limit.to_string()])
        .arg("--dump-header")
        .arg(&headers)
        .arg("--output")
        .arg(part)
        .args(["--", url]);
    let before = length(part);
    let name = url.rsplit('/').next().unwrap_or(url);
    let mut meter: Option<Meter> = None;
    let outcome = run(&mut curl, "install curl", &mut |child, _| {
        let now = length(part);
        if meter.is_none() {
            meter = content_length(&headers).map(|rest| Meter::new(name, before + rest));
        }
        if let Some(meter) = &mut meter {
            meter.set(now);
        }
        if now > size_limit {
            let _ = child.kill();
        }
    });
    let _ = std::fs::remove_file(&headers);
    if length(part) > size_limit {
        let _ = std::fs::remove_file(part);
        bail!("{url} is larger than the {size_limit} bytes expected");
    }
    let (status, output) = outcome?;
    if !status.success() {
        bail!("{url}: {}", curl_says(status.code(), &output));
    }
    if let Some(meter) = meter {
        meter.finish();
    }
    if let Some(expected) = sha256 {
        let found = sha256_of(part)?;
        if found != expected {
            let _ = std::fs::remove_file(part);
            bail!("{url} is not the file expected: sha256 {expected} expected, {found} found");
        }
    }
    Ok(())
}

fn curl_says(code: Option<i32>, output: &str) -> String {
    match code {
        Some(5 | 6) => "the host was not found: check the network or the proxy variables".into(),
        Some(7) => "the host does not answer".into(),
        Some(28) => "the host was silent for too long: try again".into(),
        Some(35 | 51 | 58 | 60) => format!("no trusted connection: {}", last_line(output)),
        Some(63) => "the file is larger than expected".into(),
        _ => last_line(output).trim_start_matches("curl: ").to_owned(),
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

/// Content-Length of the last complete header block that curl wrote (redirects write several).
fn content_length(headers: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(headers).ok()?;
    let block = text.trim_end().rsplit("\r\n\r\n").next()?;
    let status = block.lines().next()?.split_whitespace().nth(1)?;
    if !text.ends_with("\r\n\r\n") || !status.starts_with('2') {
        return None;
    }
    let mut fields = block.lines().filter_map(|line| line.split_once(':'));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    length.trim().parse().ok()
}

#[cfg(test)]
mod tests;
