//! What the doctor looks at on the machine and in the repository.

use super::environment;
use super::explain::explain;
use super::finding::Finding;
use super::probe;
use crate::chapter;
use crate::repo::{Origin, Repo};
use crate::setup::{load, needs, own, stamp::Stamp};
use crate::ui::size;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the edition and the crate's `rust-version` ask for.
const RUST: (u32, u32) = (1, 95);
/// Memory below which a parallel first build may be killed: torch-sys alone takes 1.5 GB.
const MEMORY: u64 = 4_000_000_000;
/// Room for a build and a few runs.
const DISK: u64 = 3_000_000_000;

/// rustc, the C++ compiler, pip and the C library.
pub fn tools(_: &Repo) -> Vec<Finding> {
    let mut all = vec![match says("rustc", &["--version"]) {
        Some(text) if rust_is_new(&text) => Finding::ok("rust", text),
        Some(text) => Finding::fail(
            "rust",
            format!("{text} is older than {}.{}", RUST.0, RUST.1),
            "`rustup update stable`",
        ),
        None => Finding::fail("rust", "rustc does not start", "install Rust with rustup"),
    }];
    all.push(match needs::compiler() {
        Ok(name) => {
            Finding::ok("C++ compiler", first_line(&says(&name, &["--version"]).unwrap_or(name)))
        }
        Err(error) => fix_after_colon("C++ compiler", &error.to_string()),
    });
    all.push(match needs::pip() {
        Ok(words) => Finding::ok("pip", format!("`{}`", words.join(" "))),
        Err(error) => Finding::warn("pip", "missing; it fetches libtorch", error.to_string()),
    });
    if cfg!(target_os = "linux") {
        all.push(glibc(says("getconf", &["GNU_LIBC_VERSION"]).as_deref()));
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

/// The libtorch that a build will use, and whether it loads.
pub fn libtorch(repo: &Repo) -> Vec<Finding> {
    let mut all = environment::findings(&|name| std::env::var(name).ok());
    let torch = match repo.origin() {
        Origin::Python => return all,
        Origin::Own(dir) => {
            all.push(own_libtorch(&dir));
            dir
        }
        Origin::Ours => {
            all.push(installed(repo));
            repo.torch()
        }
    };
    let path = repo.user_library_path();
    let foreign = environment::foreign_libtorch(path.as_deref(), &torch);
    for dir in &foreign {
        all.push(Finding::fail(
            "library path",
            format!("LD_LIBRARY_PATH leads to another libtorch in {}", dir.display()),
            "take that folder out of LD_LIBRARY_PATH: programs here find libtorch by themselves",
        ));
    }
    if torch.join("lib").is_dir() {
        all.push(match load::trial(&load::libraries(&torch).0, path.as_deref()) {
            Ok(()) => Finding::ok("loading", "libtorch_cpu and all it needs load"),
            Err(reason) => Finding::fail(
                "loading",
                reason.clone(),
                advice(&reason, "`rm -r .libtorch && cargo setup`"),
            ),
        });
    }
    all
}

fn installed(repo: &Repo) -> Finding {
    let torch = repo.torch();
    match Stamp::read(&torch) {
        None if torch.exists() => Finding::fail(
            "libtorch",
            ".libtorch/torch was not finished by this set-up (no from-noise.json in it)",
            "`cargo setup`",
        ),
        None => Finding::fail("libtorch", "not installed", "`cargo setup`"),
        Some(stamp) => match (stamp.damage(&torch), own::check(&torch)) {
            (Some(damage), _) => {
                Finding::fail("libtorch", format!("damaged: {damage}"), "`cargo setup`")
            }
            (None, Err(error)) => {
                Finding::fail("libtorch", error.to_string(), "`rm -r .libtorch && cargo setup`")
            }
            (None, Ok(version)) => Finding::ok(
                "libtorch",
                format!(
                    "{version} in .libtorch, {} form, from {}",
                    stamp.form.name(),
                    stamp.source
                ),
            ),
        },
    }
}

fn own_libtorch(dir: &Path) -> Finding {
    match own::check(dir) {
        Ok(version) => Finding::warn(
            "libtorch",
            format!("{version} in {}, from LIBTORCH in this shell", dir.display()),
            format!(
                "where LIBTORCH is not set (another shell, rust-analyzer) torch-sys is compiled again: \
                 unset it and `cargo setup --from-torch {}`",
                dir.display()
            ),
        ),
        Err(error) => {
            Finding::fail("libtorch", error.to_string(), "unset LIBTORCH, then `cargo setup`")
        }
    }
}

/// What was built already: whether it remembers a folder that is gone, and runs.
pub fn build(repo: &Repo) -> Vec<Finding> {
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
        if cfg!(target_os = "linux") && program.is_file() {
            let missing =
                missing_libraries(&says("ldd", &[&program.to_string_lossy()]).unwrap_or_default());
            if let Some(library) = missing.first() {
                let message = format!("{library}: cannot open shared object file");
                all.push(Finding::fail(
                    "rpath",
                    format!("{} does not find {library}", chapter.name),
                    advice(&message, "`cargo clean -p from-noise`"),
                ));
            }
        }
    }
    all.push(probe::run(repo));
    all
}

/// The library folders that torch-sys's build script told cargo to link from.
fn remembered_folders(builds: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(builds).into_iter().flatten().flatten();
    let ours =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("torch-sys-"));
    let outputs =
        ours.filter_map(|entry| std::fs::read_to_string(entry.path().join("output")).ok());
    let mut folders: Vec<PathBuf> = outputs
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("cargo:libtorch_lib="))?;
            Some(PathBuf::from(line))
        })
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// What ldd did not find.
fn missing_libraries(ldd: &str) -> Vec<String> {
    let missing = ldd.lines().filter(|line| line.trim_end().ends_with("=> not found"));
    missing.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

/// Disk and memory.
pub fn machine(repo: &Repo) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(free) = needs::free_bytes(&repo.root) {
        all.push(if free >= DISK {
            Finding::ok("disk", format!("{} free", size(free)))
        } else {
            Finding::warn(
                "disk",
                format!("{} free", size(free)),
                format!("make room for {}", size(DISK)),
            )
        });
    }
    if let Some(memory) = memory() {
        all.push(if memory >= MEMORY {
            Finding::ok("memory", size(memory))
        } else {
            Finding::warn(
                "memory",
                format!("{}: the first build may be killed", size(memory)),
                "`CARGO_BUILD_JOBS=1 cargo build` the first time",
            )
        });
    }
    all
}

