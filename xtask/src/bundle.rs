//! `cargo xtask bundle` packs the programs for a machine that has PyTorch and no Rust, such as a cluster.

use crate::repo::Repo;
use crate::setup::{libraries_of, platform::VERSION};
use crate::ui::size;
use crate::{files, process};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Each torch, and the release of tch whose C++ half fits it.
const PAIRS: [(&str, &str); 2] = [("2.11.0", "0.24.0"), (VERSION, "0.26.0")];
/// Finds that torch and starts a program.
const RUN: &str = include_str!("../bundle/run");
/// A GPU waits for the processor that starts its kernels, so the calls between are compiled for speed.
const FAST: &str = "profile.dev.package.torch-sys.opt-level=2";
/// Bytes of the packed bundle: what a mail or a slow line still takes.
const LARGEST: u64 = 60 << 20;
/// What the programs have in common lies far apart: the window reaches over all of them.
const WINDOW: &str = "--lzma2=preset=4,dict=192MiB";
/// What chapters 4 to 7 draw with and compare by.
const WEIGHTS: [&str; 4] = [
    "weights/mnist-unet-v",
    "weights/mnist-unet-eps",
    "weights/mnist-ddpm",
    "weights/mnist-classifier",
];

#[derive(clap::Args)]
pub struct Options {
    /// The version of torch on the other machine: 2.11.0 or 2.13.0.
    #[arg(long, value_name = "VERSION")]
    pub torch: String,
    /// The folder to make; it is packed into DIR.tar.xz beside it.
    #[arg(long, value_name = "DIR", default_value = "target/bundle")]
    pub out: PathBuf,

    /// Weights to pack, folders in this repository; may be given several times [default: those of
    /// chapters 4 to 7]
    #[arg(long, value_name = "DIR", default_values = WEIGHTS, hide_default_value = true)]
    pub weights: Vec<PathBuf>,
}

pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let (version, tch) = pair(&options.torch)?;
    let out = &std::path::absolute(&options.out)?;
    let shown = options.out.display();
    ensure!(
        !out.exists() || out.join("torch-version").is_file(),
        "{shown} is there and is no bundle: choose another --out"
    );
    let mut weights = Vec::new();
    for dir in &options.weights {
        let found = tracked(repo, dir)?;
        ensure!(!found.is_empty(), "{} holds no weights of this repository", dir.display());
        weights.extend(found);
    }
    let work = repo.target().join("bundle-build").join(version);
    let torch = libraries_of(version, &work)?;
    let built = build(repo, &work, &torch, tch)?;
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    for program in &built {
        copy(program, &out.join("bin").join(files::name(program)))?;
    }
    let stripped = files::entries(&out.join("bin")).collect::<Vec<_>>();
    ensure!(process::succeeds(Command::new("strip").args(stripped)), "strip is missing: binutils");
    for path in weights {
        copy(&repo.root.join(&path), &out.join(&path))?;
    }
    let digits = repo.root.join("datasets/mnist");
    for path in files::entries(&digits).filter(|path| files::name(path).contains("-ubyte")) {
        copy(&path, &out.join("data/mnist").join(files::name(&path)))?;
    }
    files::write(&out.join("run"), RUN)?;
    fs::set_permissions(out.join("run"), fs::metadata(&built[0])?.permissions())?;
    files::write(&out.join("torch-version"), &format!("{version}\n"))?;
    let bytes = pack(out)?;
    ensure!(
        bytes <= LARGEST,
        "{shown}.tar.xz has {}, at most {} are meant to travel: pack fewer --weights",
        size(bytes),
        size(LARGEST)
    );
    println!("wrote {shown} and {shown}.tar.xz ({}): copy it to the machine, then", size(bytes));
    println!("  tar xf {}.tar.xz && cd {0} && ./run check --device cuda:0", files::name(out));
    Ok(())
}

fn pair(torch: &str) -> Result<(&'static str, &'static str)> {
    let known = PAIRS.into_iter().find(|(version, _)| *version == torch);
    let names = PAIRS.map(|(version, _)| version).join(" or ");
    known.with_context(|| format!("no tch for torch {torch} is known here: --torch {names}"))
}

