//! The tables: what of captions is in the pictures, read by rule, and how near these are to real ones.

use super::Config;
use super::asked::Which;
use super::lines::Line;
use anyhow::Result;
use from_noise::data::Dataset;
use from_noise::evaluate::{Generator, Quality, Score, ScoreTable};
use from_noise::metrics::{FeatureExtractor, FeatureNet, alignment};
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{Chapter, ShardArgs, fill_measured};
use from_noise::util::results::read_table;
use serde::{Deserialize, Serialize};

/// A line of a table. A share is of the captions that state such a thing; NaN if no caption does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub captions: Which,
    /// What guidance leads away from.
    pub away_from: String,
    pub scale: f64,
    /// Evaluations of the network per image.
    pub nfe: usize,
    pub n: u64,
    /// All that is stated, in one picture.
    pub all: f64,
    pub color: f64,
    pub shape: f64,
    pub size: f64,
    pub number: f64,
    pub relation: f64,
    pub background: f64,
    /// Pictures that the rule cannot read, which show nothing of what is stated.
    pub unreadable: f64,
    pub fid_lenet: f64,
    pub error: Option<f64>,
    pub precision: f64,
    pub recall: f64,
    pub fid_real: f64,
}

/// Draws all lines, and writes `guidance.csv` and `relations.csv` of those that are complete. A share
/// only draws.
pub fn fill(
    config: &Config,
    base: &Pretrained,
    (net, test): (&FeatureNet, &Dataset),
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<Vec<Row>> {
    let all = [Which::Seen, Which::HeldOut, Which::Relations];
    let asked = all.map(|which| (which, config.asked(which)));
    let of = |line: &Line| &asked.iter().find(|(which, _)| *which == line.captions).expect("one").1;
    let lines = config.lines();
    let entry = |line: &Line| line.entry(base, config.sampling, of(line));
    let entries = lines.iter().map(entry).collect::<Result<Vec<_>>>()?;
    let table = ScoreTable::new(entries, net, test, chapter.results.dir())?;
    let read = |name| read_table(&chapter.results.dir().join(name));
    let known: Vec<Row> = [read("guidance.csv")?, read("relations.csv")?].concat();
    let kept = |score: &Score| known.iter().any(|row| row.fid_lenet == score.distance);
    let scores = fill_measured(&table, share, &mut chapter.results, kept)?;
    let mut rows = Vec::new();
    if share.shard.is_some() {
        return Ok(rows);
    }
    for line in &lines {
        let recipe = line.images(base, config.sampling, of(line))?.recipe();
        let Some((entry, score)) = table.scored(&scores, &recipe) else { continue };
        let Some(pixels) = table.measured(entry)? else {
            let same = |row: &&Row| {
                (row.fid_lenet, row.scale, row.captions)
                    == (score.distance, line.scale, line.captions)
                    && row.away_from == line.away_from()
            };
            rows.extend(known.iter().find(same).cloned());
            continue;
        };
        let found = alignment(&pixels, &of(line).facts);
        let quality = Quality::of(net, &net.features(&pixels), test);
        rows.push(Row {
            captions: line.captions,
            away_from: line.away_from().into(),
            scale: line.scale,
            nfe: score.nfe,
            n: score.n,
            all: found.all.rate(),
            color: found.color.rate(),
            shape: found.shape.rate(),
            size: found.size.rate(),
            number: found.number.rate(),
            relation: found.relation.rate(),
            background: found.background.rate(),
            unreadable: found.unreadable.rate(),
            fid_lenet: score.distance,
            error: score.error,
            precision: quality.precision,
            recall: quality.recall,
            fid_real: score.fid_real,
        });
    }
    chapter.results.samples(config.n);
    let (relations, captions): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.captions == Which::Relations);
    chapter.results.table("guidance.csv", &captions)?;
    chapter.results.table("relations.csv", &relations)?;
    Ok(rows)
}
