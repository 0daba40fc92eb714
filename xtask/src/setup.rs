//! `cargo setup` installs libtorch 2.13.0 in `.libtorch/`, whole or not at all.

pub mod existing;
pub mod load;
pub mod platform;
pub mod prerequisites;
pub mod stamp;
mod wheel;

use crate::pip;
use crate::repo::{Origin, Repo};
use crate::ui::{duration, size};
use anyhow::{Result, bail};
use platform::{Form, Platform, VERSION, Wheel};
use stamp::Stamp;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wheel::Fetcher;

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
    if let Origin::Environment(dir) = origin(repo)? {
        existing::check(&dir)?;
        let dir = dir.display();
        println!("LIBTORCH={dir} is your own libtorch {VERSION} and is used as it is.");
        println!(
            "Keep it set in every shell, or cargo compiles torch-sys again each time it changes; \
             `cargo setup --from-torch {dir}` with LIBTORCH unset makes it permanent."
        );
        return Ok(());
    }
    let lock = crate::lock::wait(&repo.libtorch().join(".lock"))?;
    match (&options.from_torch, installed(repo)) {
        (Some(given), _) => link(repo, &existing::locate(given)?)?,
        (None, Some(stamp)) if options.form().is_none_or(|form| form == stamp.form) => {
            let (form, source) = (stamp.form.name(), &stamp.source);
            println!("libtorch {VERSION} ({form} form) is already there: {source}");
            let cpu_by_chance = stamp.form == Form::Cpu && options.form().is_none();
            if cpu_by_chance && prerequisites::nvidia_driver() {
                println!("There is an NVIDIA driver here: `cargo setup --cuda` adds CUDA.");
            }
        }
        (None, _) => install(repo, options.form())?,
    }
    drop(lock);
    println!("Next: `cargo chapter 01`. If anything is odd: `cargo xtask doctor`.");
    Ok(())
}

/// What every other command calls first: instant and silent once libtorch is there.
pub fn ensure(repo: &Repo) -> Result<()> {
    if let Origin::Environment(dir) = origin(repo)? {
        return existing::check(&dir);
    }
    if installed(repo).is_none() {
        // One set-up at a time; the lock goes with the process.
        let _lock = crate::lock::wait(&repo.libtorch().join(".lock"))?;
        if installed(repo).is_none() {
            install(repo, None)?;
        }
    }
    Ok(())
}

/// The CPU libraries and the headers of another torch below `work`, fetched once; the folder
/// `torch`.
pub fn libraries_of(version: &str, work: &Path) -> Result<PathBuf> {
    let (torch, platform) = (work.join("torch"), Platform::here()?);
    crate::process::once(work, version, &format!("libtorch {version}"), || {
        let (downloads, partial) = (work.join("downloads"), work.join("partial"));
        let fetcher =
            Fetcher { pip: pip::find()?, tags: platform.tags.clone(), downloads, partial };
        for mut wheel in platform.wheels(Form::Cpu) {
            if wheel.name == "torch" && wheel.version != version {
                wheel = Wheel { version: version.into(), bytes: 0, sha256: None, ..wheel };
            }
            wheel::unpack(&fetcher.obtain(&wheel)?, Form::Cpu, work)?;
        }
        existing::finish(&torch)?;
        std::fs::write(torch.join("build-version"), format!("{version}\n"))?;
        Ok(std::fs::remove_dir_all(&fetcher.downloads)?)
    })?;
    Ok(torch)
}

fn origin(repo: &Repo) -> Result<Origin> {
    let origin = repo.origin();
    if origin == Origin::Python {
        bail!(
            "LIBTORCH_USE_PYTORCH is set, so torch-sys would not use .libtorch: unset it (to link to \
             that Python's torch instead: `cargo setup --from-torch python3`)"
        );
    }
    Ok(origin)
}

/// The complete install in `.libtorch/`, if there is one; a link into nowhere is none.
pub fn installed(repo: &Repo) -> Option<Stamp> {
    Stamp::read(&repo.torch()).filter(|_| existing::check(&repo.torch()).is_ok())
}

