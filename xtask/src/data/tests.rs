use super::manifest::{File, Source};
use super::*;
use crate::files;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use tempfile::{TempDir, tempdir};

const CONTENT: &[u8] = b"sixty thousand digits";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    files::hash(bytes, std::io::sink()).unwrap().1
}

fn repository_manifest() -> Manifest {
    Manifest::read(&Repo::find().unwrap().root.join("datasets/manifest.toml")).unwrap()
}

/// A set of one file with known content and no way to download it.
fn set() -> Set {
    let mut set = repository_manifest().select(&["mnist".into()]).unwrap()[0].clone();
    let (size, sha256) = (Some(CONTENT.len() as u64), Some(digest(CONTENT)));
    set.files = vec![File { name: "digits".into(), size, sha256 }];
    set.sources = vec![Source::Mirror { url: "file:///nowhere/".into(), suffix: ".gz".into() }];
    set
}

/// The same file, but only in an archive, with no digest of its own.
fn archived(folder: &Path, content: &[u8]) -> Set {
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
    let mut set = set();
    set.files[0].sha256 = None;
    set.sources = vec![Source::Archive {
        url: format!("file://{}/set.tar.gz", folder.display()),
        size: archive.len() as u64,
        sha256: digest(&archive),
        folder: "inside".into(),
    }];
    set
}

/// A folder to take files from, and one that is not there yet to put them into.
fn folders() -> (TempDir, PathBuf, PathBuf) {
    let scratch = tempdir().unwrap();
    let [from, to] = ["from", "to/mnist"].map(|name| scratch.path().join(name));
    fs::create_dir(&from).unwrap();
    (scratch, from, to)
}

fn failure(set: &Set, dest: &Path, from: Option<&Path>) -> String {
    format!("{:#}", provide(set, dest, from).unwrap_err())
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
    let weights = Repo::find().unwrap().root.join("weights/manifest.toml");
    for set in Manifest::read(&weights).unwrap().select(&["all".into()]).unwrap() {
        let hub = set.sources.iter().all(|source| matches!(source, Source::Hub { .. }));
        let known = |file: &File| file.size.is_some() && file.sha256.is_some();
        assert!(set.files.iter().all(|file| hub || known(file)), "{}: no digest", set.name);
    }
    let unknown = manifest.select(&["mnits".into()]).unwrap_err().to_string();
    assert!(unknown.contains("\"mnits\"; choose from mnist, fashion, cifar10, all"), "{unknown}");
}

#[test]
fn plain_and_gzipped_files_replace_a_damaged_install_and_are_installed_once() {
    for (name, bytes) in [("digits", CONTENT.to_vec()), ("digits.gz", gz(CONTENT))] {
        let (_scratch, from, dest) = folders();
        fs::write(from.join(name), bytes).unwrap();
        files::write(&dest.join("digits"), "sixty thousand ducks!").unwrap();
        provide(&set(), &dest, Some(&from)).unwrap();
        assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
        assert!(!dest.join(".part").exists(), "nothing is left behind");
        provide(&set(), &dest, Some(Path::new("gone"))).expect("complete: no source is asked");
    }
}

#[test]
fn what_is_not_the_file_is_refused_and_nothing_changes() {
    let (_scratch, from, dest) = folders();
    let other = [b"S", &CONTENT[1..]].concat();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("digits", other, "expected, "),
        ("digits", CONTENT[1..].to_vec(), "21 bytes expected, 20 found"),
        ("digits", [CONTENT, b"!"].concat(), "21 bytes expected, more found"),
        ("digits.gz", gz(CONTENT)[..20].to_vec(), "digits.gz: "),
        ("digits.gz", gz(&[CONTENT; 9].concat()), "21 bytes expected, more found"),
        ("letters", CONTENT.to_vec(), "holds neither digits nor digits.gz"),
    ];
    for (name, bytes, reason) in cases {
        fs::write(from.join(name), bytes).unwrap();
        let message = failure(&set(), &dest, Some(&from));
        assert!(message.contains(reason), "{message}");
        assert!(!dest.exists(), "no trace of {name}");
        fs::remove_file(from.join(name)).unwrap();
    }
    let message = failure(&set(), &dest, Some(&from.join("gone")));
    assert!(message.contains("there is no folder"), "{message}");
}

