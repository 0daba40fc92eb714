//! A lock file lets in one process at a time, where the file system can lock at all. Where it cannot
//! (Windows folders, some network drives) everything goes on unlocked.

use anyhow::{Context, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Locks `path` until the file is closed, and waits while another process holds it.
pub fn wait(path: &Path) -> Result<File> {
    if let Some(file) = at_once(path)? {
        return Ok(file);
    }
    eprintln!("another process holds {}: waiting for it", path.display());
    let file = File::create(path)?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Locks `path` until the file is closed, or gives `None` while another process holds it.
pub fn at_once(path: &Path) -> Result<Option<File>> {
    let folder = path.parent().context("a lock file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let held = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    Ok((!held).then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_second_waits_until_the_first_is_done() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("new/folder/lock");
        let first = wait(&path).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let again = path.clone();
        std::thread::spawn(move || sender.send(wait(&again).unwrap()));
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        drop(first);
        let second = receiver.recv().unwrap();
        assert!(at_once(&path).unwrap().is_none());
        drop(second);
        assert!(at_once(&path).unwrap().is_some());
    }
}
