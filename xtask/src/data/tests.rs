use super::manifest::{File, Source};
use super::*;
use crate::fetch::sha256_of;
use crate::scratch::Scratch;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;

const CONTENT: &[u8] = b"sixty thousand digits";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn digest(scratch: &Scratch, bytes: &[u8]) -> String {
    let path = scratch.path().join("to-digest");
    fs::write(&path, bytes).unwrap();
    sha256_of(&path).unwrap()
}

/// A set of one file with known content and no way to download it.
fn set(scratch: &Scratch) -> Set {
    let sha256 = Some(digest(scratch, CONTENT));
    let mut set = repository_manifest().select(&["mnist".into()]).unwrap()[0].clone();
    set.files = vec![File { name: "digits".into(), size: CONTENT.len() as u64, sha256 }];
    set.sources = vec![Source::Mirror { url: "file:///nowhere/".into(), suffix: ".gz".into() }];
    set
}

/// The same file, but only in an archive, with no digest of its own.
fn archived(scratch: &Scratch, folder: &Path, content: &[u8]) -> Set {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in [("inside/digits", content), ("inside/other", b"not asked for")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, content).unwrap();
    }
    let archive = gz(&tar.into_inner().unwrap());
    fs::write(folder.join("set.tar.gz"), &archive).unwrap();
    let mut set = set(scratch);
    set.files[0].sha256 = None;
    set.sources = vec![Source::Archive {
        url: format!("file://{}/set.tar.gz", folder.display()),
        size: archive.len() as u64,
        sha256: digest(scratch, &archive),
        folder: "inside".into(),
    }];
    set
}

fn folder(scratch: &Scratch, name: &str) -> PathBuf {
    let folder = scratch.path().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn repository_manifest() -> Manifest {
    Manifest::read(&Repo::find().unwrap().root.join("datasets/manifest.toml")).unwrap()
}

fn said(outcome: Result<()>) -> String {
    format!("{:#}", outcome.unwrap_err())
}

#[test]
fn the_manifest_describes_whole_sets() {
    let manifest = repository_manifest();
    let sets = manifest.select(&["all".into()]).unwrap();
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["mnist", "fashion", "cifar10"]);
    for set in sets {
        assert!(!set.licence.is_empty() && !set.sources.is_empty());
        let archived = set.sources.iter().any(|source| matches!(source, Source::Archive { .. }));
        for file in &set.files {
            let hash = file.sha256.as_deref();
            assert!(archived || hash.is_some(), "{}: no digest", file.name);
            assert!(hash.is_none_or(|hash| hash.len() == 64), "{}", file.name);
        }
    }
    let unknown = manifest.select(&["mnits".into()]).unwrap_err().to_string();
    assert!(unknown.contains("\"mnits\"; choose from mnist, fashion, cifar10, all"), "{unknown}");
}

#[test]
fn plain_and_gzipped_files_are_installed_once() {
    let scratch = Scratch::new("data").unwrap();
    let set = set(&scratch);
    for (name, bytes) in [("digits", CONTENT.to_vec()), ("digits.gz", gz(CONTENT))] {
        let from = folder(&scratch, &format!("from-{name}"));
        let dest = scratch.path().join(format!("to-{name}"));
        fs::write(from.join(name), bytes).unwrap();
        provide(&set, &dest, Some(&from)).unwrap();
        assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
        assert!(!dest.join(".part").exists(), "nothing is left behind");
        provide(&set, &dest, Some(Path::new("gone"))).expect("complete: the source is not asked");
    }
}

#[test]
fn what_is_not_the_file_is_refused_and_nothing_changes() {
    let scratch = Scratch::new("data").unwrap();
    let set = set(&scratch);
    let from = folder(&scratch, "from");
    let dest = scratch.path().join("to");
    let mut other = CONTENT.to_vec();
    other[0] ^= 1;
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("digits", other, "expected, "),
        ("digits", CONTENT[1..].to_vec(), "21 bytes expected, 20 found"),
        ("digits", [CONTENT, b"!"].concat(), "21 bytes expected, more found"),
        ("digits.gz", gz(CONTENT)[..20].to_vec(), "digits.gz: "),
        ("digits.gz", gz(&[CONTENT; 9].concat()), "21 bytes expected, more found"),
    ];
    for (name, bytes, saying) in cases {
        fs::write(from.join(name), bytes).unwrap();
        let message = said(provide(&set, &dest, Some(&from)));
        assert!(message.contains(saying), "{message}");
        assert!(!dest.exists(), "no trace of {name}");
        fs::remove_file(from.join(name)).unwrap();
    }
    let message = said(provide(&set, &dest, Some(&from)));
    assert!(message.contains("holds neither digits nor digits.gz"), "{message}");
    let message = said(provide(&set, &dest, Some(&from.join("gone"))));
    assert!(message.contains("there is no folder"), "{message}");
}

