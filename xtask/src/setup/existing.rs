//! A libtorch that the user has already is checked here, and `--from-torch` links to it.

use super::platform::{Form, VERSION};
use super::stamp::Stamp;
use crate::files;
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the headers tell, which every kind of libtorch has: a download, a Python
/// package, one that was compiled.
fn version(torch: &Path) -> Option<String> {
    let headers = ["headeronly/version.h", "csrc/api/include/torch/version.h"];
    let text = headers.iter().find_map(|header| {
        let text = std::fs::read_to_string(torch.join("include/torch").join(header)).ok()?;
        text.contains("#define TORCH_VERSION_MAJOR").then_some(text)
    })?;
    let number = |name: &str| {
        let start = format!("#define TORCH_VERSION_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&start))
    };
    Some([number("MAJOR")?, number("MINOR")?, number("PATCH")?].map(str::trim).join("."))
}

/// Fails unless `torch` is a libtorch of the version that tch wants.
pub fn check(torch: &Path) -> Result<()> {
    let library = if cfg!(target_os = "macos") { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" };
    let name = torch.display();
    for needed in [&format!("lib/{library}"), "include/torch"] {
        ensure!(torch.join(needed).exists(), "{name} is not a libtorch: it holds no {needed}");
    }
    match version(torch).as_deref() {
        Some(VERSION) => Ok(()),
        Some(other) => bail!("{name} is libtorch {other}, and tch needs exactly {VERSION}"),
        None => bail!("{name} does not say which version of libtorch it is"),
    }
}

/// The libtorch folder that `--from-torch` means: itself, or the torch package of a Python.
pub fn locate(given: &Path) -> Result<PathBuf> {
    let name = given.display();
    if given.is_dir() {
        let inside = ["", "torch", "libtorch"].map(|name| given.join(name));
        let found = inside.into_iter().find(|dir| dir.join("include/torch").is_dir());
        let found =
            found.with_context(|| format!("{name} holds no libtorch (no include/torch in it)"))?;
        return Ok(found.canonicalize()?);
    }
    let script = "import importlib.util as u, os; s = u.find_spec('torch'); \
                  print(os.path.dirname(s.origin) if s else '')";
    let output = Command::new(given).args(["-c", script]).output();
    let output =
        output.with_context(|| format!("{name} is neither a folder nor a Python that starts"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if text.is_empty() {
        bail!("{name} has no torch package: `pip install torch=={VERSION}`");
    }
    Ok(PathBuf::from(text).canonicalize()?)
}

/// Fills `dest` with links to the files of `torch`, laid out as a download would be, and stamps it:
/// `lib` without what the linker must not see (`platform::place` tells why), `cuda` with everything.
pub fn link(torch: &Path, dest: &Path) -> Result<()> {
    check(torch)?;
    let mut libraries: Vec<PathBuf> = files::entries(&torch.join("lib")).collect();
    libraries.retain(|path| {
        let name = files::name(path);
        let library = name.contains(".so") || name.ends_with(".dylib");
        library && !name.starts_with("libtorch_python") && name != "libtorch.so"
    });
    let cuda = libraries.iter().any(|path| path.ends_with("libtorch_cuda.so"));
    std::fs::create_dir_all(dest.join("lib"))?;
    symlink(torch.join("include"), dest.join("include"))?;
    if cuda {
        std::fs::create_dir_all(dest.join("cuda"))?;
    }
    for path in &libraries {
        let name = files::name(path);
        if name != "libtorch_cuda.so" {
            symlink(path, dest.join("lib").join(&name))?;
        }
        if cuda {
            symlink(path, dest.join("cuda").join(&name))?;
        }
    }
    finish(dest)?;
    let form = if cuda { Form::Cuda } else { Form::Cpu };
    let source = format!("links to {}", torch.display());
    Stamp { form, source }.write(dest)
}

/// Completes `torch`: the version for torch-sys, libtorch.so as a linker script (the real one
/// drags in libtorch_cuda), libgomp under the name that `-lgomp` looks for, and the libraries that
/// CUDA opens by name beside libtorch_cuda.
pub fn finish(torch: &Path) -> Result<()> {
    std::fs::write(torch.join("build-version"), format!("{VERSION}\n"))?;
    let lib = torch.join("lib");
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    std::fs::write(lib.join("libtorch.so"), "INPUT(libtorch_cpu.so libc10.so)\n")?;
    if lib.join("libgomp.so.1").exists() && !lib.join("libgomp.so").exists() {
        symlink("libgomp.so.1", lib.join("libgomp.so"))?;
    }
    for name in ["libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so"] {
        let beside = torch.join("cuda").join(name);
        if lib.join(name).exists() && torch.join("cuda").is_dir() && !beside.exists() {
            symlink(Path::new("../lib").join(name), beside)?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use tempfile::{TempDir, tempdir};

    fn package(minor: u32) -> (TempDir, PathBuf) {
        let scratch = tempdir().unwrap();
        let torch = scratch.path().canonicalize().unwrap().join("torch");
        pretend(&torch, minor);
        (scratch, torch)
    }

    /// Makes `torch` look like a Python package of torch 2.`minor`.0.
    pub fn pretend(torch: &Path, minor: u32) {
        let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
        for lib in ["libtorch_cpu", "libc10", "libtorch", "libtorch_cuda", "libtorch_python"] {
            files::write(&torch.join(format!("lib/{lib}.{suffix}")), lib).unwrap();
        }
        let numbers = [("MAJOR", 2), ("MINOR", minor), ("PATCH", 0)];
        let header =
            numbers.map(|(name, number)| format!("#define TORCH_VERSION_{name} {number}\n"));
        files::write(&torch.join("include/torch/headeronly/version.h"), &header.concat()).unwrap();
    }

    #[test]
    fn only_a_folder_with_the_right_torch_is_taken() {
        let (scratch, torch) = package(12);
        assert_eq!(locate(scratch.path()).unwrap(), torch);
        assert_eq!(locate(&torch).unwrap(), torch);
        let wrong = check(&torch);
        std::fs::remove_file(torch.join("include/torch/headeronly/version.h")).unwrap();
        for (outcome, reason) in [
            (locate(&torch.join("lib")).map(drop), "no libtorch"),
            (locate(Path::new("no-such-python")).map(drop), "neither"),
            (check(scratch.path()), "is not a libtorch"),
            (wrong, "is libtorch 2.12.0, and tch needs exactly 2.13.0"),
            (check(&torch), "does not say which version"),
        ] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linking_hides_cuda_from_the_linker() {
        let (scratch, torch) = package(13);
        let dest = scratch.path().join("dest");
        link(&torch, &dest).unwrap();
        assert_eq!(Stamp::read(&dest).unwrap().form, Form::Cuda);
        assert!(dest.join("cuda/libtorch_cuda.so").is_symlink());
        assert!(!dest.join("lib/libtorch_cuda.so").exists());
        assert!(!dest.join("lib/libtorch_python.so").exists());
        let script = std::fs::read_to_string(dest.join("lib/libtorch.so")).unwrap();
        assert_eq!(script, "INPUT(libtorch_cpu.so libc10.so)\n");
        check(&dest).unwrap();
        std::fs::remove_file(torch.join("lib/libtorch_cpu.so")).unwrap();
        let error = check(&dest).unwrap_err().to_string();
        assert!(error.contains("holds no lib/libtorch_cpu.so"), "a link into nowhere: {error}");
    }
}
