//! Filling a table of scores from a command: progress, interruptions, what is there already.

use super::interrupt::stop_saying;
use super::{Chapter, Cost, PictureArgs, count, find, hold_interrupts, images_of_run, interrupted};
use crate::data::Split;
use crate::evaluate::{
    CHUNK, ImageSampler, SamplingError, Score, ScoreTable, Shard, Sweep, TableEntry, check_guidance,
};
use crate::guide::Guidance;
use crate::metrics::{FeatureNet, InceptionNet};
use crate::pretrained::Pretrained;
use crate::util::print;
use crate::util::progress::Progress;
use crate::util::results::{ReadError, Results, read_table, row_seconds};
use std::path::{Path, PathBuf};

/// The flags of a command that fills a table.
#[derive(Debug, Clone, clap::Args)]
pub struct ShardArgs {
    /// Draw the I-th of N shares of the work, for N processes with one --out; no table is written
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Write the table of what is drawn already, and draw nothing
    #[arg(long, conflicts_with = "shard")]
    pub collect: bool,
}

/// The flags of a chapter that fills a table.
#[derive(Debug, Clone, clap::Args)]
pub struct TableArgs {
    #[command(flatten)]
    pub shards: ShardArgs,

    /// Run directory whose weights draw
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-unet-v")]
    pub weights: PathBuf,

    /// Run directory of the classifier whose features are compared
    #[arg(long, value_name = "DIR", default_value = "weights/mnist-classifier")]
    pub classifier: PathBuf,

    #[command(flatten)]
    pub pictures: PictureArgs,

    /// Images a line, at least 4 [default: by preset]
    #[arg(long, value_name = "N", visible_alias = "n", value_parser = count::<u64>().range(4..=1_000_000_000))]
    pub samples: Option<u64>,

    /// Go on where an interrupted run stopped, as the same command does without it
    #[arg(long)]
    pub resume: bool,
}

/// The model that drew, the network that measured, and the complete lines of a table, each with
/// what else was found out about it.
pub type Filled<T> = (Pretrained, FeatureNet, Vec<(Score, T)>);

impl TableArgs {
    /// What all of `sweep` would cost, with each of these guidances.
    ///
    /// # Errors
    /// Weights that are not there, or that cannot be sampled so.
    pub fn cost(&self, sweep: &Sweep, guidances: &[Guidance]) -> anyhow::Result<Cost> {
        let config = Pretrained::config(find(&self.weights))?;
        config.needs_no_image()?;
        let net = config.network.cost()?;
        self.pictures.check(&config.data)?;
        let schedule = config.schedule.build();
        for (sampling, _) in sweep.samplings() {
            sampling.check(&schedule, config.parameterization)?;
        }
        for guidance in guidances {
            check_guidance(&config, *guidance, false)?;
        }
        let level = schedule.level(schedule.steps());
        let evaluations: usize = guidances.iter().map(|guidance| guidance.evaluations(level)).sum();
        Ok(Cost::sampling(net, sweep.evaluations(&schedule) * evaluations as u64, CHUNK))
    }

    /// Fills the table of `sweep`, with each of these guidances, in the chapter's results: the model
    /// that drew, the network that measured, and the lines that are complete. A share has no table
    /// to show, so no lines.
    pub fn fill(
        &self,
        sweep: &Sweep,
        guidances: &[Guidance],
        smoke: bool,
        chapter: &mut Chapter,
    ) -> anyhow::Result<(Pretrained, FeatureNet, Vec<Score>)> {
        let (trained, net, rows) =
            self.fill_each(sweep, guidances, smoke, chapter, |_, _| Ok(()))?;
        Ok((trained, net, rows.into_iter().map(|(row, ())| row).collect()))
    }

    /// As [`fill`](Self::fill), with what `more` finds out about each complete line.
    pub fn fill_each<T>(
        &self,
        sweep: &Sweep,
        guidances: &[Guidance],
        smoke: bool,
        chapter: &mut Chapter,
        more: impl Fn(&ScoreTable, &TableEntry) -> anyhow::Result<T>,
    ) -> anyhow::Result<Filled<T>> {
        let trained = Pretrained::load(find(&self.weights), chapter.device)?;
        let net = FeatureNet::load(find(&self.classifier), chapter.device)?;
        let dir = find(&self.weights);
        let test = images_of_run(&dir, &trained.config, Split::Test, smoke, &self.pictures)?;
        let dir = chapter.results.dir().to_path_buf();
        let ways: Vec<_> = guidances
            .iter()
            .map(|&guidance| move |images: ImageSampler| images.guided(guidance, None))
            .collect();
        let lines = image_lines(sweep, &trained, &ways)?;
        let table = ScoreTable::new(lines, &net, &test, dir)?;
        let rows = fill_table(&table, &self.shards, &mut chapter.results)?;
        let mut found = Vec::new();
        if self.shards.shard.is_none() {
            for row in rows {
                let line = table.lines().iter().find(|line| table.made(&row, line));
                let line = line.expect("each row is of a line");
                let more = more(&table, line)?;
                found.push((row, more));
            }
        }
        drop(table); // it borrows the network
        Ok((trained, net, found))
    }
}