#[test]
fn a_damaged_install_is_noticed_and_replaced() {
    let scratch = Scratch::new("data").unwrap();
    let set = set(&scratch);
    let (from, dest) = (folder(&scratch, "from"), folder(&scratch, "to"));
    fs::write(from.join("digits"), CONTENT).unwrap();
    fs::write(dest.join("digits"), vec![0; CONTENT.len()]).unwrap();
    provide(&set, &dest, Some(&from)).unwrap();
    assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
}

#[test]
fn an_archive_vouches_for_its_files() {
    let scratch = Scratch::new("data").unwrap();
    let (from, dest) = (folder(&scratch, "from"), scratch.path().join("to"));
    let set = archived(&scratch, &from, CONTENT);
    // By download first, then by --from; neither leaves anything but the file and its digest.
    for given in [None, Some(from.as_path())] {
        provide(&set, &dest, given).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&dest).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["SHA256SUMS", "digits"]);
        assert!(install::is_complete(&set, &dest));
        fs::write(dest.join("digits"), vec![0; CONTENT.len()]).unwrap();
        assert!(!install::is_complete(&set, &dest), "the recorded digest is checked");
    }
    // A loose file, of which nobody can say whether it is the right one.
    fs::remove_file(from.join("set.tar.gz")).unwrap();
    fs::write(from.join("digits"), CONTENT).unwrap();
    let message = said(provide(&set, &dest, Some(&from)));
    assert!(message.contains("no published sha256"), "{message}");
}

#[test]
fn another_archive_is_refused() {
    let scratch = Scratch::new("data").unwrap();
    let (from, dest) = (folder(&scratch, "from"), scratch.path().join("to"));
    let set = archived(&scratch, &from, CONTENT);
    archived(&scratch, &from, b"sixty thousand diggers");
    for given in [None, Some(from.as_path())] {
        let message = said(provide(&set, &dest, given));
        let saying = if given.is_some() { "get it again" } else { "no source answered" };
        assert!(message.contains(saying), "{message}");
        assert!(!dest.join("digits").exists());
    }
}

#[test]
fn offline_one_message_lists_files_and_places() {
    let scratch = Scratch::new("data").unwrap();
    let set = set(&scratch);
    let dest = scratch.path().join("to/mnist");
    let message = said(provide(&set, &dest, None));
    let hash = digest(&scratch, CONTENT);
    for part in ["digits  21 bytes", &hash, "from file:///nowhere/", "--from FOLDER", "to/mnist"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!dest.exists(), "no empty folder is left behind");
    let from = folder(&scratch, "archive");
    let set = archived(&scratch, &from, CONTENT);
    let message = by_hand(&set, &dest);
    let archive = digest(&scratch, &fs::read(from.join("set.tar.gz")).unwrap());
    assert!(message.contains("  set.tar.gz  ") && message.contains(&archive), "{message}");
    assert!(message.contains("which puts digits into"), "{message}");
}

#[test]
fn the_next_source_is_tried_when_one_fails() {
    let scratch = Scratch::new("data").unwrap();
    let (mirror, dest) = (folder(&scratch, "mirror"), scratch.path().join("to"));
    let mut set = set(&scratch);
    for (name, content) in [("wrong", &b"another file entirely"[..]), ("right", CONTENT)] {
        let folder = folder(&scratch, &format!("mirror/{name}"));
        fs::write(folder.join("digits.gz"), gz(content)).unwrap();
        let url = format!("file://{}/{name}/", mirror.display());
        set.sources.push(Source::Mirror { url, suffix: ".gz".into() });
    }
    provide(&set, &dest, None).unwrap();
    assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
}