/// A fresh folder for what is unfinished; that of a killed run is swept away.
fn partial(repo: &Repo) -> Result<PathBuf> {
    let folder = repo.libtorch().join(".partial");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

fn link(repo: &Repo, torch: &Path) -> Result<()> {
    if torch.starts_with(repo.libtorch()) {
        bail!("{} is what --from-torch would replace", torch.display());
    }
    let partial = partial(repo)?;
    existing::link(torch, &partial.join("torch"))?;
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
    if let (Some(_), Err(damage)) = (Stamp::read(&torch), existing::check(&torch)) {
        eprintln!(".libtorch is damaged ({damage}): installing it again");
    }
    let platform = Platform::here()?;
    let form = match asked {
        Some(Form::Cuda) if !platform.has_cuda() => {
            bail!("there is no CUDA for macOS: `cargo setup --cpu`")
        }
        Some(form) => form,
        None if platform.has_cuda() && prerequisites::nvidia_driver() => Form::Cuda,
        None => Form::Cpu,
    };
    let wheels = platform.wheels(form);
    let download = wheels.iter().map(|wheel| wheel.bytes).sum();
    let pip = pip::find()?;
    prerequisites::compiler()?;
    prerequisites::disk(&repo.libtorch(), download, form.unpacked_bytes())?;
    announce(&platform, form, download);

    let partial = partial(repo)?;
    let downloads = repo.libtorch().join("downloads");
    let fetcher = Fetcher { pip, tags: platform.tags, downloads, partial: partial.clone() };
    let mut source = "the package registry's wheels";
    let mut wheel_files = Vec::new();
    if let Some(wheel) = platform.pytorch_cpu.filter(|_| form == Form::Cpu) {
        match fetcher.obtain(&wheel) {
            Ok(file) => {
                source = "PyTorch's CPU wheel";
                wheel_files.push(file);
            }
            Err(error) => eprintln!(
                "  PyTorch's own index gives nothing here, so to the package registry ({})",
                error.root_cause()
            ),
        }
    }
    if wheel_files.is_empty() {
        for wheel in &wheels {
            wheel_files.push(fetcher.obtain(wheel)?);
        }
    }
    for file in &wheel_files {
        wheel::unpack(file, form, &partial).inspect_err(|_| {
            let _ = std::fs::remove_file(file);
        })?;
    }
    let torch = partial.join("torch");
    existing::finish(&torch)?;
    existing::check(&torch)?;
    load::check(&torch)?;
    Stamp { form, source: source.into() }.write(&torch)?;
    commit(repo, &partial)?;
    std::fs::remove_dir_all(&fetcher.downloads)?;
    let (form, took) = (form.name(), duration(started.elapsed()));
    println!("libtorch {VERSION} ({form} form) is installed from {source}, in {took}.");
    Ok(())
}

fn announce(platform: &Platform, form: Form, download: u64) {
    // A common home line, so that nobody waits in the dark; the meter then tells the real time.
    let seconds = Duration::from_secs(download / 12_500_000);
    println!(
        "Installing libtorch {VERSION}, {} form, into .libtorch: at most {} to download (about {} at \
         100 Mbit/s), {} on disk.",
        form.name(),
        size(download),
        duration(seconds),
        size(form.unpacked_bytes()),
    );
    if platform.untried {
        let arch = std::env::consts::ARCH;
        println!("Nobody has run this on {arch} yet: please report how it goes.");
    }
}

/// Puts `partial` in place: `nvidia` first, `torch` with its stamp last, so that being killed in
/// between leaves an install that does not count.
fn commit(repo: &Repo, partial: &Path) -> Result<()> {
    let root = repo.libtorch();
    let old = partial.join("old");
    std::fs::create_dir(&old)?;
    let moved = |name: &str, from: &Path, to: &Path| match from.join(name).symlink_metadata() {
        Ok(_) => std::fs::rename(from.join(name), to.join(name)),
        Err(_) => Ok(()),
    };
    moved("torch", &root, &old)?;
    moved("nvidia", &root, &old)?;
    moved("nvidia", partial, &root)?;
    moved("torch", partial, &root)?;
    Ok(std::fs::remove_dir_all(partial)?)
}

#[cfg(test)]
mod tests;
