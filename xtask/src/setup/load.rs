//! A child process tries whether the libraries really load, for a broken library may crash.

use anyhow::{Context, Error, Result};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Loads `libraries` in this process, in order, as one program would.
pub fn here(libraries: &[PathBuf]) -> Result<()> {
    for library in libraries {
        // SAFETY: the initialisers of libtorch run; nothing else of this process depends on them.
        let loaded = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) };
        let loaded = loaded.map_err(|error| Error::msg(Error::new(error).root_cause().to_string()));
        std::mem::forget(loaded?); // or the next one would not find it
    }
    Ok(())
}

/// Loads `libraries` in a child process and returns what dlopen said, if it failed.
pub fn trial(libraries: &[PathBuf], library_path: Option<&OsStr>) -> Result<(), String> {
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
    let cuda = ["cuda", "lib"].map(|folder| lib(folder, "libtorch_cuda"));
    (cpu, cuda.into_iter().find(|path| path.is_file()).into_iter().collect())
}

/// Fails with one sentence unless the libraries in `torch` load.
pub fn check(torch: &Path) -> Result<()> {
    let (mut all, cuda) = libraries(torch);
    all.extend(cuda);
    trial(&all, None).map_err(Error::msg).with_context(|| {
        format!("libtorch in {} does not load (`cargo xtask doctor` explains)", torch.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let error = here(&["libno_such_library.so.9".into()]).unwrap_err().to_string();
        assert!(error.contains("libno_such_library.so.9"), "{error}");
    }
}