fn memory() -> Option<u64> {
    // SAFETY: sysconf only reads its argument.
    let (pages, bytes) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    Some(u64::try_from(pages).ok()? * u64::try_from(bytes).ok()?)
}

/// Data sets, and the programs that notebooks, the browser test and the editor want.
pub fn extras(repo: &Repo) -> Vec<Finding> {
    let mut all = vec![data(repo)];
    let optional: [(&'static str, &[&str], &str, &str); 4] = [
        (
            "evcxr",
            &["evcxr_jupyter"],
            "notebooks",
            "`cargo install evcxr_jupyter` (about ten minutes)",
        ),
        ("jupyter", &["jupyter"], "notebooks", "`python3 -m pip install jupyterlab`"),
        (
            "chromium",
            &["chromium", "chromium-browser", "google-chrome"],
            "the browser test of the book",
            "install Chromium",
        ),
        ("rust-analyzer", &["rust-analyzer"], "editors", "`rustup component add rust-analyzer`"),
    ];
    for (subject, names, purpose, fix) in optional {
        let found = names.iter().find_map(|name| says(name, &["--version"]));
        all.push(match found {
            Some(text) => Finding::ok(subject, first_line(&text)),
            None => Finding::warn(subject, format!("not here; only {purpose} need it"), fix),
        });
    }
    all
}

fn data(repo: &Repo) -> Finding {
    let folder = match std::env::var_os("FROM_NOISE_DATA") {
        Some(dir) => repo.root.join(dir),
        None => repo.root.join("datasets"),
    };
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() {
        return Finding::warn(
            "data",
            format!("{} holds no data set; the first chapters need none", folder.display()),
            "`cargo xtask data mnist`",
        );
    }
    Finding::ok("data", format!("{} in {}", names.join(", "), folder.display()))
}

/// What a program prints, if it starts and succeeds.
pub fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).env_remove("LD_LIBRARY_PATH").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The fix of a known message, or `otherwise`.
pub fn advice(message: &str, otherwise: &str) -> String {
    explain(message).first().map_or_else(|| otherwise.to_owned(), |symptom| symptom.fix.to_owned())
}