#[test]
fn an_archive_vouches_for_its_files() {
    let (_scratch, from, dest) = folders();
    let set = archived(&from, CONTENT);
    // By download first, then by --from; neither leaves anything but the file.
    for given in [None, Some(from.as_path())] {
        provide(&set, &dest, given).unwrap();
        let names: Vec<String> = files::entries(&dest).map(|path| files::name(&path)).collect();
        assert_eq!(names, ["digits"]);
        assert!(install::is_complete(&set, &dest));
        fs::write(dest.join("digits"), "torn").unwrap();
        assert!(!install::is_complete(&set, &dest));
    }
    // Another archive, and a loose file, of which nobody can say whether it is the right one.
    archived(&from, b"sixty thousand diggers");
    for (given, reason) in [(None, "no source answered"), (Some(from.as_path()), "get it again")] {
        let message = failure(&set, &dest, given);
        assert!(message.contains(reason), "{message}");
    }
    fs::remove_file(from.join("set.tar.gz")).unwrap();
    fs::write(from.join("digits"), CONTENT).unwrap();
    let message = failure(&set, &dest, Some(&from));
    assert!(message.contains("no set.tar.gz, and no file in it has a published"), "{message}");
}

#[test]
fn offline_one_message_lists_files_and_places() {
    let (_scratch, from, dest) = folders();
    let message = failure(&set(), &dest, None);
    let hash = digest(CONTENT);
    for part in ["digits  21 bytes", &hash, "from file:///nowhere/", "--from FOLDER", "to/mnist"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!dest.exists(), "no empty folder is left behind");
    let message = by_hand(&archived(&from, CONTENT), &dest);
    let archive = files::sha256_of(&from.join("set.tar.gz")).unwrap();
    for part in ["  set.tar.gz  ", &archive, "which puts digits into"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn the_next_source_is_tried_when_one_fails() {
    let (_scratch, mirror, dest) = folders();
    let mut set = set();
    for (name, content) in [("wrong", &b"another file entirely"[..]), ("right", CONTENT)] {
        fs::create_dir(mirror.join(name)).unwrap();
        fs::write(mirror.join(name).join("digits.gz"), gz(content)).unwrap();
        let url = format!("file://{}/{name}/", mirror.display());
        set.sources.push(Source::Mirror { url, suffix: ".gz".into() });
    }
    provide(&set, &dest, None).unwrap();
    assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
}

/// A hub that answers so many requests: what it says of a large file, and the file.
fn hub(requests: usize, sha256: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = std::io::Read::read(&mut stream, &mut asked).unwrap();
            let head = asked[..length].starts_with(b"HEAD /some/model/resolve/main/digits ");
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nX-Linked-Size: {0}\r\nX-Linked-ETag: \"{sha256}\"\r\n\
                 Content-Length: {0}\r\nConnection: close\r\n\r\n",
                CONTENT.len()
            );
            if !head {
                let _ = stream.write_all(CONTENT);
            }
        }
    });
    format!("http://{address}/some/model")
}

#[test]
fn the_hub_vouches_for_its_large_files() {
    let mut set = set();
    (set.files[0].size, set.files[0].sha256) = (None, None);
    let (_scratch, stage, dest) = folders();
    let found = source::from_hub(&hub(2, digest(CONTENT)), &set, &stage).unwrap();
    install::install(&set, &found, &dest).unwrap();
    assert_eq!(fs::read(dest.join("digits")).unwrap(), CONTENT);
    assert!(install::is_complete(&set, &dest));
    fs::remove_file(stage.join("digits")).unwrap();
    let wrong = source::from_hub(&hub(2, digest(b"another")), &set, &stage).unwrap_err();
    assert!(wrong.to_string().contains("is not the file expected"), "{wrong}");
    assert!(by_hand(&set, &dest).contains("digits  size unknown  sha256 unknown"));
}
