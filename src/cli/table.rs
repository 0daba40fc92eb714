//! Filling a table of scores from a command: progress, interruptions, what is there already.

use super::{interrupted, stop_if_interrupted};
use crate::evaluate::{Filling, Score, Shard, Sweep, Work};
use crate::progress::Progress;
use crate::results::Results;
use tch::Device;

/// The flags of a command that fills a table.
#[derive(Debug, Clone, clap::Args)]
pub struct Share {
    /// Draw the I-th of N shares of the work, for N processes with one --out; no table is written
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Write the table of what is drawn already, and draw nothing
    #[arg(long, conflicts_with = "shard")]
    pub collect: bool,
}

/// Draws what `sweep` needs and writes `table.csv` into `results`; returns the sweep's lines that
/// are complete. A line that is in the file already is not drawn again, and lines of other sweeps
/// stay in it.
///
/// With `share.shard` it only draws, with `share.collect` it only writes.
///
/// # Errors
/// What cannot be read or written; an interruption, with all parts saved.
pub fn fill_table(
    sweep: &Sweep,
    filling: &Filling,
    share: &Share,
    results: &mut Results,
    device: Device,
) -> anyhow::Result<Vec<Score>> {
    sweep.check(filling.trained, filling.net)?;
    let lines = sweep.lines();
    let mut rows = known(results);
    let place = |row: &Score| lines.iter().position(|line| filling.made(row, *line));
    let found: Vec<_> = rows.iter().filter_map(place).collect();
    let todo = lines.iter().enumerate().filter(|(i, _)| !found.contains(i));
    let todo: Vec<_> = todo.map(|(_, line)| *line).collect();
    if !share.collect {
        let shard = share.shard.unwrap_or(Shard::WHOLE);
        let work = Work { lines: &lines, todo: &todo, shard };
        let (left, done) = filling.cost(work);
        let mut progress = Progress::new("drawing", left + done).starting_at(done);
        filling.draw(work, device, |_| progress.tick(""), interrupted)?;
        progress.finish("");
    }
    if share.shard.is_none() {
        for line in todo {
            rows.extend(filling.score(line)?);
        }
        rows.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
        if !rows.is_empty() {
            results.table("table.csv", &rows)?;
        }
    }
    stop_if_interrupted()?;
    rows.retain(|row| place(row).is_some());
    Ok(rows)
}

/// The lines of a `table.csv` that an earlier run left behind.
fn known(results: &Results) -> Vec<Score> {
    let Ok(mut reader) = csv::Reader::from_path(results.dir().join("table.csv")) else {
        return Vec::new();
    };
    reader.deserialize().filter_map(Result::ok).collect()
}
