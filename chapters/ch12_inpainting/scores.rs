//! How good completions are: distance, the digit they are read as, the seam; and what they cost.

use super::Config;
use super::networks::Networks;
use anyhow::Result;
use from_noise::data::{Dataset, Mask};
use from_noise::evaluate::{
    Generator, Inpainter, Inpainting, Known, Score, ScoreTable, TableEntry,
};
use from_noise::guide::Snapshot;
use from_noise::metrics::{FeatureNet, seam};
use from_noise::util::cli::{Chapter, ShardArgs, fill_measured};
use from_noise::util::device::on_cpu;
use from_noise::util::results::read_table;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tch::Tensor;

/// A way to inpaint, with one mask.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    mask: String,
    way: String,
    /// Evaluations of the network per image.
    nfe: usize,
    /// Per image: see [`seconds`].
    seconds: f64,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    /// The share of completions that are read as the digit they were cut from.
    same_digit: Option<f64>,
    /// The root mean square of [`seam`]; of the real digits it is `seam_real`.
    seam: Option<f64>,
    seam_real: f64,
    fid_real: f64,
}

/// The table of all ways and masks, and `inpainting.csv`.
pub fn fill(
    config: &Config,
    networks: &Networks,
    net: &FeatureNet,
    test: &Dataset,
    known: &dyn Fn(Mask) -> Known,
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<Vec<Row>> {
    let each = |mask: &Mask| config.ways.iter().map(|way| (*mask, *way)).collect::<Vec<_>>();
    let pairs: Vec<(Mask, Inpainting)> = config.masks.iter().flat_map(each).collect();
    let inpainter = |(mask, way): (Mask, Inpainting)| networks.inpainter(config, way, known(mask));
    let entry = |pair: &(Mask, Inpainting)| {
        let mask = known(pair.0).mask;
        let entry = TableEntry::new(inpainter(*pair)?, config.n);
        Ok(entry.measured("seam", move |images| seam(images, &mask)))
    };
    let entries = pairs.iter().map(entry).collect::<Result<Vec<_>>>()?;
    let table = ScoreTable::new(entries, net, test, chapter.results.dir().to_path_buf())?;
    let kept: Vec<Row> = read_table(&chapter.results.dir().join("inpainting.csv"))?;
    let seam_of = |score: &Score| kept.iter().find(|row| row.fid_lenet == score.distance)?.seam;
    let scores =
        fill_measured(&table, share, &mut chapter.results, |score| seam_of(score).is_some())?;
    let mut rows = Vec::new();
    if share.shard.is_some() || scores.is_empty() {
        return Ok(rows);
    }
    let of_one_mask = pairs[..config.ways.len()].iter();
    let seconds: Vec<f64> =
        of_one_mask.map(|pair| Ok(seconds(&inpainter(*pair)?))).collect::<Result<_>>()?;
    for (i, pair) in pairs.iter().enumerate() {
        let recipe = inpainter(*pair)?.recipe();
        let Some((line, score)) = table.scored(&scores, &recipe) else { continue };
        let found = table.measured(line)?;
        let rms = |seams: &Tensor| seams.mean(None).sqrt().double_value(&[]);
        let known = known(pair.0);
        rows.push(Row {
            mask: pair.0.to_string(),
            way: pair.1.to_string().replace("inpainted by ", ""),
            nfe: score.nfe,
            seconds: seconds[i % seconds.len()],
            n: score.n,
            fid_lenet: score.distance,
            error: score.error,
            same_digit: score.class_accuracy,
            seam: found.as_ref().map(rms).or_else(|| seam_of(score)),
            seam_real: rms(&seam(&known.images, &known.mask)),
            fid_real: score.fid_real,
        });
    }
    chapter.results.samples(config.n);
    chapter.results.table("inpainting.csv", &rows)?;
    Ok(rows)
}

/// Seconds that one image takes alone: the fastest evaluation, times their number, so that what else
/// the machine does matters little.
fn seconds(inpainter: &Inpainter) -> f64 {
    let (mut last, mut fastest) = (None, f64::INFINITY);
    let mut look = |seen: &Snapshot| {
        let _here = on_cpu(&seen.x0); // waits for a GPU
        let now = Instant::now();
        if let Some(last) = last.replace(now) {
            fastest = (now - last).as_secs_f64().min(fastest);
        }
    };
    let _image = inpainter.draw(0, 1, &mut look);
    fastest * inpainter.recipe().nfe as f64
}