/// `what is wrong: what to do`, as the set-up words it.
fn fix_after_colon(subject: &'static str, sentence: &str) -> Finding {
    let (detail, fix) = sentence.rsplit_once(": ").unwrap_or((sentence, "see the message"));
    Finding::fail(subject, detail, fix)
}

fn rust_is_new(version: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(RUST.0), Some(RUST.1))
}

fn glibc(version: Option<&str>) -> Finding {
    let number = version.and_then(|text| text.strip_prefix("glibc "));
    let parsed = number.and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match parsed {
        Some(found) if found >= (2, 28) => {
            Finding::ok("C library", format!("glibc {}.{}", found.0, found.1))
        }
        Some(found) => Finding::fail(
            "C library",
            format!("glibc {}.{}, and libtorch's wheels need 2.28", found.0, found.1),
            "a newer system or container",
        ),
        None => Finding::fail(
            "C library",
            "not glibc (Alpine's musl?), which libtorch's wheels need",
            "a Debian, Ubuntu or Fedora container",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn rust_versions_are_compared_as_numbers() {
        assert!(rust_is_new("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert!(rust_is_new("rustc 1.100.1-nightly (x)"));
        assert!(rust_is_new("rustc 2.0.0"));
        assert!(!rust_is_new("rustc 1.94.1 (x)"));
        assert!(!rust_is_new("rustc 1.9.0"));
        assert!(!rust_is_new(""));
    }

    #[test]
    fn c_libraries_without_the_wheels_symbols_fail() {
        assert_eq!(glibc(Some("glibc 2.36")).verdict, Verdict::Ok);
        assert_eq!(glibc(Some("glibc 2.28")).verdict, Verdict::Ok);
        assert_eq!(glibc(Some("glibc 2.9")).verdict, Verdict::Fail);
        assert_eq!(glibc(None).verdict, Verdict::Fail);
    }

    #[test]
    fn ldd_tells_what_is_missing() {
        let text = "\tlibtorch_cpu.so => not found\n\tlibc10.so => /x/libc10.so (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n";
        assert_eq!(missing_libraries(text), ["libtorch_cpu.so"]);
    }

    #[test]
    fn a_build_remembers_its_libtorch() {
        let scratch = Scratch::new("build").unwrap();
        let dir = scratch.path().join("torch-sys-0a1b");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(
            dir.join("output"),
            "cargo:rerun-if-changed=x\ncargo:libtorch_lib=/gone/lib\n",
        )
        .unwrap();
        assert_eq!(remembered_folders(scratch.path()), [PathBuf::from("/gone/lib")]);
    }

    #[test]
    fn an_unfinished_libtorch_is_a_failure_with_its_fix() {
        let scratch = Scratch::new("doctor").unwrap();
        let repo = Repo { root: scratch.path().to_owned() };
        let finding = installed(&repo);
        assert_eq!((finding.verdict, finding.fix.as_str()), (Verdict::Fail, "`cargo setup`"));
        std::fs::create_dir_all(repo.torch()).unwrap();
        assert!(installed(&repo).detail.contains("not finished"));
    }

    #[test]
    fn a_sentence_with_its_fix_is_split() {
        let finding =
            fix_after_colon("C++ compiler", "no C++ compiler (c++): `sudo apt-get install g++`");
        assert_eq!(finding.detail, "no C++ compiler (c++)");
        assert_eq!(finding.fix, "`sudo apt-get install g++`");
    }
}
