//! What the doctor looks at on the machine and in the repository.

use super::finding::Finding;
use super::page::{PAGE, fix_of, variables};
use crate::process::{last_line, output_of, version};
use crate::repo::{Origin, Repo};
use crate::setup::{existing, load, prerequisites, stamp::Stamp};
use crate::ui::size;
use crate::{chapter, files};
use std::ffi::OsStr;
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
    let rust = match output_of("rustc", &["--version"]) {
        Some(text) if version(&text) >= Some(RUST) => Finding::ok("rust", text),
        Some(text) => {
            let detail = format!("{text} is older than {}.{}", RUST.0, RUST.1);
            Finding::fail("rust", detail, "`rustup update stable`")
        }
        None => Finding::fail("rust", "rustc does not start", "install Rust with rustup"),
    };
    let compiler = match prerequisites::compiler() {
        Ok(name) => {
            let text = output_of(&name, &["--version"]).unwrap_or(name);
            Finding::ok("C++ compiler", first_line(&text))
        }
        Err(error) => fix_after_colon("C++ compiler", &error.to_string()),
    };
    let pip = match prerequisites::pip() {
        Ok(words) => Finding::ok("pip", format!("`{}`", words.join(" "))),
        Err(error) => Finding::warn("pip", "missing; it fetches libtorch", error.to_string()),
    };
    let mut all = vec![rust, compiler, pip];
    if cfg!(target_os = "linux") {
        all.push(glibc(output_of("getconf", &["GNU_LIBC_VERSION"]).as_deref()));
    }
    if cfg!(target_os = "macos") {
        all.push(Finding::warn(
            "Apple",
            "the wheel, its rpath and `--device mps` are written for Apple Silicon and were never run on it",
            "DYLD_LIBRARY_PATH is not needed; f64 is not for mps: scores are computed on the CPU; please report how it goes",
        ));
    }
    all
}

fn glibc(found: Option<&str>) -> Finding {
    match found.and_then(|text| version(text.strip_prefix("glibc ")?)) {
        Some(found) => {
            let detail = format!("glibc {}.{}", found.0, found.1);
            if found >= GLIBC {
                return Finding::ok("C library", detail);
            }
            let detail = format!("{detail}, and libtorch's wheels need {}.{}", GLIBC.0, GLIBC.1);
            Finding::fail("C library", detail, "a newer system or container")
        }
        None => Finding::fail(
            "C library",
            "not glibc (Alpine's musl?), which libtorch's wheels need",
            "a Debian, Ubuntu or Fedora container",
        ),
    }
}

/// The libtorch that a build will use, and whether it loads.
fn libtorch(repo: &Repo) -> Vec<Finding> {
    let mut all = variables(&|name| std::env::var(name).ok());
    all.push(match repo.origin() {
        Origin::Python => return all,
        Origin::Environment(dir) => from_environment(&dir),
        Origin::Installed => installed(repo),
    });
    let torch = repo.libtorch_in_use();
    let path = repo.user_library_path();
    for dir in other_libtorch(path.as_deref(), &torch) {
        all.push(Finding::fail(
            "library path",
            format!("LD_LIBRARY_PATH leads to another libtorch in {}", dir.display()),
            "take that folder out of LD_LIBRARY_PATH: programs here find libtorch by themselves",
        ));
    }
    if torch.join("lib").is_dir() {
        let (libraries, well) = (load::libraries(&torch).0, "libtorch_cpu and all it needs load");
        all.push(loading(repo, "loading", &libraries, well, "`rm -r .libtorch && cargo setup`"));
    }
    all
}

fn loading(
    repo: &Repo,
    subject: &'static str,
    libraries: &[PathBuf],
    well: &str,
    fix: &str,
) -> Finding {
    match load::trial(libraries, repo.user_library_path().as_deref()) {
        Ok(()) => Finding::ok(subject, well),
        Err(reason) => Finding::fail(subject, reason.clone(), fix_of(&reason, fix)),
    }
}

fn installed(repo: &Repo) -> Finding {
    let torch = repo.torch();
    let Some(stamp) = Stamp::read(&torch) else {
        let detail = match torch.exists() {
            true => ".libtorch/torch was not finished by this set-up (no from-noise.json in it)",
            false => "not installed",
        };
        return Finding::fail("libtorch", detail, "`cargo setup`");
    };
    if let Some(damage) = stamp.damage(&torch) {
        return Finding::fail("libtorch", format!("damaged: {damage}"), "`cargo setup`");
    }
    match existing::check(&torch) {
        Ok(version) => {
            let (form, source) = (stamp.form.name(), &stamp.source);
            let detail = format!("{version} in .libtorch, {form} form, from {source}");
            Finding::ok("libtorch", detail)
        }
        Err(error) => {
            Finding::fail("libtorch", error.to_string(), "`rm -r .libtorch && cargo setup`")
        }
    }
}

