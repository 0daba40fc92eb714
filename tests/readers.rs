//! What people have on their disks and do to a running command, typed as they type it. Every case
//! is a line of `results/trouble/readers.csv`: the command, what it said before it was mended, and
//! what it says now, its exit status first.
#![cfg(unix)]

mod desk;

use desk::{Desk, save_pictures, text};
use from_noise::data::sample;
use image::{ImageFormat, Rgb, RgbImage};
use serde::Deserialize;
use std::fs;
use std::io::{Cursor, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

const TABLE: &str = include_str!("../results/trouble/readers.csv");

#[derive(Debug, Deserialize)]
struct Row {
    case: String,
    before: String,
    /// `1: words`, the exit status and what standard error or output has.
    after: String,
    test: String,
}

fn rows() -> Vec<Row> {
    csv::Reader::from_reader(TABLE.as_bytes()).deserialize().map(Result::unwrap).collect()
}

/// Runs a case of this test and compares it with its row; a refused one leaves no file.
#[track_caller]
fn case(desk: &Desk, test: &str, line: &str) {
    let before = desk.files();
    let mut command = desk.command(line.split(" | ").next().unwrap());
    if line.ends_with(" | true") {
        command.stdout(closed_pipe());
    }
    let out = command.output().unwrap();
    check(test, line, &out);
    if !out.status.success() {
        assert_eq!(desk.files(), before, "{line}");
    }
}

#[track_caller]
fn check(test: &str, line: &str, out: &Output) {
    let rows = rows();
    let row = rows.iter().find(|row| row.case == line && row.test == test);
    let row = row.unwrap_or_else(|| panic!("{test}, {line:?}: no row in readers.csv"));
    let (status, words) = row.after.split_once(": ").unwrap();
    let said = text(&out.stdout) + &text(&out.stderr);
    assert_eq!(out.status.code().map(|code| code.to_string()).as_deref(), Some(status), "{said}");
    assert!(said.contains(words), "{line}: {words:?} is not in: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
}

/// Every row belongs to a test of this file, and says what was amiss.
#[test]
fn every_row_of_the_table_is_tested() {
    let source = include_str!("readers.rs");
    for row in rows() {
        assert!(source.contains(&format!("fn {}(", row.test)), "{row:?}");
        assert!(source.contains(&row.case), "no test types {row:?}");
        assert!(!row.before.is_empty(), "{row:?}");
    }
}

// ---- arrays

/// The bytes of a `.npy` file, as numpy spells its header.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn npz(desk: &Desk, name: &str, members: &[(&str, Vec<u8>)]) {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = FileOptions::default().compression_method(CompressionMethod::Deflated);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    fs::write(desk.path(name), archive.finish().unwrap().into_inner()).unwrap();
}

fn doubles(values: &[f64], bytes: fn(f64) -> [u8; 8]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

const SIGMA: [f64; 4] = [2.0, 0.5, 0.5, 1.0];

/// mu = [3, -1] and sigma, and what else is in the file.
fn statistics(more: Vec<(&'static str, Vec<u8>)>) -> Vec<(&'static str, Vec<u8>)> {
    let mu = npy("<f8", "(2,)", &doubles(&[3.0, -1.0], f64::to_le_bytes));
    let sigma = npy("<f8", "(2, 2)", &doubles(&SIGMA, f64::to_le_bytes));
    more.into_iter().chain([("mu", mu), ("sigma", sigma)]).collect()
}

#[test]
fn a_shape_beyond_64_bits() {
    let desk = Desk::new();
    let case = |line| case(&desk, "a_shape_beyond_64_bits", line);
    let huge = npy("<f4", "(4294967296, 4294967296)", b"");
    fs::write(desk.path("huge.npy"), &huge).unwrap();
    fs::write(desk.path("empty.npy"), npy("<f4", "(0, 4294967296, 4294967296)", b"")).unwrap();
    fs::write(desk.path("dims.npy"), npy("|u1", &format!("({})", "1, ".repeat(70)), b"1")).unwrap();
    npz(&desk, "huge.npz", &[("arr_0", huge.clone())]);
    npz(&desk, "beside.npz", &statistics(vec![("huge", huge)]));
    npz(&desk, "stats.npz", &statistics(vec![]));
    case("cargo from-noise sample weights/mnist-unet-v --noise huge.npy");
    case("cargo from-noise sample weights/mnist-unet-v --noise empty.npy");
    case("cargo from-noise score huge.npy stats.npz");
    case("cargo from-noise score dims.npy stats.npz");
    case("cargo from-noise score huge.npz stats.npz");
    case("cargo from-noise score beside.npz stats.npz");
}

#[test]
fn statistics_beside_other_arrays() {
    let desk = Desk::new();
    let case = |line| case(&desk, "statistics_beside_other_arrays", line);
    let pickled = npy("|O", "(3,)", b"\x80\x04]q\x00.");
    let members = [
        ("pickled.npz", pickled.clone()),
        ("text.npz", npy("<U5", "(1,)", &[0; 20])),
        ("u2.npz", npy("<u2", "(1,)", &[0; 2])),
        ("u8.npz", npy("<u8", "(1,)", &[255; 8])),
        ("complex.npz", npy("<c16", "(1,)", &[0; 16])),
        ("cut.npz", npy("<f8", "(9,)", &[0; 16])),
    ];
    for (name, member) in members {
        npz(&desk, name, &statistics(vec![("more", member)]));
    }
    npz(&desk, "stats.npz", &statistics(vec![]));
    npz(&desk, "only-pickled.npz", &[("arr_0", pickled)]);
    let mu = npy(">f8", "(2,)", &doubles(&[3.0, -1.0], f64::to_be_bytes));
    let sigma = npy(">f8", "(2, 2)", &doubles(&SIGMA, f64::to_be_bytes));
    npz(&desk, "big-endian.npz", &[("mu", mu), ("sigma", sigma)]);
    case("cargo from-noise score pickled.npz stats.npz");
    case("cargo from-noise score text.npz stats.npz");
    case("cargo from-noise score u2.npz stats.npz");
    case("cargo from-noise score u8.npz stats.npz");
    case("cargo from-noise score complex.npz stats.npz");
    case("cargo from-noise score cut.npz stats.npz");
    case("cargo from-noise score big-endian.npz stats.npz");
    case("cargo from-noise score only-pickled.npz stats.npz");
}

/// Whole numbers of every width, in both byte orders, beside what libtorch itself reads.
#[test]
fn every_kind_of_number() {
    let desk = Desk::new();
    let sigma = [2i64, 1, 1, 5];
    let bytes = |width: usize, big: bool| -> Vec<u8> {
        let one = |value: &i64| match big {
            true => value.to_be_bytes()[8 - width..].to_vec(),
            false => value.to_le_bytes()[..width].to_vec(),
        };
        sigma.iter().flat_map(one).collect()
    };
    for (kind, width) in
        [("u", 1), ("i", 1), ("u", 2), ("i", 2), ("u", 4), ("i", 4), ("u", 8), ("i", 8)]
    {
        for (order, big) in [("<", false), (">", true)] {
            let descr = format!("{order}{kind}{width}");
            let sigma = npy(&descr, "(2, 2)", &bytes(width, big));
            let mu = npy("<f2", "(2L,)", &[0, 0x3c, 0, 0xc0]); // 1 and -2
            npz(&desk, "numbers.npz", &[("mu", mu), ("sigma", sigma)]);
            desk.succeeds("score numbers.npz numbers.npz --save plain.npz");
            let found = Tensor::read_npz(desk.path("plain.npz")).unwrap();
            let read = |name: &str| found.iter().find(|(found, _)| found == name).unwrap().1.copy();
            assert_eq!(read("mu"), Tensor::from_slice(&[1.0f64, -2.0]));
            let expected = Tensor::from_slice(&[2.0f64, 1.0, 1.0, 5.0]).view([2, 2]);
            assert_eq!(read("sigma"), expected, "{descr}");
        }
    }
}

#[test]
fn few_images_saved_by_force() {
    let desk = Desk::new();
    let case = |line| case(&desk, "few_images_saved_by_force", line);
    save_pictures(&sample::dataset().first(40).images, &desk.path("few"));
    case("cargo from-noise score few few --force --save kept.npz");
    case("cargo from-noise score kept.npz kept.npz");
    case("cargo from-noise score kept.npz kept.npz --force");
    let found = Tensor::read_npz(desk.path("kept.npz")).unwrap();
    let n = found.iter().find(|(name, _)| name == "n").unwrap();
    assert_eq!((n.1.kind(), n.1.int64_value(&[])), (Kind::Int64, 40));
}

// ---- pictures

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let paint = |x: u32, y: u32| Rgb([(x * 9) as u8, (y * 9) as u8, 30]);
    RgbImage::from_fn(20, 24, paint).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A folder of eight small pictures and these files.
fn folder(desk: &Desk, name: &str, more: &[(&str, &[u8])]) {
    let folder = desk.path(name);
    fs::create_dir_all(&folder).unwrap();
    for i in 0..8 {
        fs::write(folder.join(format!("{i}.png")), picture(ImageFormat::Png)).unwrap();
    }
    for (name, bytes) in more {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn folders_as_they_come() {
    let desk = Desk::new();
    let case = |line| case(&desk, "folders_as_they_come", line);
    folder(&desk, "flat", &[]);
    case("cargo chapter 04 --train --smoke --size 16 --data ./flat --out flat-run");
    folder(&desk, "pets/cats", &[("Thumbs.db", b"x"), ("desktop.ini", b"x")]);
    folder(&desk, "pets/__MACOSX/cats", &[]);
    case("cargo chapter 04 --train --smoke --size 16 --data ./pets --out pets-run");
    let jpeg = picture(ImageFormat::Jpeg);
    let phone: &[u8] = &[&jpeg, &b"\n"[..]].concat();
    folder(&desk, "phone", &[("phone.jpg", phone)]);
    case("cargo chapter 04 --train --smoke --size 16 --data ./phone --out phone-run");
    folder(&desk, "short", &[("short.jpg", &jpeg[..jpeg.len() / 2])]);
    case("cargo chapter 04 --train --smoke --size 16 --data ./short --out short-run");
    let web = b"RIFF\x10\0\0\0WEBPVP8 ";
    folder(&desk, "web", &[("a.webp", web), ("b.bmp", b"BM\x46\0\0\0"), ("c.gif", b"GIF89a")]);
    case("cargo chapter 04 --train --smoke --size 16 --data ./web --out web-run");
    case("cargo chapter 04 --train --smoke --size 16 --data ./web --skip-bad --out web-run");
    image::GrayImage::new(8192, 1).save(desk.path("flat/line.png")).unwrap();
    case("cargo chapter 04 --train --smoke --size 256 --data ./flat --out line-run");
}

#[test]
fn single_pictures() {
    let desk = Desk::new();
    let case = |line| case(&desk, "single_pictures", line);
    case(
        "cargo from-noise sample weights/mnist-unet-v --samples 3 --steps 2 --out some/ --out some.npy",
    );
    case("cargo from-noise sample weights/mnist-unet-v --samples 3 --steps 2 --out some/");
    case("cargo from-noise score some some.npy --force");
    let array = Tensor::read_npy(desk.path("some.npy")).unwrap();
    for i in 0..3 {
        let picture = image::open(desk.path(&format!("some/{i:05}.png"))).unwrap();
        let pixels = Tensor::from_slice(picture.as_bytes()).view([28, 28, 1]);
        assert_eq!(pixels, array.get(i), "picture {i}");
    }
    assert_eq!(fs::read_dir(desk.path("some")).unwrap().count(), 3);
    assert!(desk.read("some.json").contains("\"n\": 3"));
    // a sidecar, as other commands leave it in a folder
    fs::copy(desk.path("some.json"), desk.path("some/00000.png.json")).unwrap();
    case("cargo from-noise score some some.npy --force --save kept.npz");
}

/// A file of this many bytes that begins with these; the rest is zeros and takes no room.
fn sparse(path: &Path, begin: &[u8], length: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, begin).unwrap();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn data_on_the_disk_already() {
    let desk = Desk::new();
    let case = |line| case(&desk, "data_on_the_disk_already", line);
    let raw = desk.path("torch/FashionMNIST/raw");
    let images = [0u8, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
    let labels = [0u8, 0, 8, 1, 0, 0, 0xea, 0x60];
    sparse(&raw.join("train-images-idx3-ubyte"), &images, 16 + 60_000 * 784);
    sparse(&raw.join("train-labels-idx1-ubyte"), &labels, 8 + 60_000);
    case("FROM_NOISE_DATA=torch cargo chapter 04 --train --smoke --data fashion --out a");
    let zipped = desk.path("zip/fashion");
    sparse(&zipped.join("train-images.idx3-ubyte"), &images, 16 + 60_000 * 784);
    sparse(&zipped.join("train-labels.idx1-ubyte"), &labels, 8 + 60_000);
    case("FROM_NOISE_DATA=zip cargo chapter 04 --train --smoke --data fashion --out b");
    for k in 1..=5 {
        let path = format!("torch/cifar-10-batches-bin/data_batch_{k}.bin");
        sparse(&desk.path(&path), &[], 10_000 * 3073);
    }
    case("FROM_NOISE_DATA=torch cargo chapter 04 --train --smoke --data cifar10 --out c");
    sparse(&desk.path("py/cifar-10-batches-py/data_batch_1"), &[], 9);
    case("FROM_NOISE_DATA=py cargo chapter 04 --train --smoke --data cifar10 --out d");
    case("cargo chapter 04 --train --smoke --data ./torch/FashionMNIST/raw --out e");
}

// ---- the machine

fn closed_pipe() -> OwnedFd {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe() {
    let desk = Desk::new();
    let case = |line| case(&desk, "a_closed_pipe", line);
    case("cargo from-noise info weights/mnist-unet-v | true");
    case("cargo from-noise sample weights/mnist-unet-v --samples 1 --steps 1 | true");
    assert!(desk.path("samples.png").exists(), "the work is done all the same");
    case("cargo from-noise --help | true");
    case("cargo chapter 01 --smoke --out r1 | true");
    case("cargo chapter 02 --smoke --out r2 | true");
    case("cargo chapter 03 --smoke --out r3 | true");
    case("cargo chapter 04 --train --smoke --out r4 | true");
    assert!(desk.path("r4/ema.safetensors").exists(), "it trained to the end");
    for number in ["01", "02", "03", "04", "05", "06", "07"] {
        let line = format!("cargo chapter {number} --dry-run");
        let out = desk.command(&line).stdout(closed_pipe()).output().unwrap();
        assert!(out.status.success(), "{line}: {}", text(&out.stderr));
    }
    // Standard error too: nothing is left to say it with.
    let mut command = desk.command("cargo from-noise info nowhere");
    assert_eq!(command.stderr(closed_pipe()).status().unwrap().code(), Some(1));
}

#[test]
fn a_full_disk_behind_standard_output() {
    let desk = Desk::new();
    let line = "cargo from-noise info weights/mnist-unet-v > /dev/full";
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return }; // only Linux has one
    let out = desk.command(line.split(" >").next().unwrap()).stdout(full).output().unwrap();
    check("a_full_disk_behind_standard_output", line, &out);
}

/// Starts a training that would never end, with the signals' default actions or SIGHUP ignored.
fn training(desk: &Desk, line: &str, nohup: bool) -> Child {
    let mut command = desk.command(line);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // SAFETY: signal may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                let ignored = nohup && signal == libc::SIGHUP;
                libc::signal(signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
            }
            Ok(())
        });
    }
    command.spawn().unwrap()
}

fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no {}", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send(child: &Child, signal: i32) {
    // SAFETY: kill only sends a signal, to a child that was started here.
    unsafe { libc::kill(child.id() as i32, signal) };
}

/// The step of the saved weights.
fn saved_step(desk: &Desk, run: &str) -> u64 {
    let said = desk.succeeds(&format!("info {run}"));
    let (_, step) = said.split_once("averaged, after ").unwrap();
    step.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn signals_that_end_a_training() {
    let desk = Desk::new();
    let check = |line: &str, out: &Output| check("signals_that_end_a_training", line, out);
    let signals = [
        ("kill -INT (a training)", "a", &[libc::SIGINT][..]),
        ("kill -TERM (a training)", "b", &[libc::SIGTERM][..]),
        ("kill -HUP (a training), twice", "c", &[libc::SIGHUP, libc::SIGHUP][..]),
    ];
    for (case, run, sent) in signals {
        let line = format!("cargo chapter 04 --train --smoke --steps 1000000 --out {run}");
        let child = training(&desk, &line, false);
        wait_for(&desk.path(&format!("{run}/grids/00000002.png")));
        for signal in sent {
            send(&child, *signal);
            std::thread::sleep(Duration::from_millis(30)); // two at once may arrive as one
        }
        let out = child.wait_with_output().unwrap();
        check(case, &out);
        assert!(text(&out.stderr).contains("--resume"), "{}", text(&out.stderr));
        let step = saved_step(&desk, run);
        assert!(step >= 2);
        desk.succeeds(&format!(
            "cargo chapter 04 --train --smoke --steps {} --out {run} --resume",
            step + 1
        ));
        assert_eq!(saved_step(&desk, run), step + 1);
    }
}

#[test]
fn a_training_under_nohup() {
    let desk = Desk::new();
    let case = "nohup cargo chapter 04 --train; kill -HUP";
    let line = "cargo chapter 04 --train --smoke --steps 1000000 --out run";
    let child = training(&desk, line, true);
    wait_for(&desk.path("run/grids/00000002.png"));
    send(&child, libc::SIGHUP);
    let grids = fs::read_dir(desk.path("run/grids")).unwrap().count();
    wait_for(&desk.path(&format!("run/grids/{:08}.png", 2 * (grids + 2))));
    send(&child, libc::SIGTERM);
    check("a_training_under_nohup", case, &child.wait_with_output().unwrap());
}

/// What saves nothing on its way has nothing to wait for.
#[test]
fn signals_that_end_a_drawing() {
    let desk = Desk::new();
    let mut child = training(&desk, "cargo chapter 04 --samples 1000 --out drawn", false);
    std::thread::sleep(Duration::from_secs(3)); // in the midst of its thousand steps
    assert!(child.try_wait().unwrap().is_none(), "it ended on its own");
    send(&child, libc::SIGTERM);
    let started = Instant::now();
    assert!(!child.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(3), "it went on");
}
