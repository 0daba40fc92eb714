//! The checks look at the machine and at the repository, and say what they find.

use super::page::{Finding, finding, fix_of, programs, variables};
use crate::process::{last_line, output_of, version};
use crate::repo::{Origin, Repo};
use crate::setup::{existing, load, platform::VERSION, prerequisites, stamp::Stamp};
use crate::ui::size;
use crate::{files, pip};
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What the edition and the crate's `rust-version` ask for.
const RUST: (u32, u32) = (1, 95);
/// The C library that libtorch's wheels are built for.
const GLIBC: (u32, u32) = (2, 28);
/// The CUDA version of libtorch 2.13.0's wheels.
const CUDA: (u32, u32) = (13, 0);
/// Memory below which a parallel first build may be killed: torch-sys alone takes 1.5 GB.
const MEMORY: u64 = 4_000_000_000;
/// Room for a build and a few runs.
const DISK: u64 = 3_000_000_000;

/// The sections of the report, in order.
pub const ALL: [fn(&Repo) -> Vec<Finding>; 6] = [tools, libtorch, build, gpu, machine, extras];

/// rustc, the C++ compiler, pip and the C library.
fn tools(_: &Repo) -> Vec<Finding> {
    let rustc = output_of("rustc", &["--version"]).unwrap_or_default();
    let ok = |_: &str| Finding::ok("rust", &rustc);
    let rust = at_least(version(&rustc), RUST, ok, "rust-old", "rust-missing");
    let compiler = match prerequisites::compiler() {
        Ok(name) => Finding::ok("C++ compiler", first_line(&name).unwrap_or(name)),
        Err(error) => without_compiler(&error.to_string()),
    };
    let pip = match pip::find() {
        Ok(words) => Finding::ok("pip", format!("`{}`", words.join(" "))),
        Err(error) => finding("pip", &[("reason", &error)]),
    };
    let mut all = vec![rust, compiler, pip];
    if cfg!(target_os = "linux") {
        all.push(glibc(output_of("getconf", &["GNU_LIBC_VERSION"]).as_deref()));
    }
    if cfg!(target_os = "macos") {
        all.push(finding("apple", &[]));
    }
    all
}

/// Whether a version is new enough; the names are those of the findings if it is not.
fn at_least(
    found: Option<(u32, u32)>,
    needed: (u32, u32),
    ok: impl Fn(&str) -> Finding,
    old: &str,
    unknown: &str,
) -> Finding {
    let dotted = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    match found {
        Some(found) if found >= needed => ok(&dotted(found)),
        Some(found) => finding(old, &[("found", &dotted(found)), ("needed", &dotted(needed))]),
        None => finding(unknown, &[]),
    }
}

/// The first line of what a program says of its version.
fn first_line(program: &str) -> Option<String> {
    Some(output_of(program, &["--version"])?.lines().next()?.to_owned())
}

/// The set-up words it as `what is wrong: what to do`.
fn without_compiler(sentence: &str) -> Finding {
    let (reason, fix) = sentence.rsplit_once(": ").unwrap_or((sentence, "see the message"));
    finding("compiler", &[("reason", &reason), ("fix", &fix)])
}

fn glibc(found: Option<&str>) -> Finding {
    let found = found.and_then(|text| version(text.strip_prefix("glibc ")?));
    let ok = |found: &str| Finding::ok("C library", format!("glibc {found}"));
    at_least(found, GLIBC, ok, "c-library-old", "c-library-other")
}

/// The libtorch that a build will use, and whether it loads.
fn libtorch(repo: &Repo) -> Vec<Finding> {
    let mut all = variables(|name| std::env::var(name).ok());
    all.push(match repo.origin() {
        Origin::Python => return all,
        Origin::Environment(dir) => from_environment(&dir),
        Origin::Installed => installed(repo),
    });
    let torch = repo.libtorch_in_use();
    for dir in other_libtorch(repo.user_library_path().as_deref(), &torch) {
        all.push(finding("another-libtorch", &[("folder", &dir.display())]));
    }
    if torch.join("lib").is_dir() {
        all.push(
            match loads(repo, &load::libraries(&torch).0, "`rm -r .libtorch && cargo setup`") {
                Ok(()) => Finding::ok("loading", "libtorch_cpu and all it needs load"),
                Err((reason, fix)) => finding("loading", &[("reason", &reason), ("fix", &fix)]),
            },
        );
    }
    all
}

