use super::*;
use crate::scratch::Scratch;
use zip::write::SimpleFileOptions;

const LIB: &str = "torch/lib/libtorch_cpu.so";

/// A wheel with one library whose RECORD says `recorded`.
fn wheel_with(content: &[u8], recorded: &[u8], folder: &Path) -> PathBuf {
    let path = folder.join("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    };
    add(LIB, content);
    add("torch/__init__.py", b"not needed");
    let hash = base64_of(&Sha256::digest(recorded));
    add(
        "torch-2.13.0.dist-info/RECORD",
        format!("{LIB},sha256={hash},{}\n", content.len()).as_bytes(),
    );
    zip.finish().unwrap();
    path
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let chunks = bits.as_bytes().chunks(6);
    let value = |chunk: &[u8]| {
        let text = format!("{:0<6}", std::str::from_utf8(chunk).unwrap());
        usize::from_str_radix(&text, 2).unwrap()
    };
    chunks.map(|chunk| DIGITS[value(chunk)] as char).collect()
}

fn torch(sha256: Option<&'static str>) -> Wheel {
    Wheel { name: "torch", version: "2.13.0", bytes: 0, sha256 }
}

#[test]
fn base64_decodes_what_pip_writes() {
    assert_eq!(base64("_-8").unwrap(), [0xff, 0xef]);
    assert_eq!(base64("TWFu").unwrap(), b"Man");
    assert_eq!(base64("T+Fu"), None);
    let bytes: Vec<u8> = (0..32u32).map(|i| (i * 37 % 251) as u8).collect();
    assert_eq!(base64(&base64_of(&bytes)).unwrap(), bytes);
}

#[test]
fn only_what_is_needed_is_unpacked() {
    let scratch = Scratch::new("wheel").unwrap();
    let path = wheel_with(b"code", b"code", scratch.path());
    let out = scratch.path().join("out");
    unpack(&path, Platform::LinuxX86_64, Form::Cpu, &out).unwrap();
    assert_eq!(std::fs::read(out.join(LIB)).unwrap(), b"code");
    assert!(!out.join("torch/__init__.py").exists());
}

#[test]
fn a_file_that_differs_from_record_is_refused() {
    let scratch = Scratch::new("wheel").unwrap();
    let path = wheel_with(b"code", b"other", scratch.path());
    let error = unpack(&path, Platform::LinuxX86_64, Form::Cpu, scratch.path()).unwrap_err();
    assert!(error.to_string().contains("RECORD"), "{error}");
}

#[test]
fn a_torn_wheel_is_corrupt() {
    let scratch = Scratch::new("wheel").unwrap();
    let path = wheel_with(b"code", b"code", scratch.path());
    check(&path, &torch(None)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    assert!(check(&path, &torch(None)).unwrap_err().to_string().contains("corrupt"));
    let error = check(&path, &torch(Some("00"))).unwrap_err().to_string();
    assert!(error.contains("corrupt") && error.contains("00 expected"), "{error}");
}

#[test]
fn wheels_are_found_by_their_file_names() {
    let scratch = Scratch::new("wheel").unwrap();
    for name in
        ["torch-2.13.0-cp311.whl", "torch-2.13.0%2Bcpu-cp311.whl", "nvidia_nvtx-13.0.85-py3.whl"]
    {
        std::fs::write(scratch.path().join(name), "").unwrap();
    }
    let found = |name, version| {
        let wheel = Wheel { name, version, bytes: 0, sha256: None };
        find(&wheel, scratch.path()).map(|path| path.file_name().unwrap().to_owned())
    };
    assert_eq!(found("torch", "2.13.0").unwrap(), "torch-2.13.0-cp311.whl");
    assert_eq!(found("torch", "2.13.0+cpu").unwrap(), "torch-2.13.0%2Bcpu-cp311.whl");
    assert_eq!(found("nvidia-nvtx", "13.0.85").unwrap(), "nvidia_nvtx-13.0.85-py3.whl");
    assert_eq!(found("nvidia-nvtx", "13.0.8"), None);
}

#[test]
fn the_first_index_is_left_quickly_and_alone() {
    let pip = ["python3".to_owned(), "-m".to_owned(), "pip".to_owned()];
    let line = |index| {
        let command = pip_download(&pip, &torch(None), Platform::LinuxX86_64, index);
        let args: Vec<_> =
            command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        args.join(" ")
    };
    assert!(
        line(Index::PyTorchCpu)
            .contains("--index-url https://download.pytorch.org/whl/cpu --timeout 8 --retries 0")
    );
    assert!(!line(Index::Registry).contains("--index-url"), "the user's own pip settings decide");
    assert!(line(Index::Registry).ends_with(" torch==2.13.0"));
}

/// A pip that copies `wheel` to where -d says, or fails in pip's words if there is none.
fn fake_pip(wheel: Option<&Path>, folder: &Path) -> Vec<String> {
    let script = folder.join("pip.sh");
    let action = match wheel {
        Some(wheel) => format!("cp {} \"$d\"", wheel.display()),
        None => "echo 'ERROR: No matching distribution found' >&2; exit 1".to_owned(),
    };
    let text = format!("while [ $# -gt 0 ]; do [ \"$1\" = -d ] && d=$2; shift; done\n{action}\n");
    std::fs::write(&script, text).unwrap();
    vec!["sh".into(), script.display().to_string()]
}

#[test]
fn a_corrupt_wheel_is_fetched_again_and_a_whole_one_is_kept() {
    let scratch = Scratch::new("wheel").unwrap();
    let (good, kept, partial) =
        (scratch.path().join("good"), scratch.path().join("kept"), scratch.path().join("partial"));
    for folder in [&good, &kept] {
        std::fs::create_dir(folder).unwrap();
    }
    let wheel_path = wheel_with(b"code", b"code", &good);
    let stale = kept.join(wheel_path.file_name().unwrap());
    std::fs::write(&stale, "half a download").unwrap();
    let obtain = |pip: &[String]| {
        obtain(pip, &torch(None), Platform::LinuxX86_64, Index::Registry, &kept, &partial)
    };
    let found = obtain(&fake_pip(Some(&wheel_path), scratch.path())).unwrap();
    assert_eq!(std::fs::read(found).unwrap(), std::fs::read(&wheel_path).unwrap());
    let none = fake_pip(None, scratch.path());
    obtain(&none).expect("what is whole is not asked for again");
    std::fs::remove_file(&stale).unwrap();
    let error = format!("{:#}", obtain(&none).unwrap_err());
    assert_eq!(error, "torch 2.13.0: sh failed: ERROR: No matching distribution found");
}
