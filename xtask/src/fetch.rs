//! Downloads: a URL through curl, a package through its registry's own client. Everything lands
//! under a temporary name and is renamed once it is whole, so a killed run leaves no false file.

use crate::ui::Meter;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(150);

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
    let mut grew_too_far = false;
    let outcome = run(&mut curl, "install curl", &mut |child| {
        let now = length(part);
        if meter.is_none() {
            meter = content_length(&headers).map(|rest| Meter::new(name, before + rest));
        }
        if let Some(meter) = &mut meter {
            meter.set(now);
        }
        if now > size_limit && !grew_too_far {
            grew_too_far = true;
            let _ = child.kill();
        }
    });
    let _ = std::fs::remove_file(&headers);
    if grew_too_far || length(part) > size_limit {
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
    check(part, url, sha256)
}

fn check(part: &Path, url: &str, sha256: Option<&str>) -> Result<()> {
    let Some(expected) = sha256 else {
        return Ok(());
    };
    let found = sha256_of(part)?;
    if found != expected {
        let _ = std::fs::remove_file(part);
        bail!("{url} is not the file expected: sha256 {expected} expected, {found} found");
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

/// Runs a registry's client (pip, npm, apt-get ...) to its end, calling `tick` several times a
/// second. `install` tells how to get the client, should it be missing.
///
/// # Errors
/// One sentence: the client is missing, or the line in which it says what went wrong.
pub fn run_client(command: &mut Command, install: &str, tick: &mut dyn FnMut()) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (status, output) = run(command, install, &mut |_| tick())?;
    if !status.success() {
        bail!("{name} failed: {}", complaint(&output));
    }
    Ok(output)
}

fn run(
    command: &mut Command,
    install: &str,
    tick: &mut dyn FnMut(&mut Child),
) -> Result<(ExitStatus, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    die_with_parent(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{name} is not installed: {install}");
        }
        Err(error) => return Err(error).context(name),
    };
    let out = drain(child.stdout.take());
    let err = drain(child.stderr.take());
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tick(&mut child);
        std::thread::sleep(TICK);
    };
    let mut output = out.join().unwrap_or_default();
    output.push_str(&err.join().unwrap_or_default());
    Ok((status, output))
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A killed xtask takes its client along, so that nothing writes behind the next run's back.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl is async-signal-safe and touches nothing of this process.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}

/// The line of a client's output that says what went wrong: the first error, else the last line.
fn complaint(output: &str) -> String {
    let error = output.lines().map(str::trim).find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("error") || line.starts_with("e:") || line.starts_with("npm err")
    });
    error.map_or_else(|| last_line(output), str::to_owned)
}

fn last_line(output: &str) -> String {
    let line = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("no reason given").to_owned()
}

/// sha256 of a file in lower-case hex.
pub fn sha256_of(path: &Path) -> Result<String> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Content-Length of the last complete header block that curl wrote (redirects write several).
fn content_length(headers: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(headers).ok()?;
    let block = text.trim_end().rsplit("\r\n\r\n").next()?;
    let status = block.lines().next()?.split_whitespace().nth(1)?;
    if !text.ends_with("\r\n\r\n") || !status.starts_with('2') {
        return None;
    }
    let line =
        block.lines().find(|line| line.to_ascii_lowercase().starts_with("content-length:"))?;
    line.split(':').nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
