use super::{CheckpointError, write};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A CSV of numbers by step that grows by whole lines.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    /// `step,loss,...`; empty until the first row.
    header: String,
    last: u64,
}

impl Log {
    /// Opens `path` (or will create it), forgetting every row after `step` and any torn line.
    pub(super) fn open(path: PathBuf, step: u64) -> Result<Self, CheckpointError> {
        let (header, last) = cut_after(&path, step)?;
        Ok(Self { path, file: None, header, last })
    }

    /// Appends one row; the first row of a file fixes its columns.
    pub(super) fn row(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), CheckpointError> {
        let header = values.iter().fold("step".to_string(), |line, (name, _)| line + "," + name);
        let mut text = String::new();
        if self.header.is_empty() {
            text = header.clone() + "\n";
        } else if self.header != header {
            let (path, found) = (self.path.clone(), self.header.clone());
            return Err(CheckpointError::LogColumns { path, found, asked: header });
        }
        if step <= self.last {
            return Err(CheckpointError::LogOrder {
                path: self.path.clone(),
                step,
                last: self.last,
            });
        }
        text += &values.iter().fold(step.to_string(), |line, (_, value)| format!("{line},{value}"));
        text.push('\n');
        let append = |file: &mut Option<File>| {
            if file.is_none() {
                *file = Some(OpenOptions::new().create(true).append(true).open(&self.path)?);
            }
            file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes()))
        };
        append(&mut self.file).map_err(CheckpointError::io(&self.path, "append to the log"))?;
        (self.header, self.last) = (header, step);
        Ok(())
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Puts the rows on the disk, so that a save never outruns its log.
    pub(super) fn sync(&self) -> Result<(), CheckpointError> {
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
        synced.map_err(CheckpointError::io(&self.path, "write the log"))
    }
}

/// Keeps the header and the whole rows up to `step`; returns the header and the last step kept.
fn cut_after(path: &Path, step: u64) -> Result<(String, u64), CheckpointError> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok((String::new(), 0)),
        read => read.map_err(CheckpointError::io(path, "read the log"))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    // Editors and spreadsheets leave their marks: a byte order mark, other ends of lines.
    let text = text.trim_start_matches('\u{feff}');
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let mut lines = whole.map(|line| line.strip_suffix('\r').unwrap_or(line));
    let header = lines.next().unwrap_or("step").to_string();
    if header.split(',').next() != Some("step") {
        return Err(CheckpointError::NoLog { path: path.into(), line: 1, found: header });
    }
    let step_of = |row: &str| row.split(',').next().and_then(|field| field.parse::<u64>().ok());
    let (mut rows, mut last) = (Vec::new(), 0);
    for (i, row) in lines.enumerate() {
        let Some(at) = step_of(row) else {
            let (path, found) = (path.into(), row.to_owned());
            return Err(CheckpointError::NoLog { path, line: i + 2, found });
        };
        if at > step {
            break; // after the save
        }
        (last, _) = (at, rows.push(row));
    }
    if rows.is_empty() {
        fs::remove_file(path).map_err(CheckpointError::io(path, "remove the empty log"))?;
        return Ok((String::new(), 0));
    }
    let kept = rows.iter().fold(header.clone() + "\n", |kept, row| kept + row + "\n");
    if kept.as_bytes() != bytes {
        write(path, kept.as_bytes())?;
    }
    Ok((header, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, step: u64) -> (String, Log) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        fs::write(&path, text).unwrap();
        let mut log = Log::open(path.clone(), step).unwrap();
        log.row(99, &[("loss", 0.5)]).unwrap();
        (fs::read_to_string(path).unwrap(), log)
    }

    #[test]
    fn resuming_forgets_later_rows_and_torn_lines() {
        for torn in ["", "3", "3,0.", "3,0.25", "3,0.25\n4,1\n", "\0\0\0"] {
            assert_eq!(
                written(&format!("step,loss\n1,1\n2,0.5\n{torn}"), 2).0,
                "step,loss\n1,1\n2,0.5\n99,0.5\n"
            );
        }
        for torn in ["", "st", "step,loss", "step,loss\n", "step,loss\n1,1\n"] {
            assert_eq!(written(torn, 0).0, "step,loss\n99,0.5\n");
        }
    }

    #[test]
    fn what_a_spreadsheet_saved_is_read_or_refused() {
        for text in ["\u{feff}step,loss\r\n1,1\r\n2,0.5\r\n", "step,loss\r\n1,1\r\n2,0.5\r\n3,0"] {
            assert_eq!(written(text, 2).0, "step,loss\n1,1\n2,0.5\n99,0.5\n");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        let refused = [
            ("step;loss\n1;1\n", "line 1 is \"step;loss\""),
            ("step,loss\n1,1\n2;0.5\n", "line 3 is \"2;0.5\""),
            ("step,loss\n1.0,1\n", "line 2"),
        ];
        for (text, word) in refused {
            fs::write(&path, text).unwrap();
            let error = Log::open(path.clone(), 9).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("commas"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing is lost");
        }
    }

    #[test]
    fn rows_come_in_order_and_with_the_same_columns() {
        let (_, mut log) = written("step,loss\n1,1\n", 1);
        assert!(
            log.row(99, &[("loss", 1.0)])
                .unwrap_err()
                .to_string()
                .contains("step 99 logged after step 99")
        );
        let other = log.row(100, &[("lr", 1.0)]).unwrap_err().to_string();
        assert!(other.contains("step,loss") && other.contains("step,lr"), "{other}");
    }
}