/// Loads the libraries, or says what is wrong and what to do, which may be `otherwise`.
fn loads(repo: &Repo, libraries: &[PathBuf], otherwise: &str) -> Result<(), (String, String)> {
    load::trial(libraries, repo.user_library_path().as_deref()).map_err(|reason| {
        let fix = fix_of(&reason, otherwise);
        (reason, fix)
    })
}

fn installed(repo: &Repo) -> Finding {
    let torch = repo.torch();
    let Some(stamp) = Stamp::read(&torch) else {
        let name = if torch.exists() { "libtorch-unfinished" } else { "libtorch-missing" };
        return finding(name, &[]);
    };
    let (form, source) = (stamp.form.name(), stamp.source);
    let found = format!("{VERSION} in .libtorch, {form} form, from {source}");
    match existing::check(&torch) {
        Ok(()) => Finding::ok("libtorch", found),
        Err(error) => finding("libtorch-damaged", &[("damage", &error)]),
    }
}

fn from_environment(dir: &Path) -> Finding {
    let seen: [(&str, &dyn Display); 2] = [("version", &VERSION), ("folder", &dir.display())];
    match existing::check(dir) {
        Ok(()) => finding("libtorch-from-environment", &seen),
        Err(error) => finding("libtorch-from-environment-wrong", &[("reason", &error)]),
    }
}

/// Folders of a library path that hold a libtorch other than `torch`.
fn other_libtorch(path: Option<&OsStr>, torch: &Path) -> Vec<PathBuf> {
    let ours = torch.join("lib").canonicalize().ok();
    let names = ["libtorch_cpu.so", "libc10.so", "libtorch_cpu.dylib"];
    let mut folders: Vec<PathBuf> = path.into_iter().flat_map(std::env::split_paths).collect();
    folders.retain(|dir| names.iter().any(|name| dir.join(name).exists()));
    folders.retain(|dir| dir.canonicalize().ok() != ours);
    folders
}

