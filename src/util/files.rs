//! Files that are whole or not there, even after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`, and the folders on the way: through a draft beside it and a rename.
/// Of several processes that write one file, the last one's is found whole.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, draft) = draft(path)?;
    fs::create_dir_all(&folder)?;
    let written = write_through(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    sync_dir(&folder);
    written
}

/// Fills a folder that does not exist yet, or is empty, and makes the folders on the way: through a
/// draft beside it and a rename, as [`write_atomically`].
pub fn fill_folder(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let (folder, draft) = draft(path)?;
    fs::create_dir_all(&folder)?;
    let filled =
        fs::create_dir(&draft).and_then(|()| fill(&draft)).and_then(|()| fs::rename(&draft, path));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
    sync_dir(&folder);
    filled
}

/// The folder that holds `path`, and a name beside it that nobody looks at.
fn draft(path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let draft = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    Ok((folder.to_owned(), draft))
}

/// Writes a file that nobody looks at yet, through to the disk.
pub(crate) fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames in `dir` durable, where the system can (a kill needs nothing, a power cut does).
pub(crate) fn sync_dir(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = dir.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_no_draft_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/picture.png");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/pictures");
        let left = || fs::read_dir(folder.path().join("a")).unwrap().count();
        let fail = |draft: &Path| fs::write(draft.join("0"), "").and(Err(io::Error::other("full")));
        assert!(fill_folder(&path, fail).is_err());
        assert_eq!(left(), 0, "a failed folder left its draft behind");
        fill_folder(&path, |draft| fs::write(draft.join("0"), "one")).unwrap();
        assert_eq!((fs::read(path.join("0")).unwrap(), left()), (b"one".to_vec(), 1));
        assert!(fill_folder(&path, |_| Ok(())).is_err(), "what is there is not written over");
        assert_eq!((fs::read(path.join("0")).unwrap(), left()), (b"one".to_vec(), 1));
    }

    #[test]
    fn a_refused_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plain");
        fs::write(&file, b"").unwrap();
        assert!(write_atomically(&file.join("picture.png"), b"").is_err());
        let inner = folder.path().join("folder");
        fs::create_dir(&inner).unwrap();
        assert!(write_atomically(&inner, b"").is_err(), "a folder is no file");
        assert!(write_atomically(Path::new("/"), b"").is_err());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "a failed write left its draft behind");
    }
}
