//! The prerequisites of a set-up are checked before anything is downloaded.

use crate::process::succeeds;
use crate::ui::size;
use anyhow::{Result, bail};
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

/// What `cargo build` writes for tch and the crate, roughly.
const BUILD_BYTES: u64 = 1_500_000_000;

/// The way to install a package on this machine, as a command where that is known.
pub fn install_hint(debian: &str, fedora: &str, mac: &str) -> String {
    if cfg!(target_os = "macos") {
        return format!("`{mac}`");
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let like =
        |name: &str| release.lines().any(|line| line.starts_with("ID") && line.contains(name));
    if like("debian") || like("ubuntu") {
        format!("`sudo apt-get install {debian}`")
    } else if like("fedora") || like("rhel") {
        format!("`sudo dnf install {fedora}`")
    } else {
        format!("install {fedora} with the system's package manager")
    }
}

/// The C++ compiler that builds torch-sys.
pub fn compiler() -> Result<String> {
    let name = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let program = name.split_whitespace().next().unwrap_or("c++").to_owned();
    let source = "#include <optional>\nint main() { std::optional<int> x = 1; return *x - 1; }\n";
    let install = install_hint("g++", "gcc-c++", "xcode-select --install");
    match compiles(&program, source) {
        Some(true) => Ok(program),
        Some(false) => {
            bail!("{program} does not compile C++17, which torch-sys is written in: {install}")
        }
        None => bail!("no C++ compiler ({program}), which torch-sys needs: {install}"),
    }
}

/// `None` if the compiler cannot be started.
fn compiles(program: &str, source: &str) -> Option<bool> {
    // A file, unlike a pipe, may be left unread.
    let mut input = tempfile::tempfile().ok()?;
    input.write_all(source.as_bytes()).ok()?;
    input.rewind().ok()?;
    let mut compiler = Command::new(program);
    compiler.args(["-std=c++17", "-x", "c++", "-fsyntax-only", "-"]).stdin(input);
    Some(compiler.output().ok()?.status.success())
}

/// Fails unless `folder` has room for what is downloaded, unpacked and then built.
pub fn disk(folder: &Path, download: u64, unpacked: u64) -> Result<()> {
    let needed = download + unpacked + BUILD_BYTES;
    match free_bytes(folder) {
        Some(free) if free < needed => bail!(
            "{} has {} free and {} are needed: make room, or clone onto a larger disk",
            folder.display(),
            size(free),
            size(needed)
        ),
        _ => Ok(()),
    }
}

/// Bytes a user may still write to the disk that holds `folder`.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|dir| dir.exists())?;
    let disk = nix::sys::statvfs::statvfs(existing).ok()?;
    #[allow(clippy::unnecessary_cast, reason = "the numbers are u32 on some systems")]
    Some(disk.blocks_available() as u64 * disk.fragment_size() as u64)
}

/// Bytes of memory.
pub fn memory() -> Option<u64> {
    // SAFETY: sysconf only reads its argument.
    let [pages, bytes] =
        [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|name| unsafe { libc::sysconf(name) });
    Some(u64::try_from(pages).ok()? * u64::try_from(bytes).ok()?)
}

/// Whether there is an NVIDIA driver.
pub fn nvidia_driver() -> bool {
    Path::new("/proc/driver/nvidia/version").exists()
        || Path::new("/dev/nvidia0").exists()
        || Path::new("/dev/dxg").exists() && succeeds(&mut Command::new("nvidia-smi"))
        || succeeds(Command::new("nvidia-smi").arg("-L"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_too_small_is_told_before_downloading() {
        let folder = std::env::temp_dir();
        disk(&folder, 0, 0).unwrap();
        let error = disk(&folder, u64::MAX / 4, 0).unwrap_err().to_string();
        assert!(error.contains("are needed"), "{error}");
        assert_eq!(free_bytes(&folder.join("not/yet/there")), free_bytes(&folder));
    }

    #[test]
    fn a_compiler_is_tried_on_a_program() {
        assert_eq!(compiles("no-such-compiler", ""), None);
        assert_eq!(compiles("false", ""), Some(false));
        assert_eq!(compiles("true", "int main() {}"), Some(true));
    }
}