/// Builds and runs `examples/probe.rs`: a convolution forward and backward on every device that
/// libtorch has.
fn build(repo: &Repo) -> Vec<Finding> {
    if !repo.is_built() {
        return vec![finding("tensors-not-tried", &[])];
    }
    let output = match repo.cargo().args(["run", "--quiet", "--example", "probe"]).output() {
        Ok(output) => output,
        Err(error) => return vec![finding("tensors-without-cargo", &[("reason", &error)])],
    };
    if output.status.success() {
        let printed = String::from_utf8_lossy(&output.stdout);
        return vec![Finding::ok("tensors", printed.trim().replace('\n', "; "))];
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let fix = fix_of(&complaint, "`cargo run --example probe` shows everything");
    vec![finding("tensors", &[("reason", &last_line(&complaint)), ("fix", &fix)])]
}

/// The NVIDIA driver, and whether the installed libtorch can use it.
fn gpu(repo: &Repo) -> Vec<Finding> {
    if cfg!(target_os = "macos") {
        return Vec::new();
    }
    let (mut libraries, cuda) = load::libraries(&repo.libtorch_in_use());
    let driver = prerequisites::nvidia_driver();
    let mut all = vec![driver_and_cuda(driver, !cuda.is_empty())];
    if driver {
        all.extend(output_of("nvidia-smi", &[]).map(|text| driver_version(&text)));
    }
    if !cuda.is_empty() {
        libraries.extend(cuda);
        all.push(match loads(repo, &libraries, "`cargo setup --cuda`") {
            Ok(()) => Finding::ok("CUDA", "libtorch_cuda and all it needs load"),
            Err((reason, fix)) => finding("cuda", &[("reason", &reason), ("fix", &fix)]),
        });
    }
    all
}

fn driver_and_cuda(driver: bool, cuda: bool) -> Finding {
    match (driver, cuda) {
        (true, true) => Finding::ok("GPU", "there is an NVIDIA driver, and libtorch has CUDA"),
        (true, false) => finding("gpu-without-cuda", &[]),
        (false, true) => finding("cuda-without-gpu", &[]),
        (false, false) => Finding::ok("GPU", "no NVIDIA driver: everything runs on the CPU"),
    }
}

/// nvidia-smi's head line says the newest CUDA version that the driver supports.
fn driver_version(smi: &str) -> Finding {
    let found = smi.split_once("CUDA Version:").and_then(|(_, rest)| version(rest));
    let ok = |found: &str| Finding::ok("driver", format!("goes up to CUDA {found}"));
    at_least(found, CUDA, ok, "driver-old", "driver-unknown")
}

/// Disk and memory.
fn machine(repo: &Repo) -> Vec<Finding> {
    let disk = prerequisites::free_bytes(&repo.root).map(|free| match free {
        DISK.. => Finding::ok("disk", format!("{} free", size(free))),
        _ => finding("disk", &[("free", &size(free)), ("needed", &size(DISK))]),
    });
    let memory = prerequisites::memory().map(|memory| match memory {
        MEMORY.. => Finding::ok("memory", size(memory)),
        _ => finding("memory", &[("found", &size(memory))]),
    });
    disk.into_iter().chain(memory).collect()
}

/// Data sets, and the programs that notebooks, the browser test and the editor want.
fn extras(repo: &Repo) -> Vec<Finding> {
    [data(repo)].into_iter().chain(programs(first_line)).collect()
}

fn data(repo: &Repo) -> Finding {
    let folder = match std::env::var_os("FROM_NOISE_DATA") {
        Some(dir) => repo.root.join(dir),
        None => repo.root.join("datasets"),
    };
    let sets = files::entries(&folder).filter(|path| path.is_dir());
    let mut names: Vec<String> = sets.map(|path| files::name(&path)).collect();
    names.sort();
    match names.is_empty() {
        true => finding("data", &[("folder", &folder.display())]),
        false => Finding::ok("data", format!("{} in {}", names.join(", "), folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Verdict;
    use super::*;

    #[test]
    fn each_sight_has_its_verdict() {
        let smi = |version| driver_version(&format!("| 580.1   CUDA Version: {version}     |\n"));
        for (finding, verdict) in [
            (glibc(Some("glibc 2.36")), Verdict::Ok),
            (glibc(Some("glibc 2.28")), Verdict::Ok),
            (glibc(Some("glibc 2.9")), Verdict::Fail),
            (glibc(Some("musl 1.2")), Verdict::Fail),
            (glibc(None), Verdict::Fail),
            (smi("13.0"), Verdict::Ok),
            (smi("13.2"), Verdict::Ok),
            (smi("12.8"), Verdict::Fail),
            (smi("N/A"), Verdict::Warn),
            (driver_version("N/A"), Verdict::Warn),
            (driver_and_cuda(true, true), Verdict::Ok),
            (driver_and_cuda(true, false), Verdict::Warn),
            (driver_and_cuda(false, true), Verdict::Warn),
            (driver_and_cuda(false, false), Verdict::Ok),
        ] {
            assert_eq!(finding.verdict, verdict, "{finding}");
            assert_eq!(finding.fix.is_empty(), verdict == Verdict::Ok, "{finding}");
        }
        assert!(smi("12.8").detail.contains("CUDA 12.8, and libtorch needs 13.0"));
        let compiler = without_compiler("no C++ compiler (c++): `sudo apt-get install g++`");
        assert_eq!(compiler.detail, "no C++ compiler (c++)");
        assert_eq!(compiler.fix, "`sudo apt-get install g++`");
    }

    #[test]
    fn an_unfinished_libtorch_is_a_failure_with_its_fix() {
        let scratch = tempfile::tempdir().unwrap();
        let repo = Repo { root: scratch.path().to_owned() };
        let finding = installed(&repo);
        assert_eq!((finding.verdict, finding.fix.as_str()), (Verdict::Fail, "`cargo setup`"));
        std::fs::create_dir_all(repo.torch()).unwrap();
        assert!(installed(&repo).detail.contains("not finished"));
    }

    #[test]
    fn another_libtorch_in_the_library_path_is_found() {
        let scratch = tempfile::tempdir().unwrap();
        let [ours, theirs, empty] = ["ours/lib", "theirs", "empty"].map(|n| scratch.path().join(n));
        files::write(&ours.join("libtorch_cpu.so"), "library").unwrap();
        files::write(&theirs.join("libc10.so"), "library").unwrap();
        let path = std::env::join_paths([&ours, &theirs, &empty]).unwrap();
        let torch = scratch.path().join("ours");
        assert_eq!(other_libtorch(Some(&path), &torch), [theirs]);
        assert!(other_libtorch(None, &torch).is_empty());
    }
}
