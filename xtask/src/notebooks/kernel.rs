//! JupyterLab starts the Rust kernel here: evcxr_jupyter, with what a cell needs to find libtorch.

use super::jupyter;
use crate::process::replace_with;
use crate::repo::Repo;
use crate::{files, lock};
use anyhow::Result;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::path::{Path, PathBuf};
use std::process::Command;

/// This process becomes the kernel.
pub fn start(repo: &Repo, connection: &Path) -> Result<()> {
    let base = jupyter::base(repo);
    let folder = cell_folder(&base.join("cells"))?;
    // The versions that the crate is tested with, in place of the newest ones.
    std::fs::copy(repo.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let torch = repo.libtorch_in_use();
    let mut libraries = vec![torch.join("lib")];
    libraries.extend(repo.user_library_path().iter().flat_map(std::env::split_paths));
    let mut evcxr = Command::new(jupyter::program(repo));
    repo.clean(&mut evcxr);
    evcxr.arg("--control_file").arg(connection);
    evcxr.env("EVCXR_TMPDIR", &folder);
    evcxr.env("LIBTORCH", &torch);
    // A cell is a library without an rpath; the loader reads this only when a process starts.
    evcxr.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);
    if std::env::var_os("EVCXR_CONFIG_DIR").is_none() {
        evcxr.env("EVCXR_CONFIG_DIR", base.join("config"));
    }
    // Threads that wait for each other by spinning crawl as soon as something else wants the cores
    // (a browser, a training run): 100 steps of chapter 3 then took over a minute in place of 2 s.
    if ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"].iter().all(|name| std::env::var_os(name).is_none()) {
        evcxr.env("GOMP_SPINCOUNT", "0");
    }
    // evcxr would "update" the kernelspec that it finds there, or the user's own.
    evcxr.env("JUPYTER_PATH", base.join("nowhere"));
    replace_with(evcxr)
}

/// A folder that no other kernel compiles in, as long as this process (and what it becomes) lives:
/// cells of two notebooks in one folder would overwrite each other's source. Where files cannot be
/// locked, all kernels have the first folder.
fn cell_folder(cells: &Path) -> Result<PathBuf> {
    for number in 0.. {
        let Some(lock) = lock::at_once(&cells.join(format!("{number}.lock")))? else {
            continue;
        };
        // Outlives this process's change into evcxr; nothing closes it any more.
        fcntl(&lock, FcntlArg::F_SETFD(FdFlag::empty()))?;
        std::mem::forget(lock);
        let folder = cells.join(number.to_string());
        let first = cells.join("0");
        // What the first folder has compiled serves the next ones.
        if !folder.join("target").exists() && first.join("target").exists() {
            let partial = folder.with_extension("partial");
            let _ = std::fs::remove_dir_all(&partial);
            files::copy(&first, &partial)?;
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::rename(&partial, &folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        return Ok(folder);
    }
    unreachable!("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kernels_never_share_a_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let cells = scratch.path();
        let first = cell_folder(cells).unwrap();
        std::fs::create_dir_all(first.join("target")).unwrap();
        std::fs::write(first.join("target/compiled"), "slowly").unwrap();
        let second = cell_folder(cells).unwrap();
        assert_ne!(first, second);
        assert_eq!(std::fs::read(second.join("target/compiled")).unwrap(), b"slowly");
    }
}
