//! Whether the libraries really load, tried in a child process: a broken library may crash.

use anyhow::{Context, Result, bail};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Loads `libraries` in this process, in order, as one program would.
pub fn here(libraries: &[PathBuf]) -> Result<()> {
    for library in libraries {
        let name = CString::new(library.as_os_str().as_bytes())?;
        // SAFETY: the initialisers of libtorch run; nothing else of this process depends on them.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if handle.is_null() {
            // SAFETY: dlerror gives a C string until the next dl call of this thread.
            let reason = unsafe { CStr::from_ptr(libc::dlerror()) };
            bail!("{}", reason.to_string_lossy());
        }
    }
    Ok(())
}

/// Loads `libraries` in a child process and returns what dlopen said, if it failed.
pub fn trial(libraries: &[PathBuf], library_path: Option<&std::ffi::OsStr>) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program);
    child.arg("load").args(libraries).env_remove("LD_LIBRARY_PATH");
    if let Some(path) = library_path {
        child.env("LD_LIBRARY_PATH", path);
    }
    let output = child.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    match text.trim() {
        "" => Err(format!("loading ends with {}", output.status)),
        text => Err(text.trim_start_matches("error: ").to_owned()),
    }
}

/// The libraries to load for a CPU program, and those that CUDA adds.
pub fn libraries(torch: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let lib = |folder: &str, stem: &str| torch.join(folder).join(format!("{stem}.{suffix}"));
    let cpu = vec![lib("lib", "libc10"), lib("lib", "libtorch_cpu")];
    let aside = lib("cuda", "libtorch_cuda");
    let cuda = if aside.is_file() { aside } else { lib("lib", "libtorch_cuda") };
    (cpu, if cuda.is_file() { vec![cuda] } else { Vec::new() })
}

/// Fails with one sentence unless the libraries in `torch` load.
pub fn check(torch: &Path) -> Result<()> {
    let (mut all, cuda) = libraries(torch);
    all.extend(cuda);
    trial(&all, None).map_err(anyhow::Error::msg).with_context(|| {
        format!("libtorch in {} does not load (`cargo xtask doctor` explains)", torch.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let error = here(&[PathBuf::from("libno_such_library.so.9")]).unwrap_err().to_string();
        assert!(error.contains("libno_such_library.so.9"), "{error}");
    }
}
