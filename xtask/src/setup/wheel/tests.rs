use super::*;
use crate::pip::tests::wheel;
use tempfile::tempdir;

const LIB: &str = "torch/lib/libtorch_cpu.so";
const WHEEL: &str = "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl";

/// One library that is needed, one file that is not, and one outside of every folder.
const ENTRIES: [&str; 3] = [LIB, "torch/__init__.py", "../torch/include/evil.h"];

#[test]
fn only_what_is_needed_is_unpacked_and_damage_is_noticed() {
    let scratch = tempdir().unwrap();
    let (path, out) = (scratch.path().join(WHEEL), scratch.path().join("deep/out"));
    wheel(&path, &ENTRIES);
    unpack(&path, Form::Cpu, &out).unwrap();
    assert_eq!(std::fs::read(out.join(LIB)).unwrap(), b"code");
    assert_eq!(files::below(&scratch.path().join("deep")).count(), 1);
    let whole = std::fs::read(&path).unwrap();
    let mut bent = whole.clone();
    let place = whole.windows(4).position(|bytes| bytes == b"code").unwrap();
    bent[place] = b'm';
    for (bytes, reason) in [(&bent[..], "cannot unpack"), (&whole[..whole.len() - 30], "corrupt")] {
        std::fs::write(&path, bytes).unwrap();
        let error = unpack(&path, Form::Cpu, &out).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_first_index_is_left_quickly_and_alone() {
    let fetcher = Fetcher {
        pip: vec!["pip".into()],
        tags: vec!["manylinux_2_28_x86_64".into()],
        downloads: "kept".into(),
        partial: "partial".into(),
    };
    let line = |index| {
        let command = fetcher.pip_download(index);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    };
    assert!(line(Some("https://x")).ends_with("--index-url https://x --timeout 8 --retries 0"));
    assert!(!line(None).contains("--index-url"), "the user's own pip settings decide");
    assert!(line(None).ends_with(" --platform manylinux_2_28_x86_64"));
}

/// With the real pip, which knows no other packages than those in `shelf`.
#[test]
fn a_wheel_is_checked_and_when_torn_fetched_again() {
    let scratch = tempdir().unwrap();
    let shelf = scratch.path().join("shelf").join(WHEEL);
    wheel(&shelf, &[LIB]);
    let mut pip: Vec<String> = vec!["env".into(), "PIP_NO_INDEX=1".into()];
    pip.push(format!("PIP_FIND_LINKS={}", shelf.parent().unwrap().display()));
    pip.extend(pip::find().unwrap());
    let fetcher = Fetcher {
        pip,
        tags: vec!["manylinux_2_28_x86_64".into()],
        downloads: scratch.path().join("kept"),
        partial: scratch.path().join("partial"),
    };
    let obtain = |sha256: String| {
        let (name, version) = ("torch".into(), "2.13.0".into());
        let wheel = Wheel { name, version, bytes: 0, sha256: Some(sha256), index: None };
        fetcher.obtain(&wheel).map_err(|error| format!("{error:#}"))
    };
    let torn = fetcher.downloads.join("torch-2.13.0").join(WHEEL);
    files::write(&torn, "half a download").unwrap();
    let kept = obtain(files::sha256_of(&shelf).unwrap()).unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), std::fs::read(&shelf).unwrap());
    let error = obtain("0".repeat(64)).unwrap_err();
    assert!(error.starts_with("torch 2.13.0: env failed: ERROR: THESE PACKAGES DO NOT"), "{error}");
}
