//! Files that are either whole or not there, even after a power cut.

use super::CheckpointError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`, and the folders on the way, through a sibling `.tmp` and a rename.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(CheckpointError::io(folder, "create the folder"))?;
    }
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(".tmp");
    let tmp = PathBuf::from(tmp);
    write_new(&tmp, bytes)?;
    fs::rename(&tmp, path).map_err(CheckpointError::io(path, "put the new file in place"))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")));
    Ok(())
}

/// Writes a file that nobody looks at yet, through to the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = File::create(path).map_err(CheckpointError::io(path, "create the file"))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(CheckpointError::io(path, "write the file"))
}

/// Makes renames in `dir` durable, where the system can (a kill needs nothing, a power cut does).
pub(super) fn sync_dir(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = dir.sync_all();
    }
}
