//! The repository knows where things are, and calls cargo exactly as a user would call it.

use crate::files;
use anyhow::{Context, Result, bail};
use cargo_metadata::{MetadataCommand, Package, Target};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crate that all of this is for.
const PACKAGE: &str = "from-noise";
/// The tool that builds the book.
pub const BOOK: &str = "from-noise-book";

/// The working copy that this xtask belongs to.
#[derive(Debug, Clone)]
pub struct Repo {
    pub root: PathBuf,
}

/// Whose libtorch a build will use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `.libtorch/torch`, named by `.cargo/config.toml`.
    Installed,
    /// A `LIBTORCH` that the user's environment names.
    Environment(PathBuf),
    /// `LIBTORCH_USE_PYTORCH`, which torch-sys prefers to everything else.
    Python,
}

/// One `[[bin]]` of the package: a chapter, or something else to run.
#[derive(Debug, Clone)]
pub struct Binary {
    pub name: String,
    pub source: PathBuf,
}

impl Repo {
    pub fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let manifest = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = manifest.parent().context("the xtask folder has no parent")?;
        if !root.join("Cargo.toml").is_file() {
            bail!("{} holds no Cargo.toml; call this through cargo", root.display());
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The folder that holds everything that is downloaded for building.
    pub fn libtorch(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// What `.cargo/config.toml` names as LIBTORCH.
    pub fn torch(&self) -> PathBuf {
        self.libtorch().join("torch")
    }

    /// Where cargo builds what links libtorch.
    pub fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// cargo sets LIBTORCH from its config for this very process, so only another value is the user's.
    pub fn origin(&self) -> Origin {
        if std::env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
            return Origin::Python;
        }
        match std::env::var_os("LIBTORCH").map(PathBuf::from) {
            Some(dir) if dir != self.torch() => Origin::Environment(dir),
            _ => Origin::Installed,
        }
    }

    /// The folder that a build uses: the user's, or what is or would be installed here.
    pub fn libtorch_in_use(&self) -> PathBuf {
        match self.origin() {
            Origin::Environment(dir) => dir,
            _ => self.torch(),
        }
    }

    /// cargo in the root, with the environment the user's shell had: what `cargo run` adds for the
    /// xtask is taken away, so that torch-sys sees the same values as under a plain cargo.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        self.clean(&mut cargo);
        cargo
    }

    /// cargo at work on a tool, compiled beside the xtask: what links libtorch waits for nothing here.
    pub fn tool(&self, task: &str, name: &str) -> Command {
        let mut cargo = self.cargo();
        cargo.args([task, "--profile", "xtask", "--target-dir", "target/xtask", "-p", name]);
        cargo
    }

    /// Removes from a child's environment what cargo added for the xtask.
    pub fn clean(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let ours = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            });
            if ours {
                command.env_remove(&name);
            }
        }
        if self.origin() == Origin::Installed {
            command.env_remove("LIBTORCH");
        }
        let headers = std::env::var_os("CPLUS_INCLUDE_PATH").map(PathBuf::from);
        if headers == Some(self.root.join("xtask/no-libtorch")) {
            command.env_remove("CPLUS_INCLUDE_PATH");
        }
        match self.user_library_path() {
            Some(path) => command.env("LD_LIBRARY_PATH", path),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
    }

    /// LD_LIBRARY_PATH without the folders that `cargo run` put in front.
    pub fn user_library_path(&self) -> Option<OsString> {
        let path = std::env::var_os("LD_LIBRARY_PATH")?;
        let target = self.root.join("target");
        let kept: Vec<PathBuf> = std::env::split_paths(&path)
            .filter(|dir| !dir.starts_with(&target) && !is_toolchain(dir))
            .filter(|dir| !dir.as_os_str().is_empty())
            .collect();
        if kept.is_empty() { None } else { std::env::join_paths(kept).ok() }
    }

    /// The binaries of the package, sorted by name.
    pub fn binaries(&self) -> Result<Vec<Binary>> {
        let packages = self.packages()?.into_iter().filter(|package| package.name == PACKAGE);
        let targets = packages.flat_map(|package| package.targets).filter(Target::is_bin);
        let binary = |target: Target| Binary { name: target.name, source: target.src_path.into() };
        let mut binaries: Vec<Binary> = targets.map(binary).collect();
        binaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(binaries)
    }

    /// The other packages of the workspace: tools, none of which links libtorch.
    pub fn tools(&self) -> Result<Vec<String>> {
        let names = self.packages()?.into_iter().map(|package| package.name.to_string());
        Ok(names.filter(|name| name != PACKAGE).collect())
    }

    fn packages(&self) -> Result<Vec<Package>> {
        let mut cargo = MetadataCommand::new();
        Ok(cargo.current_dir(&self.root).no_deps().exec()?.packages)
    }

    /// Whether torch-sys has been compiled here already (the first build takes minutes).
    pub fn is_built(&self) -> bool {
        files::entries(&self.target().join("debug/build")).any(|path| {
            files::name(&path).starts_with("torch-sys-") && path.join("out/libtch.a").is_file()
        })
    }
}

fn is_toolchain(dir: &Path) -> bool {
    let rustup = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    rustup.is_some_and(|home| dir.starts_with(home.join("toolchains")))
}
