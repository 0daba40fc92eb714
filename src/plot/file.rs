//! Pictures reach the disk whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error("cannot write the picture {}: {source}. Name a file in a folder that you may write to.", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Writes beside `path` and renames, making the folders on the way.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    let attempt = || {
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        std::fs::create_dir_all(folder)?;
        let draft = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let written = std::fs::write(&draft, bytes).and_then(|()| std::fs::rename(&draft, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written
    };
    attempt().map_err(|source| PlotError::Write { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_no_draft_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/picture.png");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_refusal_names_the_path_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plain");
        std::fs::write(&file, b"").unwrap();
        let below = file.join("picture.png");
        assert!(write(&below, b"").unwrap_err().to_string().contains(&*below.to_string_lossy()));
        let inner = folder.path().join("folder");
        std::fs::create_dir(&inner).unwrap();
        assert!(write(&inner, b"").is_err(), "a folder is no picture");
        assert!(write(Path::new("/"), b"").is_err());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "a failed write left its draft behind");
    }
}
