//! `cargo setup`: libtorch 2.13.0 in `.libtorch/`, whole or not at all.

mod layout;
pub mod load;
pub mod needs;
pub mod own;
pub mod platform;
pub mod stamp;
mod wheel;

use crate::repo::{Origin, Repo};
use crate::ui::{duration, size};
use anyhow::{Result, bail};
use platform::{Form, Platform, TORCH_CPU_INDEX, VERSION, Wheel, registry_wheels, unpacked_bytes};
use stamp::Stamp;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wheel::Index;

/// The form is chosen by the machine unless a flag says otherwise: CUDA where there is an NVIDIA
/// driver, CPU elsewhere. A LIBTORCH of your own, set in the shell, is used instead and only checked.
#[derive(clap::Args, Default)]
pub struct Options {
    /// The CPU libraries alone (about 540 MB to download, 480 MB on disk).
    #[arg(long, conflicts_with_all = ["cuda", "from_torch"])]
    pub cpu: bool,
    /// The CUDA 13 libraries too (about 2.5 GB to download, 4 GB on disk).
    #[arg(long, conflicts_with = "from_torch")]
    pub cuda: bool,
    /// Link to a libtorch 2.13.0 that is there already: its folder, or a Python that has torch.
    #[arg(long, value_name = "DIR")]
    pub from_torch: Option<PathBuf>,
}

impl Options {
    fn form(&self) -> Option<Form> {
        match (self.cpu, self.cuda) {
            (true, _) => Some(Form::Cpu),
            (_, true) => Some(Form::Cuda),
            _ => None,
        }
    }
}

/// The command: installs what is asked for, or says what is there.
pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    if let Origin::Own(dir) = own_libtorch(repo)? {
        let version = own::check(&dir)?;
        println!("LIBTORCH={} is your own libtorch {version} and is used as it is.", dir.display());
        println!(
            "Keep it set in every shell, or cargo compiles torch-sys again each time it changes; \
             `cargo setup --from-torch {}` with LIBTORCH unset makes it permanent.",
            dir.display()
        );
        return Ok(());
    }
    let lock = lock(repo)?;
    if let Some(given) = &options.from_torch {
        link(repo, &own::locate(given)?)?;
    } else {
        match installed(repo) {
            Some(stamp) if options.form().is_none_or(|form| form == stamp.form) => {
                println!(
                    "libtorch {VERSION} ({} form) is already there: {}",
                    stamp.form.name(),
                    stamp.source
                );
                if stamp.form == Form::Cpu && options.form().is_none() && needs::nvidia_driver() {
                    println!("There is an NVIDIA driver here: `cargo setup --cuda` adds CUDA.");
                }
            }
            _ => install(repo, options.form())?,
        }
    }
    drop(lock);
    next_step(repo);
    Ok(())
}

/// What every other command calls first: instant and silent once libtorch is there.
pub fn ensure(repo: &Repo) -> Result<()> {
    if let Origin::Own(dir) = own_libtorch(repo)? {
        return own::check(&dir).map(drop);
    }
    if installed(repo).is_none() {
        let _lock = lock(repo)?;
        if installed(repo).is_none() {
            install(repo, None)?;
        }
    }
    Ok(())
}

fn own_libtorch(repo: &Repo) -> Result<Origin> {
    let origin = repo.origin();
    if origin == Origin::Python {
        bail!(
            "LIBTORCH_USE_PYTORCH is set, so torch-sys would not use .libtorch: unset it (to link to \
             that Python's torch instead: `cargo setup --from-torch python3`)"
        );
    }
    Ok(origin)
}

/// The complete, undamaged install in `.libtorch/`, if there is one.
pub fn installed(repo: &Repo) -> Option<Stamp> {
    let torch = repo.torch();
    Stamp::read(&torch).filter(|stamp| stamp.damage(&torch).is_none())
}

fn next_step(repo: &Repo) {
    let first =
        repo.binaries().ok().and_then(|all| all.into_iter().find(|b| b.name.starts_with("ch")));
    let number = first.and_then(|binary| Some(binary.name.get(2..4)?.to_owned()));
    let number = number.unwrap_or_else(|| "01".into());
    println!("Next: `cargo chapter {number}`. If anything is odd: `cargo xtask doctor`.");
}

/// One set-up at a time; the lock goes with the process.
fn lock(repo: &Repo) -> Result<File> {
    crate::lock::wait(&repo.libtorch().join(".lock"))
}

