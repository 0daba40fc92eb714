//! A libtorch that the user has already is checked here, and `--from-torch` links to it.

use super::platform::{Form, VERSION};
use super::stamp::Stamp;
use crate::files;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of a libtorch folder: a download says it in build-version, a Python package in
/// version.py, and the headers always.
pub fn version(torch: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(torch.join(name)).ok();
    if let Some(text) = read("build-version") {
        return Some(text.trim().to_owned());
    }
    if let Some(text) = read("version.py") {
        let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        return Some(line.trim_matches(['\'', '"']).to_owned());
    }
    let header = read("include/torch/csrc/api/include/torch/version.h")
        .or_else(|| read("include/torch/headeronly/version.h"))?;
    let number = |name: &str| {
        let start = format!("#define TORCH_VERSION_{name} ");
        header.lines().find_map(|line| Some(line.strip_prefix(&start)?.trim().to_owned()))
    };
    Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
}

/// Fails unless `torch` is a libtorch of the version that tch wants.
pub fn check(torch: &Path) -> Result<String> {
    let library = if cfg!(target_os = "macos") { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" };
    for needed in [&format!("lib/{library}"), "include/torch"] {
        if !torch.join(needed).exists() {
            bail!("{} is not a libtorch: it holds no {needed}", torch.display());
        }
    }
    let Some(version) = version(torch) else {
        bail!("{} does not say which version of libtorch it is", torch.display());
    };
    if version.split('+').next() != Some(VERSION) {
        bail!("{} is libtorch {version}, and tch needs exactly {VERSION}", torch.display());
    }
    Ok(version)
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
pub fn link(torch: &Path, dest: &Path) -> Result<Stamp> {
    let version = check(torch)?;
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
    finish(dest, &version)?;
    let form = if cuda { Form::Cuda } else { Form::Cpu };
    let source = format!("links to {}", torch.display());
    let stamp = Stamp::of(dest, form, &source, Default::default())?;
    stamp.write(dest)?;
    Ok(stamp)
}

/// Completes `torch`: the version for torch-sys, libtorch.so as a linker script (the real one
/// drags in libtorch_cuda), libgomp under the name that `-lgomp` looks for, and the libraries that
/// CUDA opens by name beside libtorch_cuda.
pub fn finish(torch: &Path, version: &str) -> Result<()> {
    std::fs::write(torch.join("build-version"), format!("{version}\n"))?;
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
mod tests {
    use super::*;
    use tempfile::{TempDir, tempdir};

    /// A folder that looks like a Python package of torch.
    fn package(version: &str) -> TempDir {
        let scratch = tempdir().unwrap();
        let torch = scratch.path().join("torch");
        std::fs::create_dir_all(torch.join("include/torch")).unwrap();
        let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
        for lib in ["libtorch_cpu", "libc10", "libtorch", "libtorch_cuda", "libtorch_python"] {
            files::write(&torch.join(format!("lib/{lib}.{suffix}")), lib).unwrap();
        }
        let text = format!("x = 1\n__version__ = '{version}'\n");
        files::write(&torch.join("version.py"), &text).unwrap();
        scratch
    }

    #[test]
    fn a_version_is_read_from_whatever_says_it() {
        let header = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 13\n\
                      #define TORCH_VERSION_PATCH 0\n";
        let scratch = tempdir().unwrap();
        assert_eq!(version(scratch.path()), None);
        for (file, text, found) in [
            ("include/torch/headeronly/version.h", header, "2.13.0"),
            ("version.py", "x = 1\n__version__ = '2.13.0+cu130'\n", "2.13.0+cu130"),
            ("build-version", "2.12.1+cpu\n", "2.12.1+cpu"),
        ] {
            files::write(&scratch.path().join(file), text).unwrap();
            assert_eq!(version(scratch.path()).unwrap(), found, "the more telling file decides");
        }
    }

    #[test]
    fn only_a_folder_with_the_right_torch_is_taken() {
        let scratch = package("2.12.0");
        let torch = scratch.path().join("torch").canonicalize().unwrap();
        assert_eq!(locate(scratch.path()).unwrap(), torch);
        assert_eq!(locate(&torch).unwrap(), torch);
        for (outcome, reason) in [
            (locate(&torch.join("lib")).map(drop), "no libtorch"),
            (locate(Path::new("no-such-python")).map(drop), "neither"),
            (check(scratch.path()).map(drop), "is not a libtorch"),
            (check(&torch).map(drop), "is libtorch 2.12.0, and tch needs exactly 2.13.0"),
        ] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linking_hides_cuda_from_the_linker() {
        let scratch = package("2.13.0+cu130");
        let dest = scratch.path().join("dest");
        let stamp = link(&scratch.path().join("torch"), &dest).unwrap();
        assert_eq!(stamp.form, Form::Cuda);
        assert!(dest.join("cuda/libtorch_cuda.so").is_symlink());
        assert!(!dest.join("lib/libtorch_cuda.so").exists());
        assert!(!dest.join("lib/libtorch_python.so").exists());
        let script = std::fs::read_to_string(dest.join("lib/libtorch.so")).unwrap();
        assert_eq!(script, "INPUT(libtorch_cpu.so libc10.so)\n");
        assert_eq!(version(&dest).unwrap(), "2.13.0+cu130");
        assert_eq!(Stamp::read(&dest).unwrap(), stamp);
        std::fs::remove_file(scratch.path().join("torch/lib/libc10.so")).unwrap();
        assert!(stamp.damage(&dest).unwrap().contains("libc10"), "a link into nowhere is noticed");
    }
}
