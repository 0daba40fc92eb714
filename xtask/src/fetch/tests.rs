use super::*;
use crate::scratch::Scratch;
use std::io::{BufRead, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Serves `body` on the loopback, honours Range, cuts the first answer short after `cut` bytes,
/// and records what was asked for. A path that ends in /missing is not found.
fn server(body: Vec<u8>, cut: Option<usize>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for (i, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request: Vec<String> =
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let range = request.iter().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("range: bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            });
            log.lock().unwrap().push(request.join("|"));
            let from: usize = range.unwrap_or(0);
            if request[0].contains("/missing") {
                let _ = write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            if from >= body.len() {
                let _ = write!(stream, "HTTP/1.1 416 Range\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let last = body.len() - 1;
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{last}/{}\r\nConnection: close\r\n\r\n",
                body.len() - from,
                body.len()
            );
            let end = if i == 0 { cut.unwrap_or(body.len()) } else { body.len() };
            let _ = stream.write_all(&body[from..end.max(from)]);
        }
    });
    (url, asked)
}

fn body() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ (i >> 9) as u8).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[test]
fn a_whole_file_arrives_and_is_not_fetched_twice() {
    let folder = Scratch::new("whole").unwrap();
    let (url, asked) = server(body(), None);
    let dest = folder.path().join("deep/file.bin");
    for _ in 0..2 {
        fetch(&format!("{url}/file.bin"), &dest, Some(&hash(&body())), 1 << 20).unwrap();
    }
    assert_eq!(std::fs::read(&dest).unwrap(), body());
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(dest.parent().unwrap()).unwrap().count(), 1, "no leftovers");
}

#[test]
fn an_interrupted_download_is_resumed() {
    let folder = Scratch::new("resume").unwrap();
    let (url, asked) = server(body(), None);
    let dest = folder.path().join("file.bin");
    std::fs::write(folder.path().join("file.bin.part"), &body()[..70_000]).unwrap();
    fetch(&format!("{url}/file.bin"), &dest, Some(&hash(&body())), 1 << 20).unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), body());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].to_ascii_lowercase().contains("range: bytes=70000-"), "{asked:?}");
}

#[test]
fn a_cut_connection_keeps_what_arrived_and_no_file() {
    let folder = Scratch::new("cut").unwrap();
    let (url, _) = server(body(), Some(50_000));
    let dest = folder.path().join("file.bin");
    fetch(&format!("{url}/file.bin"), &dest, Some(&hash(&body())), 1 << 20).unwrap_err();
    assert!(!dest.exists());
    fetch(&format!("{url}/file.bin"), &dest, Some(&hash(&body())), 1 << 20).unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), body());
}

#[test]
fn a_stale_part_is_thrown_away() {
    let folder = Scratch::new("stale").unwrap();
    let (url, _) = server(body(), None);
    let dest = folder.path().join("file.bin");
    std::fs::write(folder.path().join("file.bin.part"), vec![7; 1_000]).unwrap();
    fetch(&format!("{url}/file.bin"), &dest, Some(&hash(&body())), 1 << 20).unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), body());
}

#[test]
fn wrong_content_is_named_and_never_kept() {
    let folder = Scratch::new("wrong").unwrap();
    let (url, _) = server(body(), None);
    let dest = folder.path().join("file.bin");
    let wrong = hash(b"something else");
    let error = fetch(&format!("{url}/file.bin"), &dest, Some(&wrong), 1 << 20).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&wrong) && text.contains(&hash(&body())), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn more_than_the_limit_is_refused() {
    let folder = Scratch::new("limit").unwrap();
    let (url, _) = server(body(), None);
    let dest = folder.path().join("file.bin");
    let error = fetch(&format!("{url}/file.bin"), &dest, None, 1_000).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
    assert!(!dest.exists());
}

#[test]
fn a_missing_file_and_a_dead_host_are_one_sentence() {
    let folder = Scratch::new("missing").unwrap();
    let (url, _) = server(body(), None);
    let error =
        fetch(&format!("{url}/missing"), &folder.path().join("a"), None, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        fetch(&format!("http://{closed}/x"), &folder.path().join("b"), None, 1).unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[test]
fn a_client_is_reported_by_its_own_words() {
    let error = run_client(Command::new("no-such-client").arg("x"), "get it", &mut || {});
    assert_eq!(error.unwrap_err().to_string(), "no-such-client is not installed: get it");
    let mut sh = Command::new("sh");
    sh.args(["-c", "echo starting; echo 'ERROR: no such package' >&2; echo hint >&2; exit 3"]);
    let error = run_client(&mut sh, "", &mut || {}).unwrap_err();
    assert_eq!(error.to_string(), "sh failed: ERROR: no such package");
    let output = run_client(Command::new("echo").arg("fine"), "", &mut || {}).unwrap();
    assert_eq!(output, "fine\n");
}

#[test]
fn redirects_leave_the_last_length() {
    let folder = Scratch::new("headers").unwrap();
    let file = folder.path().join("h");
    let redirect = "HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\n";
    std::fs::write(&file, redirect).unwrap();
    assert_eq!(content_length(&file), None);
    std::fs::write(&file, format!("{redirect}HTTP/2 200\r\ncontent-length: 77\r\n\r\n")).unwrap();
    assert_eq!(content_length(&file), Some(77));
}
