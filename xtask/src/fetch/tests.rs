use super::*;
use crate::files;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use tempfile::{TempDir, tempdir};

const LIMIT: u64 = 1 << 20;

/// A file to fetch, and a place in a folder that is not there yet.
fn setting() -> (TempDir, String, PathBuf) {
    let scratch = tempdir().unwrap();
    let source = scratch.path().join("source.bin");
    std::fs::write(&source, body()).unwrap();
    let dest = scratch.path().join("deep/file.bin");
    (scratch, format!("file://{}", source.display()), dest)
}

fn body() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ (i >> 9) as u8).collect()
}

fn hash() -> String {
    files::hash(&body()[..], std::io::sink()).unwrap().1
}

/// The address of a server that says this once, whatever it is asked.
fn server(head: &'static str, length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.0 {head}\r\n\r\n");
        let _ = stream.write_all(&body()[..length]);
    });
    url
}

fn failure(url: &str, dest: &Path, sha256: Option<&str>, limit: u64) -> String {
    let error = fetch(url, dest, sha256, limit).unwrap_err().to_string();
    assert!(!dest.exists() && error.lines().count() == 1, "{error}");
    error
}

#[test]
fn a_whole_file_arrives_and_is_not_fetched_twice() {
    let (_scratch, url, dest) = setting();
    for url in [url.as_str(), "file:///no/such/file"] {
        fetch(url, &dest, Some(&hash()), LIMIT).unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), body());
        assert_eq!(files::entries(dest.parent().unwrap()).count(), 1, "no leftovers");
    }
}

#[test]
fn an_interrupted_download_is_resumed_and_a_stale_part_thrown_away() {
    let (_scratch, url, dest) = setting();
    let part = with_suffix(&dest, ".part");
    let resumed = [&[7; 1_000], &body()[1_000..]].concat();
    for (sha256, expected) in [(None, &resumed), (Some(hash()), &body())] {
        files::write(&part, &"\u{7}".repeat(1_000)).unwrap();
        fetch(&url, &dest, sha256.as_deref(), LIMIT).unwrap();
        assert!(std::fs::read(&dest).unwrap() == *expected);
        std::fs::remove_file(&dest).unwrap();
    }
}

#[test]
fn a_cut_connection_keeps_what_arrived_and_no_file() {
    let (_scratch, _, dest) = setting();
    let cut = server("200 OK\r\nContent-Length: 200000", 50_000);
    failure(&cut, &dest, Some(&hash()), LIMIT);
    assert_eq!(std::fs::read(with_suffix(&dest, ".part")).unwrap(), body()[..50_000]);
}

#[test]
fn what_is_wrong_or_too_large_is_told_and_never_kept() {
    let (_scratch, url, dest) = setting();
    let wrong = "0".repeat(64);
    let other = format!("sha256 {wrong} expected, {} found", hash());
    for (url, sha256, limit, reason) in [
        (&url, Some(wrong.as_str()), LIMIT, other.as_str()),
        (&url, None, 1_000, "larger than"),
        (&server("200 OK", 200_000), None, 1_000, "larger than"),
        (&server("404 Not Found", 0), None, LIMIT, "404"),
        (&"http://127.0.0.1:1/file.bin".to_owned(), None, LIMIT, "/file.bin: (7) "),
    ] {
        let error = failure(url, &dest, sha256, limit);
        assert!(error.contains(reason), "{error}");
        assert_eq!(files::below(dest.parent().unwrap()).count(), 0, "{error}");
    }
}
