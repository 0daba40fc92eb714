//! A folder to type commands in, and what they said.
#![allow(dead_code)] // not every test uses all of it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tch::Tensor;
use tempfile::TempDir;

pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A command of this crate, as it is typed into a shell: `cargo from-noise ...`, `cargo chapter
    /// 04 ...`, with variables before it. `from-noise` may be left out.
    pub fn command(&self, line: &str) -> Command {
        let mut words = shlex::split(line).unwrap().into_iter().peekable();
        let is_variable =
            |word: &String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        let variables: Vec<String> = std::iter::from_fn(|| words.next_if(is_variable)).collect();
        let mut program = env!("CARGO_BIN_EXE_from-noise");
        if words.next_if_eq("cargo").is_some() && words.next().as_deref() == Some("chapter") {
            program = chapter(&words.next().unwrap());
        }
        let mut command = Command::new(program);
        // A backtrace is not for users, whatever their shell says.
        command.args(words).current_dir(self.0.path()).env("RUST_BACKTRACE", "1");
        command.envs(variables.iter().filter_map(|word| word.split_once('=')));
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    #[track_caller]
    pub fn succeeds(&self, line: &str) -> String {
        let out = self.run(line);
        assert!(out.status.success(), "{line}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// Ends with one error that says these words, and leaves every file and folder as it was.
    #[track_caller]
    pub fn refuses(&self, line: &str, words: &[&str]) {
        let before = self.files();
        let out = self.run(line);
        let said = text(&out.stderr);
        assert!(!out.status.success(), "{line} succeeded: {}", text(&out.stdout));
        let calm = !said.contains("panicked") && !said.contains("backtrace");
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(calm && errors == 1, "{line}: {said}");
        for word in words {
            assert!(said.contains(word), "{line}: {word:?} is not in: {said}");
        }
        assert_eq!(self.files(), before, "{line}");
    }

    /// Every file and its length, and every empty folder.
    pub fn files(&self) -> BTreeMap<PathBuf, u64> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.0.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            let entries: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
            if entries.is_empty() {
                found.insert(folder, 0);
            }
            for entry in entries {
                let path = entry.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(found.insert(path.clone(), path.metadata().unwrap().len())),
                }
            }
        }
        found
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn chapter(number: &str) -> &'static str {
    match number {
        "01" => env!("CARGO_BIN_EXE_ch01-forward"),
        "02" => env!("CARGO_BIN_EXE_ch02-reverse"),
        "03" => env!("CARGO_BIN_EXE_ch03-toy"),
        "04" => env!("CARGO_BIN_EXE_ch04-ddpm"),
        "05" => env!("CARGO_BIN_EXE_ch05-ddim"),
        "06" => env!("CARGO_BIN_EXE_ch06-fid-table"),
        "07" => env!("CARGO_BIN_EXE_ch07-solvers"),
        "08" => env!("CARGO_BIN_EXE_ch08-improved"),
        "09" => env!("CARGO_BIN_EXE_ch09-classifier-guidance"),
        "10" => env!("CARGO_BIN_EXE_ch10-classifier-free"),
        "11" => env!("CARGO_BIN_EXE_ch11-cascade"),
        "12" => env!("CARGO_BIN_EXE_ch12-inpainting"),
        "13" => env!("CARGO_BIN_EXE_ch13-cifar"),
        "14" => env!("CARGO_BIN_EXE_ch14-glide"),
        "15" => env!("CARGO_BIN_EXE_ch15-clip"),
        _ => panic!("there is no chapter {number}"),
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Saves grey images, `[N, 1, 28, 28]`, as pictures.
pub fn save_pictures(images: &Tensor, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for i in 0..images.size()[0] {
        let pixels: Vec<u8> = Vec::try_from(images.get(i).flatten(0, -1)).unwrap();
        let picture = image::GrayImage::from_raw(28, 28, pixels).unwrap();
        picture.save(folder.join(format!("{i:03}.png"))).unwrap();
    }
}