/// A fresh folder for what is unfinished; those of killed runs are swept away.
fn partial(repo: &Repo) -> Result<PathBuf> {
    for entry in std::fs::read_dir(repo.libtorch())?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(".partial-") {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let folder = repo.libtorch().join(format!(".partial-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

fn link(repo: &Repo, torch: &Path) -> Result<()> {
    if torch.starts_with(repo.libtorch()) {
        bail!("{} is what --from-torch would replace", torch.display());
    }
    let partial = partial(repo)?;
    own::link(torch, &partial.join("torch"))?;
    let nvidia = torch.parent().map(|dir| dir.join("nvidia")).filter(|dir| dir.is_dir());
    if let Some(nvidia) = nvidia {
        symlink(nvidia, partial.join("nvidia"))?;
    }
    commit(repo, &partial)?;
    println!("libtorch {VERSION} is linked to {}.", torch.display());
    Ok(())
}

fn install(repo: &Repo, asked: Option<Form>) -> Result<()> {
    let started = Instant::now();
    let torch = repo.torch();
    if let Some(damage) = Stamp::read(&torch).and_then(|stamp| stamp.damage(&torch)) {
        eprintln!(".libtorch is damaged ({damage}): installing it again");
    }
    let platform = Platform::here()?;
    let form = match asked {
        Some(Form::Cuda) if platform.is_mac() => {
            bail!("there is no CUDA for macOS: `cargo setup --cpu`")
        }
        Some(form) => form,
        None if !platform.is_mac() && needs::nvidia_driver() => Form::Cuda,
        None => Form::Cpu,
    };
    let wheels = registry_wheels(platform, form);
    let download: u64 = wheels.iter().map(|wheel| wheel.bytes).sum();
    let pip = needs::pip()?;
    needs::compiler()?;
    needs::disk(&repo.libtorch(), download, unpacked_bytes(form))?;
    announce(platform, form, download);

    let partial = partial(repo)?;
    let from_pytorch = form == Form::Cpu && !platform.is_mac();
    let (source, files) =
        match from_pytorch.then(|| cpu_index(repo, &pip, platform, &partial)).flatten() {
            Some(file) => ("PyTorch's CPU wheel", vec![file]),
            None => (
                "the package registry's wheels",
                registry(repo, &pip, platform, &wheels, &partial)?,
            ),
        };
    let mut hashes = Vec::new();
    for file in &files {
        wheel::unpack(file, platform, form, &partial)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        hashes.push((name, crate::fetch::sha256_of(file)?));
    }
    let torch = partial.join("torch");
    let version = format!("{VERSION}+{}", if form == Form::Cuda { "cu130" } else { "cpu" });
    layout::finish(&torch, &version)?;
    own::check(&torch)?;
    load::check(&torch)?;
    Stamp::of(&torch, form, source, hashes)?.write(&torch)?;
    commit(repo, &partial)?;
    std::fs::remove_dir_all(downloads(repo))?;
    println!(
        "libtorch {VERSION} ({} form) is installed from {source}, in {}.",
        form.name(),
        duration(started.elapsed())
    );
    Ok(())
}

fn announce(platform: Platform, form: Form, download: u64) {
    // A common home line, so that nobody waits in the dark; the meter then tells the real time.
    let seconds = Duration::from_secs(download / 12_500_000);
    println!(
        "Installing libtorch {VERSION}, {} form, into .libtorch: at most {} to download (about {} at \
         100 Mbit/s), {} on disk.",
        form.name(),
        size(download),
        duration(seconds),
        size(unpacked_bytes(form)),
    );
    if platform != Platform::LinuxX86_64 {
        println!(
            "Nobody has run this on {} yet: please report how it goes.",
            std::env::consts::ARCH
        );
    }
}

fn downloads(repo: &Repo) -> PathBuf {
    repo.libtorch().join("downloads")
}

/// PyTorch's own CPU wheel is a third of the other's size, where its host can be reached.
fn cpu_index(repo: &Repo, pip: &[String], platform: Platform, partial: &Path) -> Option<PathBuf> {
    let wheel = &TORCH_CPU_INDEX;
    let file = wheel::obtain(pip, wheel, platform, Index::PyTorchCpu, &downloads(repo), partial);
    if let Err(error) = &file {
        eprintln!(
            "  PyTorch's own index gives nothing here, so to the package registry ({})",
            error.root_cause()
        );
    }
    file.ok()
}

fn registry(
    repo: &Repo,
    pip: &[String],
    platform: Platform,
    wheels: &[Wheel],
    partial: &Path,
) -> Result<Vec<PathBuf>> {
    let folder = downloads(repo);
    let each = |wheel| wheel::obtain(pip, wheel, platform, Index::Registry, &folder, partial);
    wheels.iter().map(each).collect()
}

/// Puts `partial` in place: `nvidia` first, `torch` with its stamp last, so that being killed in
/// between leaves an install that does not count.
fn commit(repo: &Repo, partial: &Path) -> Result<()> {
    let root = repo.libtorch();
    let old = partial.join("old");
    std::fs::create_dir(&old)?;
    for name in ["torch", "nvidia"] {
        if root.join(name).symlink_metadata().is_ok() {
            std::fs::rename(root.join(name), old.join(name))?;
        }
    }
    for name in ["nvidia", "torch"] {
        if partial.join(name).symlink_metadata().is_ok() {
            std::fs::rename(partial.join(name), root.join(name))?;
        }
    }
    Ok(std::fs::remove_dir_all(partial)?)
}

#[cfg(test)]
mod tests;
