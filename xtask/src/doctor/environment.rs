//! Environment variables that change which libtorch is built against or found.

use super::finding::Finding;
use std::path::{Path, PathBuf};

/// What the variables do, given a way to look them up.
pub fn findings(get: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut all = Vec::new();
    if get("LIBTORCH_USE_PYTORCH").is_some() {
        all.push(Finding::fail(
            "environment",
            "LIBTORCH_USE_PYTORCH is set: torch-sys takes a Python's torch and ignores .libtorch",
            "unset it; `cargo setup --from-torch python3` links to that torch for good",
        ));
    }
    match get("LIBTORCH_CXX11_ABI").as_deref() {
        None => {}
        Some("1") => all.push(Finding::warn(
            "environment",
            "LIBTORCH_CXX11_ABI=1 is the default",
            "unset it, or torch-sys is compiled again wherever it is not set",
        )),
        Some(value) => all.push(Finding::fail(
            "environment",
            format!(
                "LIBTORCH_CXX11_ABI={value}: libtorch 2.13.0 has the new ABI, so nothing will link"
            ),
            "unset it, then `cargo clean -p torch-sys`",
        )),
    }
    if get("LIBTORCH_BYPASS_VERSION_CHECK").is_some() {
        all.push(Finding::warn(
            "environment",
            "LIBTORCH_BYPASS_VERSION_CHECK is set: a wrong libtorch would crash instead of being refused",
            "unset it",
        ));
    }
    if get("LIBTORCH_STATIC")
        .is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "FALSE"))
    {
        all.push(Finding::fail(
            "environment",
            "LIBTORCH_STATIC is set, and no wheel has static libraries",
            "unset it",
        ));
    }
    for name in ["LIBTORCH_INCLUDE", "LIBTORCH_LIB"] {
        if let Some(value) = get(name) {
            all.push(Finding::warn(
                "environment",
                format!("{name}={value} goes before LIBTORCH"),
                "unset it unless you know why it is there",
            ));
        }
    }
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        if get(name).is_some() {
            all.push(Finding::warn(
                "environment",
                format!("{name} is set: everything, torch-sys included, is compiled again where it is not"),
                "set it in every shell and for the editor, or nowhere",
            ));
        }
    }
    if all.is_empty() {
        all.push(Finding::ok("environment", "no variable interferes"));
    }
    all
}

/// Folders of a library path that hold a libtorch other than `torch`.
pub fn foreign_libtorch(path: Option<&std::ffi::OsStr>, torch: &Path) -> Vec<PathBuf> {
    let Some(path) = path else { return Vec::new() };
    let own = torch.join("lib").canonicalize().ok();
    std::env::split_paths(path)
        .filter(|dir| {
            let names = ["libtorch_cpu.so", "libc10.so", "libtorch_cpu.dylib"];
            names.iter().any(|name| dir.join(name).exists())
        })
        .filter(|dir| dir.canonicalize().ok() != own)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use crate::scratch::Scratch;

    fn worst(name: &str, value: &str) -> (Verdict, String) {
        let get = |asked: &str| (asked == name).then(|| value.to_owned());
        let found = findings(&get);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].verdict, found[0].fix.clone())
    }

    #[test]
    fn a_clean_environment_is_one_ok() {
        let found = findings(&|_| None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].verdict, Verdict::Ok);
    }

    #[test]
    fn each_variable_is_judged_and_has_a_fix() {
        for (name, value, verdict) in [
            ("LIBTORCH_USE_PYTORCH", "1", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "0", Verdict::Fail),
            ("LIBTORCH_CXX11_ABI", "1", Verdict::Warn),
            ("LIBTORCH_BYPASS_VERSION_CHECK", "1", Verdict::Warn),
            ("LIBTORCH_STATIC", "1", Verdict::Fail),
            ("LIBTORCH_STATIC", "0", Verdict::Ok),
            ("LIBTORCH_INCLUDE", "/x", Verdict::Warn),
            ("LIBTORCH_LIB", "/x", Verdict::Warn),
            ("RUSTFLAGS", "-C target-cpu=native", Verdict::Warn),
        ] {
            let (found, fix) = worst(name, value);
            assert_eq!(found, verdict, "{name}={value}");
            assert_eq!(fix.is_empty(), verdict == Verdict::Ok, "{name}={value}");
        }
    }

    #[test]
    fn another_libtorch_in_the_library_path_is_found() {
        let scratch = Scratch::new("path").unwrap();
        let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
        for dir in [ours.join("lib"), theirs.clone(), scratch.path().join("empty")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        std::fs::write(ours.join("lib/libtorch_cpu.so"), "").unwrap();
        std::fs::write(theirs.join("libc10.so"), "").unwrap();
        let path =
            std::env::join_paths([&ours.join("lib"), &theirs, &scratch.path().join("empty")])
                .unwrap();
        assert_eq!(foreign_libtorch(Some(&path), &ours), [theirs]);
        assert!(foreign_libtorch(None, &ours).is_empty());
    }
}