/// The lines of a sweep, drawn by `trained` in each of these ways, such as a class or a guidance;
/// says on standard error which paths are unsound.
pub fn image_lines(
    sweep: &Sweep,
    trained: &Pretrained,
    ways: &[impl Fn(ImageSampler) -> Result<ImageSampler, SamplingError>],
) -> Result<Vec<TableEntry>, SamplingError> {
    let mut lines = Vec::new();
    for way in ways {
        lines.extend(sweep.lines(|sampling| way(ImageSampler::new(trained, sampling)?))?);
    }
    let mut said: Vec<String> = Vec::new();
    for (sampling, _) in sweep.samplings() {
        said.extend(sampling.warning(&trained.schedule).filter(|warning| !said.contains(warning)));
    }
    said.iter().for_each(|warning| print::err(format_args!("warning: {warning}")));
    Ok(lines)
}

/// Draws what the table needs and writes `table.csv` into `results`; returns its lines that are
/// complete. A line that is in the file already is not drawn again, and lines of other tables
/// stay in it.
///
/// With `share.shard` it only draws, with `share.collect` it only writes.
///
/// # Errors
/// What cannot be read or written. An interruption ends the process, with all parts saved.
pub fn fill_table(
    table: &ScoreTable,
    share: &ShardArgs,
    results: &mut Results,
) -> anyhow::Result<Vec<Score>> {
    fill_measured(table, share, results, |_| true)
}

/// As [`fill_table`], of lines that [measure](TableEntry::measured) more than `table.csv` holds: one
/// whose parts are gone is drawn again, unless `known` says that an earlier run has left the rest. A
/// row of a chapter's own table is of the same images as a score if it has the score's distance.
///
/// # Errors
/// As [`fill_table`].
pub fn fill_measured(
    table: &ScoreTable,
    share: &ShardArgs,
    results: &mut Results,
    known: impl Fn(&Score) -> bool,
) -> anyhow::Result<Vec<Score>> {
    let _held = hold_interrupts()?;
    let lines = table.lines();
    let mut rows = scores_of(results)?;
    if let Some(warning) = table.warning() {
        print::err(format_args!("warning: {warning}"));
    }
    let place = |row: &Score| lines.iter().position(|line| table.made(row, line));
    let complete = |row: &Score, line| known(row) || table.is_drawn(line);
    let found = rows.iter().filter_map(|(row, _)| Some((place(row)?, row)));
    let found = found.filter(|(i, row)| complete(row, &lines[*i])).map(|(i, _)| i);
    let found: Vec<usize> = found.collect();
    let todo = lines.iter().enumerate().filter(|(i, _)| !found.contains(i));
    let todo: Vec<&TableEntry> = todo.map(|(_, line)| line).collect();
    if !share.collect {
        let shard = share.shard.unwrap_or(Shard::WHOLE);
        let (left, done) = table.cost(&todo, shard);
        let mut progress = Progress::new("drawing", left + done).starting_at(done);
        table.draw(&todo, shard, |_| progress.tick(""), interrupted)?;
        progress.finish("");
    }
    if share.shard.is_none() {
        let lacking = todo.iter().filter(|line| !table.is_drawn(line)).count();
        if lacking > 0 {
            print::err(format_args!(
                "warning: not drawn whole, and so left out: {lacking} of {} lines; the same \
                 command without --collect draws what is missing",
                lines.len()
            ));
        }
        for line in todo {
            if let Some(row) = table.score(line)? {
                rows.retain(|(old, _)| !table.made(old, line));
                rows.push((row, None));
            }
        }
        rows.sort_by_key(|(row, _)| place(row).unwrap_or(usize::MAX));
        for (row, seconds) in &mut rows {
            row.metric = row.metric().to_owned(); // an older table's row has none
            let Some(place) = place(row) else { continue };
            row.fid_real = table.fid_real(row.n); // of every row by the same real images
            if seconds.is_none() {
                *seconds = table.seconds(&lines[place])?;
            }
        }
        let (rows, seconds): (Vec<&Score>, Vec<_>) = rows.iter().map(|(r, s)| (r, *s)).unzip();
        if !rows.is_empty() {
            results.timed_table("table.csv", &rows, seconds)?;
        }
    }
    stop_saying("all that is drawn is saved: type the same command to go on");
    Ok(rows.into_iter().map(|(row, _)| row).filter(|row| place(row).is_some()).collect())
}

/// The lines of a `table.csv` that an earlier run left behind, and what each took.
fn scores_of(results: &Results) -> Result<Vec<(Score, Option<f64>)>, ReadError> {
    let path = results.dir().join("table.csv");
    let rows = read_table(&path)?;
    let seconds = row_seconds(&path)?.into_iter().chain(std::iter::repeat(None));
    Ok(rows.into_iter().zip(seconds).collect())
}

/// The Inception network of FID, for images of `shape`.
pub fn inception(
    typed: &Path,
    shape: [i64; 3],
    device: tch::Device,
) -> anyhow::Result<InceptionNet> {
    let (path, shown) = (find(typed), typed.display());
    anyhow::ensure!(
        path.is_file(),
        "there is no {shown}: `cargo xtask weights fid-inception` fetches the published weights to \
         weights/published/fid-inception/pt_inception-2015-12-05-6726825d.pth"
    );
    let net = InceptionNet::load(path, shape, device)?;
    if !net.is_published() {
        print::err(format_args!("warning: {shown} is not the published network: no FID of papers"));
    }
    Ok(net)
}
