//! What a command leaves behind: figures and tables, each with a sidecar that says how it was
//! made.
//!
//! Beside `curves.png` stands `curves.png.json` with the command, its configuration, the seed, the
//! number of samples, the device, the date and the seconds. Timings live only there: the files
//! themselves are the same every time.

use crate::plot::{Figure, Gif};
use crate::say;
use crate::util::files::{fill_folder, write_atomically};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a result was made.
#[derive(Debug, Clone, Serialize)]
pub struct Sidecar {
    /// What to type to make it again.
    pub command: String,
    /// The resolved configuration.
    pub config: serde_json::Value,
    pub seed: u64,
    /// How many samples the result rests on, where it rests on samples.
    pub n: Option<u64>,
    pub device: String,
    /// UTC, `YYYY-MM-DD`.
    pub date: String,
    /// From the start of the command to this file.
    pub seconds: f64,
    /// What each row of a table took to compute, maybe by other commands; null where unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub row_seconds: Vec<Option<f64>>,
    /// The crate's version.
    pub version: &'static str,
}

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {cause}; choose another folder with --out")]
pub struct ResultError {
    path: PathBuf,
    cause: String,
}

/// A folder of results, written atomically and listed at the end.
#[derive(Debug)]
pub struct Results {
    dir: PathBuf,
    origin: Sidecar,
    started: Instant,
    files: Vec<PathBuf>,
    /// Folders that were not there before, the innermost first.
    made: Vec<PathBuf>,
}

impl Results {
    /// Opens (and creates) the folder `dir` for the results of one command. If the command fails
    /// before anything lies in it, the folder goes again.
    pub fn create(
        dir: impl Into<PathBuf>,
        command: String,
        config: &impl Serialize,
        seed: u64,
        device: tch::Device,
    ) -> Result<Self, ResultError> {
        let dir = dir.into();
        let config = serde_json::to_value(config).map_err(|e| failed(&dir, e))?;
        let missing = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists());
        let made = missing.map(Path::to_path_buf).collect();
        std::fs::create_dir_all(&dir).map_err(|e| failed(&dir, e))?;
        let origin = Sidecar {
            command,
            config,
            seed,
            n: None,
            device: format!("{device:?}").to_lowercase(),
            date: time::OffsetDateTime::now_utc().date().to_string(),
            seconds: 0.0,
            row_seconds: Vec::new(),
            version: env!("CARGO_PKG_VERSION"),
        };
        Ok(Self { dir, origin, started: Instant::now(), files: Vec::new(), made })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// States how many samples the next results rest on.
    pub fn samples(&mut self, n: impl Into<Option<u64>>) {
        self.origin.n = n.into();
    }