fn from_environment(dir: &Path) -> Finding {
    let dir_name = dir.display();
    match existing::check(dir) {
        Ok(version) => Finding::warn(
            "libtorch",
            format!("{version} in {dir_name}, from LIBTORCH in this shell"),
            format!(
                "where LIBTORCH is not set (another shell, rust-analyzer) torch-sys is compiled again: \
                 unset it and `cargo setup --from-torch {dir_name}`"
            ),
        ),
        Err(error) => {
            Finding::fail("libtorch", error.to_string(), "unset LIBTORCH, then `cargo setup`")
        }
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

/// What was built already: whether it remembers a folder that is gone, and runs.
fn build(repo: &Repo) -> Vec<Finding> {
    let mut all = Vec::new();
    for folder in remembered_folders(&repo.target().join("debug/build")) {
        if !folder.is_dir() {
            all.push(Finding::warn(
                "torch-sys",
                format!("a build remembers {}, which is gone", folder.display()),
                "`cargo clean -p torch-sys`",
            ));
        }
    }
    for chapter in chapter::chapters(repo).unwrap_or_default() {
        let program = repo.target().join("debug").join(&chapter.name);
        if !cfg!(target_os = "linux") || !program.is_file() {
            continue;
        }
        let ldd = output_of("ldd", &[&program.to_string_lossy()]).unwrap_or_default();
        if let Some(library) = missing_library(&ldd) {
            let message = format!("{library}: cannot open shared object file");
            let detail = format!("{} does not find {library}", chapter.name);
            let fix = fix_of(&message, "`cargo clean -p from-noise`");
            all.push(Finding::fail("rpath", detail, fix));
        }
    }
    all.push(probe(repo));
    all
}

/// The library folders that torch-sys's build script told cargo to link from.
fn remembered_folders(builds: &Path) -> Vec<PathBuf> {
    let ours = files::entries(builds).filter(|path| files::name(path).starts_with("torch-sys-"));
    let mut folders: Vec<PathBuf> = ours
        .filter_map(|build| {
            let text = std::fs::read_to_string(build.join("output")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("cargo:libtorch_lib="))?;
            Some(PathBuf::from(line))
        })
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The first library that ldd did not find.
fn missing_library(ldd: &str) -> Option<&str> {
    let line = ldd.lines().find(|line| line.trim_end().ends_with("=> not found"))?;
    line.split_whitespace().next()
}

/// Runs `examples/probe.rs`: a convolution forward and backward on every device that libtorch has.
fn probe(repo: &Repo) -> Finding {
    if !repo.is_built() {
        return Finding::warn(
            "tensors",
            "not tried: the crate is not built yet, which takes some minutes",
            "`cargo build`, then the doctor again",
        );
    }
    let output = match repo.cargo().args(["run", "--quiet", "--example", "probe"]).output() {
        Ok(output) => output,
        Err(error) => {
            return Finding::fail("tensors", error.to_string(), "call this through cargo");
        }
    };
    if output.status.success() {
        let printed = String::from_utf8_lossy(&output.stdout);
        return Finding::ok("tensors", printed.trim().replace('\n', "; "));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let detail = format!("the probe fails: {}", last_line(&complaint));
    let fix = fix_of(&complaint, "`cargo run --example probe` shows everything");
    Finding::fail("tensors", detail, fix)
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
        let well = "libtorch_cuda and all it needs load";
        all.push(loading(repo, "CUDA", &libraries, well, "`cargo setup --cuda`"));
    }
    all
}

fn driver_and_cuda(driver: bool, cuda: bool) -> Finding {
    match (driver, cuda) {
        (true, true) => Finding::ok("GPU", "there is an NVIDIA driver, and libtorch has CUDA"),
        (true, false) => Finding::warn(
            "GPU",
            "there is an NVIDIA driver, but libtorch is the CPU form",
            "`cargo setup --cuda`",
        ),
        (false, true) => Finding::warn(
            "GPU",
            "libtorch has CUDA, but there is no NVIDIA driver: everything runs on the CPU",
            "install the NVIDIA driver (on a machine without such a GPU nothing is wrong)",
        ),
        (false, false) => Finding::ok("GPU", "no NVIDIA driver: everything runs on the CPU"),
    }
}

/// nvidia-smi's head line says the newest CUDA version that the driver supports.
fn driver_version(smi: &str) -> Finding {
    let Some(found) = smi.split_once("CUDA Version:").and_then(|(_, rest)| version(rest)) else {
        let detail = "nvidia-smi does not say its CUDA version";
        return Finding::warn("driver", detail, "run `nvidia-smi`");
    };
    let detail = format!("goes up to CUDA {}.{}", found.0, found.1);
    if found >= CUDA {
        return Finding::ok("driver", detail);
    }
    let detail = format!("{detail}, and libtorch needs {}.{}", CUDA.0, CUDA.1);
    Finding::fail("driver", detail, "update the NVIDIA driver")
}

/// Disk and memory.
fn machine(repo: &Repo) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(free) = prerequisites::free_bytes(&repo.root) {
        let detail = format!("{} free", size(free));
        all.push(match free {
            DISK.. => Finding::ok("disk", detail),
            _ => Finding::warn("disk", detail, format!("make room for {}", size(DISK))),
        });
    }
    if let Some(memory) = prerequisites::memory() {
        all.push(match memory {
            MEMORY.. => Finding::ok("memory", size(memory)),
            _ => Finding::warn(
                "memory",
                format!("{}: the first build may be killed", size(memory)),
                "`CARGO_BUILD_JOBS=1 cargo build` the first time",
            ),
        });
    }
    all
}

/// Data sets, and the programs that notebooks, the browser test and the editor want.
fn extras(repo: &Repo) -> Vec<Finding> {
    let programs = PAGE.programs.iter().map(|program| {
        let found = program.names.iter().find_map(|name| output_of(name, &["--version"]));
        match found {
            Some(text) => Finding::ok(&program.subject, first_line(&text)),
            None => {
                let detail = format!("not here; only {} need it", program.purpose);
                Finding::warn(&program.subject, detail, &program.fix)
            }
        }
    });
    [data(repo)].into_iter().chain(programs).collect()
}

fn data(repo: &Repo) -> Finding {
    let folder = match std::env::var_os("FROM_NOISE_DATA") {
        Some(dir) => repo.root.join(dir),
        None => repo.root.join("datasets"),
    };
    let sets = files::entries(&folder).filter(|path| path.is_dir());
    let mut names: Vec<String> = sets.map(|path| files::name(&path)).collect();
    names.sort();
    let folder = folder.display();
    if names.is_empty() {
        let detail = format!("{folder} holds no data set; the first chapters need none");
        return Finding::warn("data", detail, "`cargo xtask data mnist`");
    }
    Finding::ok("data", format!("{} in {folder}", names.join(", ")))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// `what is wrong: what to do`, as the set-up words it.
fn fix_after_colon(subject: &'static str, sentence: &str) -> Finding {
    let (detail, fix) = sentence.rsplit_once(": ").unwrap_or((sentence, "see the message"));
    Finding::fail(subject, detail, fix)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn too_old_a_system_or_driver_fails() {
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
        ] {
            assert_eq!(finding.verdict, verdict, "{finding}");
        }
        assert!(smi("12.8").detail.contains("CUDA 12.8, and libtorch needs 13.0"));
    }

    #[test]
    fn a_driver_without_cuda_libraries_is_pointed_out() {
        assert_eq!(driver_and_cuda(true, false).fix, "`cargo setup --cuda`");
        for (driver, cuda, verdict) in
            [(false, false, Verdict::Ok), (true, true, Verdict::Ok), (false, true, Verdict::Warn)]
        {
            assert_eq!(driver_and_cuda(driver, cuda).verdict, verdict);
        }
    }

    #[test]
    fn ldd_tells_what_is_missing() {
        let text = "\tlibc10.so => /x/libc10.so (0x1)\n\tlibtorch_cpu.so => not found\n";
        assert_eq!(missing_library(text), Some("libtorch_cpu.so"));
        assert_eq!(missing_library("\tlibc.so.6 => /lib/libc.so.6 (0x2)\n"), None);
    }

    #[test]
    fn a_build_remembers_its_libtorch() {
        let scratch = tempfile::tempdir().unwrap();
        let output = scratch.path().join("torch-sys-0a1b/output");
        let text = "cargo:rerun-if-changed=x\ncargo:libtorch_lib=/gone/lib\n";
        files::write(&output, text).unwrap();
        assert_eq!(remembered_folders(scratch.path()), [PathBuf::from("/gone/lib")]);
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

    #[test]
    fn a_sentence_with_its_fix_is_split() {
        let sentence = "no C++ compiler (c++): `sudo apt-get install g++`";
        let finding = fix_after_colon("C++ compiler", sentence);
        assert_eq!(finding.detail, "no C++ compiler (c++)");
        assert_eq!(finding.fix, "`sudo apt-get install g++`");
    }
}
