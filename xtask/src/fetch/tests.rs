use super::*;
use crate::files;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tempfile::{TempDir, tempdir};

/// A server on the loopback, and a folder to download into.
struct Setting {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Setting {
    /// The server cuts its first answer short after `cut` bytes, if that is given.
    fn new(cut: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                let end = cut.filter(|_| i == 0).unwrap_or(body().len());
                log.lock().unwrap().push(answer(stream.unwrap(), end));
            }
        });
        Self { url, asked, folder: tempdir().unwrap() }
    }

    fn fetch(&self, sha256: Option<&str>, size_limit: u64) -> Result<(), String> {
        self.fetch_from("file.bin", sha256, size_limit)
    }

    fn fetch_from(&self, name: &str, sha256: Option<&str>, limit: u64) -> Result<(), String> {
        let url = format!("{}/{name}", self.url);
        fetch(&url, &self.dest(), sha256, limit).map_err(|error| error.to_string())
    }

    fn dest(&self) -> std::path::PathBuf {
        self.folder.path().join("deep/file.bin")
    }

    fn begin(&self, part: &[u8]) {
        std::fs::create_dir_all(self.folder.path().join("deep")).unwrap();
        std::fs::write(with_suffix(&self.dest(), ".part"), part).unwrap();
    }

    fn assert_whole(&self) {
        assert_eq!(std::fs::read(self.dest()).unwrap(), body());
        assert_eq!(files::below(self.folder.path()).count(), 1, "no leftovers");
    }
}

/// Sends the body up to `end`, honouring Range, and returns what was asked for. /missing is not
/// found, and the length of /unannounced is not announced.
fn answer(mut stream: TcpStream, end: usize) -> String {
    let body = body();
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let request = request.join("|").to_ascii_lowercase();
    let range = request.split_once("range: bytes=").and_then(|(_, rest)| rest.split_once('-'));
    let from: usize = range.map_or(0, |(from, _)| from.parse().unwrap());
    let (status, length) = match from {
        _ if request.contains("/missing") => ("404 Not Found", 0),
        0 => ("200 OK", body.len()),
        from if from < body.len() => ("206 Partial Content", body.len() - from),
        _ => ("416 Range", 0),
    };
    let announced = match request.contains("/unannounced") {
        true => String::new(),
        false => format!("Content-Length: {length}\r\n"),
    };
    let (last, total) = (body.len() - 1, body.len());
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{announced}Content-Range: bytes {from}-{last}/{total}\r\n\
         Connection: close\r\n\r\n"
    );
    if length > 0 {
        let _ = stream.write_all(&body[from..end.max(from)]);
    }
    request
}

fn body() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ (i >> 9) as u8).collect()
}

fn hash() -> String {
    files::hash(&body()[..], std::io::sink()).unwrap().1
}

#[test]
fn a_whole_file_arrives_and_is_not_fetched_twice() {
    let setting = Setting::new(None);
    for _ in 0..2 {
        setting.fetch(Some(&hash()), 1 << 20).unwrap();
    }
    setting.assert_whole();
    assert_eq!(setting.asked.lock().unwrap().len(), 1);
}

#[test]
fn an_interrupted_download_is_resumed_and_a_stale_part_thrown_away() {
    for (part, requests) in [(&body()[..70_000], 1), (&[7; 1_000], 2)] {
        let setting = Setting::new(None);
        setting.begin(part);
        setting.fetch(Some(&hash()), 1 << 20).unwrap();
        setting.assert_whole();
        let asked = setting.asked.lock().unwrap();
        assert_eq!(asked.len(), requests);
        assert!(asked[0].contains(&format!("range: bytes={}-", part.len())), "{asked:?}");
    }
}

#[test]
fn a_cut_connection_keeps_what_arrived_and_no_file() {
    let setting = Setting::new(Some(50_000));
    setting.fetch(Some(&hash()), 1 << 20).unwrap_err();
    assert!(!setting.dest().exists());
    setting.fetch(Some(&hash()), 1 << 20).unwrap();
    setting.assert_whole();
    let asked = setting.asked.lock().unwrap();
    assert!(asked.last().unwrap().contains("range: bytes=50000-"), "{asked:?}");
}

#[test]
fn what_is_wrong_or_too_large_is_told_and_never_kept() {
    let wrong = "0".repeat(64);
    let other = format!("sha256 {wrong} expected, {} found", hash());
    for (name, sha256, limit, reason) in [
        ("file.bin", Some(wrong.as_str()), 1 << 20, other.as_str()),
        ("file.bin", None, 1_000, "larger than"),
        ("unannounced", None, 1_000, "larger than"),
    ] {
        let setting = Setting::new(None);
        let error = setting.fetch_from(name, sha256, limit).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!(files::below(setting.folder.path()).count(), 0);
    }
}

#[test]
fn a_missing_file_and_a_dead_host_are_one_sentence() {
    let setting = Setting::new(None);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = setting.fetch_from("missing", None, 1 << 20).unwrap_err();
    assert!(error.contains("404") && error.lines().count() == 1, "{error}");
    let setting = Setting { url: format!("http://{closed}"), ..setting };
    let error = setting.fetch(None, 1 << 20).unwrap_err();
    assert!(error.contains("/file.bin: (7) "), "{error}");
}