    /// Writes `name` (a PNG).
    pub fn figure(&mut self, name: &str, figure: &Figure) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        figure.save(&path).map_err(|e| failed(&path, e))?;
        self.keep(path)
    }

    /// Writes `name` (a GIF).
    pub fn gif(&mut self, name: &str, gif: &Gif) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        gif.save(&path).map_err(|e| failed(&path, e))?;
        self.keep(path)
    }

    /// Writes `name` (a CSV): one line per row, the fields' names as the header.
    pub fn table<R: Serialize>(&mut self, name: &str, rows: &[R]) -> Result<(), ResultError> {
        self.timed_table(name, rows, Vec::new())
    }

    /// Writes a table, as [`Results::table`], with the seconds that each row took in the sidecar.
    pub fn timed_table<R: Serialize>(
        &mut self,
        name: &str,
        rows: &[R],
        seconds: Vec<Option<f64>>,
    ) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            writer.serialize(row).map_err(|e| failed(&path, e))?;
        }
        let bytes = writer.into_inner().map_err(|e| failed(&path, e))?;
        write_atomically(&path, &bytes).map_err(|e| failed(&path, e))?;
        self.keep_timed(path, seconds.into_iter().map(|s| s.map(tenths)).collect())
    }

    /// Writes `name` (a JSON file).
    pub fn json(&mut self, name: &str, value: &impl Serialize) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        let text = serde_json::to_string(value).map_err(|e| failed(&path, e))?;
        write_atomically(&path, format!("{text}\n").as_bytes()).map_err(|e| failed(&path, e))?;
        self.keep(path)
    }

    /// Writes `name`, whose bytes are made elsewhere.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        write_atomically(&path, bytes).map_err(|e| failed(&path, e))?;
        self.keep(path)
    }

    /// Writes the folder `name`, filled elsewhere; its sidecar stands beside it.
    pub fn folder(
        &mut self,
        name: &str,
        fill: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> Result<(), ResultError> {
        let path = self.dir.join(name);
        fill_folder(&path, fill).map_err(|e| failed(&path, e))?;
        self.keep(path)
    }

    /// Says which files were written.
    pub fn finish(self) {
        if self.files.is_empty() {
            return;
        }
        say!("wrote, in {:.1} s:", self.started.elapsed().as_secs_f64());
        for file in &self.files {
            say!("  {}", file.display());
        }
    }

    fn keep(&mut self, path: PathBuf) -> Result<(), ResultError> {
        self.keep_timed(path, Vec::new())
    }

    fn keep_timed(
        &mut self,
        path: PathBuf,
        row_seconds: Vec<Option<f64>>,
    ) -> Result<(), ResultError> {
        let seconds = tenths(self.started.elapsed().as_secs_f64());
        let origin = Sidecar { seconds, row_seconds, ..self.origin.clone() };
        let text = serde_json::to_string_pretty(&origin).map_err(|e| failed(&path, e))?;
        let sidecar = sidecar(&path);
        write_atomically(&sidecar, format!("{text}\n").as_bytes())
            .map_err(|e| failed(&sidecar, e))?;
        self.files.push(path);
        Ok(())
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder); // refuses one with anything in it
        }
    }
}

/// A table or sidecar that is there and cannot be read. It is never written over.
#[derive(Debug, thiserror::Error)]
#[error("{}{line}: {cause}: mend it, or move it away and start anew", path.display())]
pub struct ReadError {
    path: PathBuf,
    line: String,
    cause: String,
}

/// The rows of the table at `path`; none if there is no such file. Columns that newer versions of
/// this crate added may be missing where `R` has a default for them.
///
/// # Errors
/// A row, or a column, that does not belong to `R`, with its line.
pub fn read_table<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>, ReadError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |error: csv::Error| {
        let line = error.position().map_or(String::new(), |at| format!(", line {}", at.line()));
        let cause = match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            _ => error.to_string(),
        };
        ReadError { path: path.into(), line, cause }
    };
    let mut reader = csv::Reader::from_path(path).map_err(failed)?;
    let header = reader.headers().map_err(failed)?;
    if let Some(mark) =
        [';', '\t'].into_iter().find(|mark| header.len() == 1 && header[0].contains(*mark))
    {
        let (line, cause) = (", line 1".into(), format!("{mark:?} separates its columns, not ','"));
        return Err(ReadError { path: path.into(), line, cause });
    }
    reader.deserialize().map(|row| row.map_err(failed)).collect()
}

/// [`Sidecar::row_seconds`] of the table at `path`; none if there is no sidecar.
///
/// # Errors
/// A sidecar that cannot be read.
pub fn row_seconds(path: &Path) -> Result<Vec<Option<f64>>, ReadError> {
    #[derive(Deserialize)]
    struct Known {
        #[serde(default)]
        row_seconds: Vec<Option<f64>>,
    }
    let path = sidecar(path);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |cause: String| ReadError { path: path.clone(), line: String::new(), cause };
    let text = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
    let known: Known = serde_json::from_slice(&text).map_err(|e| failed(e.to_string()))?;
    Ok(known.row_seconds)
}

/// `curves.png.json` of `curves.png`.
fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn failed(path: &Path, cause: impl std::fmt::Display) -> ResultError {
    ResultError { path: path.to_path_buf(), cause: cause.to_string() }
}
