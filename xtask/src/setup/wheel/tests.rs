use super::*;
use sha2::{Digest, Sha256};
use std::io::Write;
use tempfile::tempdir;
use zip::write::SimpleFileOptions;

const LIB: &str = "torch/lib/libtorch_cpu.so";

/// A wheel with one library whose RECORD says `recorded`.
fn wheel_with(content: &[u8], recorded: &[u8], folder: &Path) -> PathBuf {
    let path = folder.join("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(recorded));
    let record = format!("{LIB},sha256={hash},{}\ntorch/RECORD,,\n", content.len());
    for (name, bytes) in [
        (LIB, content),
        ("torch/__init__.py", b"not needed"),
        ("torch-2.13.0.dist-info/RECORD", record.as_bytes()),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn wheel(name: &str, version: &str, sha256: Option<&str>) -> Wheel {
    Wheel { name: name.into(), version: version.into(), bytes: 0, sha256: sha256.map(Into::into) }
}

fn torch(sha256: Option<&str>) -> Wheel {
    wheel("torch", "2.13.0", sha256)
}

#[test]
fn only_what_is_needed_is_unpacked_and_what_differs_from_record_is_refused() {
    let scratch = tempdir().unwrap();
    let unpack = |recorded: &[u8], out: &Path| {
        let path = wheel_with(b"code", recorded, scratch.path());
        unpack(&path, Form::Cpu, out)
    };
    let out = scratch.path().join("out");
    unpack(b"code", &out).unwrap();
    assert_eq!(std::fs::read(out.join(LIB)).unwrap(), b"code");
    assert!(!out.join("torch/__init__.py").exists());
    let error = unpack(b"other", &out).unwrap_err();
    assert!(error.to_string().contains("RECORD"), "{error}");
}

#[test]
fn a_torn_wheel_is_corrupt() {
    let scratch = tempdir().unwrap();
    let path = wheel_with(b"code", b"code", scratch.path());
    check(&path, &torch(None)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    for (sha256, reason) in [(None, "corrupt"), (Some("00"), "corrupt: sha256 00 expected")] {
        let error = check(&path, &torch(sha256)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn wheels_are_found_by_their_file_names() {
    let scratch = tempdir().unwrap();
    for (name, version, file) in [
        ("torch", "2.13.0", Some("torch-2.13.0-cp311.whl")),
        ("torch", "2.13.0+cpu", Some("torch-2.13.0%2Bcpu-cp311.whl")),
        ("nvidia-nvtx", "13.0.85", Some("nvidia_nvtx-13.0.85-py3.whl")),
        ("nvidia-nvtx", "13.0.8", None),
    ] {
        if let Some(file) = file {
            std::fs::write(scratch.path().join(file), "").unwrap();
        }
        let found = find(&wheel(name, version, None), scratch.path());
        assert_eq!(found, file.map(|file| scratch.path().join(file)));
    }
}

/// With a pip that copies `wheel` to where -d says, or fails in pip's words if there is none.
fn fetcher(wheel: Option<&Path>, folder: &Path) -> Fetcher {
    let script = folder.join("pip.sh");
    let action = match wheel {
        Some(wheel) => format!("cp {} \"$d\"", wheel.display()),
        None => "echo 'ERROR: No matching distribution found' >&2; exit 1".to_owned(),
    };
    let text = format!("while [ $# -gt 0 ]; do [ \"$1\" = -d ] && d=$2; shift; done\n{action}\n");
    std::fs::write(&script, text).unwrap();
    Fetcher {
        pip: vec!["sh".into(), script.display().to_string()],
        tags: vec!["manylinux_2_28_x86_64".into()],
        downloads: folder.join("kept"),
        partial: folder.join("partial"),
    }
}

#[test]
fn the_first_index_is_left_quickly_and_alone() {
    let scratch = tempdir().unwrap();
    let line = |index| {
        let command = fetcher(None, scratch.path()).pip_download(&torch(None), index);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    };
    let first = "--index-url https://download.pytorch.org/whl/cpu --timeout 8 --retries 0";
    assert!(line(Index::PyTorchCpu).contains(first));
    assert!(!line(Index::Registry).contains("--index-url"), "the user's own pip settings decide");
    assert!(line(Index::Registry).ends_with(" --platform manylinux_2_28_x86_64 torch==2.13.0"));
}

#[test]
fn a_corrupt_wheel_is_fetched_again_and_a_whole_one_is_kept() {
    let scratch = tempdir().unwrap();
    let good = wheel_with(b"code", b"code", scratch.path());
    let obtain = |wheel| fetcher(wheel, scratch.path()).obtain(&torch(None), Index::Registry);
    let stale = scratch.path().join("kept").join(files::name(&good));
    files::write(&stale, "half a download").unwrap();
    let found = obtain(Some(&good)).unwrap();
    assert_eq!(std::fs::read(found).unwrap(), std::fs::read(&good).unwrap());
    obtain(None).expect("what is whole is not asked for again");
    std::fs::remove_file(&stale).unwrap();
    let error = format!("{:#}", obtain(None).unwrap_err());
    assert_eq!(error, "torch 2.13.0: sh failed: ERROR: No matching distribution found");
}