/// The programs, built against `torch` in a copy of what git tracks.
fn build(repo: &Repo, work: &Path, torch: &Path, tch: &str) -> Result<Vec<PathBuf>> {
    let (source, target) = (work.join("src"), work.join("target"));
    for path in tracked(repo, Path::new("."))? {
        let (from, to) = (repo.root.join(&path), source.join(&path));
        if from.is_file() && fs::read(&from).ok() != fs::read(&to).ok() {
            copy(&from, &to)?; // what has not changed is not compiled again
        }
    }
    let manifest = fs::read_to_string(repo.root.join("Cargo.toml"))?;
    files::write(&source.join("Cargo.toml"), &pinned(&manifest, tch)?)?;
    let mut cargo = repo.cargo();
    cargo.current_dir(&source).env("LIBTORCH", torch).env("CARGO_TARGET_DIR", &target);
    cargo.args(["build", "--bins", "--example", "device-check", "--config", FAST]);
    ensure!(cargo.status()?.success(), "the programs do not build with tch {tch}");
    let mut built: Vec<PathBuf> =
        repo.binaries()?.iter().map(|program| target.join("debug").join(&program.name)).collect();
    built.push(target.join("debug/examples/device-check"));
    Ok(built)
}

/// The manifest with this release of tch and of its C++ half, and no other.
fn pinned(manifest: &str, tch: &str) -> Result<String> {
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    for name in ["tch", "torch-sys"] {
        let start = format!("{name} = \"");
        let line = lines.iter_mut().find(|line| line.starts_with(&start));
        *line.with_context(|| format!("Cargo.toml has no line {start}..."))? =
            format!("{name} = \"={tch}\"");
    }
    Ok(lines.join("\n") + "\n")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn tracked(repo: &Repo, below: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    let out = git.current_dir(&repo.root).args(["ls-files", "-z", "--"]).arg(below).output()?;
    if !out.status.success() {
        bail!(
            "git does not list the files of {}: a bundle is made in a clone",
            repo.root.display()
        );
    }
    let names = String::from_utf8(out.stdout)?;
    Ok(names.split_terminator('\0').map(PathBuf::from).collect())
}

/// Packs the folder; the number of bytes.
fn pack(folder: &Path) -> Result<u64> {
    let packed = files::with_suffix(folder, ".tar.xz");
    let mut xz = Command::new("xz");
    xz.arg(WINDOW).stdin(Stdio::piped()).stdout(File::create(&packed)?);
    let mut xz = xz.spawn().context("xz is missing: install xz-utils")?;
    let mut tar = tar::Builder::new(xz.stdin.take().context("xz has no input")?);
    tar.append_dir_all(files::name(folder), folder)?;
    drop(tar.into_inner()?);
    ensure!(xz.wait()?.success(), "xz could not pack {}", folder.display());
    Ok(fs::metadata(packed)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torch_without_a_known_tch_is_refused_with_those_that_have_one() {
        assert_eq!(pair("2.11.0").unwrap(), ("2.11.0", "0.24.0"));
        let error = pair("2.9.1").unwrap_err().to_string();
        assert!(error.contains("2.9.1") && error.contains("2.11.0 or 2.13.0"), "{error}");
    }

    #[test]
    fn the_manifest_is_pinned_to_one_tch() {
        let manifest = include_str!("../../Cargo.toml");
        let text = pinned(manifest, "0.24.0").unwrap();
        for name in ["tch", "torch-sys"] {
            assert!(text.contains(&format!("\n{name} = \"=0.24.0\"\n")), "{text}");
        }
        assert_eq!(text.lines().count(), manifest.lines().count());
        assert!(pinned("[dependencies]\n", "0.24.0").is_err());
    }

    /// The script with a Python that this shell line stands for.
    fn script(python: &str, words: &[&str]) -> (Option<i32>, String) {
        let scratch = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = scratch.path().join(name);
            files::write(&path, text).unwrap();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        };
        write("run", RUN);
        write("torch-version", "2.11.0\n");
        write("bin/device-check", "#!/bin/sh\necho check \"$@\" \"$LD_LIBRARY_PATH\"\n");
        write("python", &format!("#!/bin/sh\n{python}\n"));
        let mut run = Command::new(scratch.path().join("run"));
        run.args(words).env("PYTHON", scratch.path().join("python"));
        let out = run.env_remove("LD_LIBRARY_PATH").env_remove("OUT").output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.code(), String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_script_runs_with_the_right_torch_alone() {
        let right = "echo 2.11.0 /site/torch/lib";
        let (code, said) = script(right, &["check", "--device", "cpu"]);
        assert_eq!(
            (code, said.as_str()),
            (Some(0), "check --out out --device cpu /site/torch/lib\n")
        );
        for (python, words, code, word) in [
            ("exit 1", &["check"][..], 1, "has no torch"),
            ("echo 2.12.0 /lib", &["check"], 1, "cargo xtask bundle --torch 2.12.0"),
            (right, &["no-such"], 1, "no program no-such"),
            (right, &[], 2, "device-check"),
        ] {
            let (found, said) = script(python, words);
            assert!(found == Some(code) && said.contains(word), "{words:?}: {found:?} {said}");
        }
    }
}
