//! The cascade against one network, by the distance of what they draw.

use super::Config;
use super::alone::{enlarging, low_res};
use super::base::{Base, Interpolated, Stages};
use anyhow::Result;
use from_noise::data::{Dataset, Interpolation, from_u8, reduce};
use from_noise::evaluate::{Generator, ImageSampler, Recipe, ScoreTable, TableEntry};
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{Chapter, ShardArgs, fill_table};
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::time::Instant;

/// A way to draw large images.
#[derive(Debug, Serialize)]
struct Row {
    way: &'static str,
    noise_level: Option<usize>,
    scale: Option<f64>,
    nfe: usize,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    /// The share that is read as the class asked for.
    right: Option<f64>,
    fid_real: f64,
}

/// What an image costs: the least of a few measurements.
#[derive(Debug, Serialize)]
struct Time {
    way: &'static str,
    nfe: usize,
    seconds: f64,
}

/// A line of the table before it is scored: its names, and what the score is found by.
struct Line {
    way: &'static str,
    noise_level: Option<usize>,
    scale: Option<f64>,
    recipe: Recipe,
}

/// `cascade.csv`: the cascade by noise level and by scale, one network, and what each stage spoils.
pub fn fill(
    config: &Config,
    stages: &Stages,
    net: &FeatureNet,
    test: &Dataset,
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<()> {
    let (base, how) = (Base::new(config, stages, 1.0)?, low_res(&stages.upper)?);
    let (mut lines, mut entries) = (Vec::new(), Vec::new());
    let entry = |images: ImageSampler| TableEntry::new(images, config.n);
    let mut add = |way, noise_level, scale, entry: TableEntry| {
        lines.push(Line { way, noise_level, scale, recipe: entry.recipe.clone() });
        entries.push(entry);
    };
    add("direct", None, None, entry(ImageSampler::new(&stages.direct, config.direct)?));
    let bicubic =
        Interpolated { by: base.clone(), how: Interpolation::Bicubic, factor: how.factor };
    add("base and bicubic", None, None, TableEntry::new(bicubic, config.n));
    let real = real(config, &stages.upper, test, how.factor, chapter.seed)?;
    add("upsampler of real images", Some(0), None, entry(real));
    for &level in &config.noise_levels {
        let cascade = stages.cascade(config, &base, level, 1.0)?;
        add("cascade", Some(level), None, entry(cascade));
    }
    for &scale in &config.scales {
        let (level, way) = (config.guided_at, "guided cascade");
        let guided = stages.cascade(config, &base, level, scale)?;
        add(way, Some(level), Some(scale), entry(guided));
    }
    let deaf = stages.cascade(config, &Base::new(config, stages, 0.0)?, 0, 0.0)?;
    add("cascade, not told the class", Some(0), Some(0.0), entry(deaf));
    let table = ScoreTable::new(entries, net, test, chapter.results.dir().to_path_buf())?;
    let scores = fill_table(&table, share, &mut chapter.results)?;
    if share.shard.is_some() {
        return Ok(());
    }
    let row = |line: &Line| {
        let (_, score) = table.scored(&scores, &line.recipe)?;
        Some(Row {
            way: line.way,
            noise_level: line.noise_level,
            scale: line.scale,
            nfe: score.nfe,
            n: score.n,
            fid_lenet: score.distance,
            error: score.error,
            right: score.class_accuracy,
            fid_real: score.fid_real,
        })
    };
    let rows: Vec<Row> = lines.iter().filter_map(row).collect();
    chapter.results.samples(config.n);
    chapter.results.table("cascade.csv", &rows)?;
    times(config, stages, chapter)
}

/// The upper stage on test images that were made small: what of a distance is its own.
fn real(
    config: &Config,
    upper: &Pretrained,
    test: &Dataset,
    factor: i64,
    seed: u64,
) -> Result<ImageSampler> {
    let few = test.first(config.n as usize);
    let low = reduce(&from_u8(&few.images), factor);
    enlarging((&low, &few.labels), upper, config.stage, 0, seed)
}

/// `times.csv`: seconds an image, measured in turn.
fn times(config: &Config, stages: &Stages, chapter: &mut Chapter) -> Result<()> {
    let n = config.n.min(64);
    let direct = ImageSampler::new(&stages.direct, config.direct)?;
    let (mut best, mut nfe) = ([f64::INFINITY; 2], [0; 2]);
    let mut progress = Progress::new("timing", 6);
    for _ in 0..3 {
        let base = Base::new(config, stages, 1.0)?; // one that has drawn nothing
        let cascade = stages.cascade(config, &base, 0, 1.0)?;
        for (i, images) in [&cascade, &direct].into_iter().enumerate() {
            let started = Instant::now();
            let _here = on_cpu(&images.draw(0, n, &mut |_| {})); // waits for a GPU
            best[i] = best[i].min(started.elapsed().as_secs_f64() / n as f64);
            nfe[i] = images.recipe().nfe;
            progress.tick("");
        }
    }
    progress.finish("");
    let row = |i: usize, way| Time { way, nfe: nfe[i], seconds: best[i] };
    chapter.results.samples(n);
    Ok(chapter.results.table("times.csv", &[row(0, "cascade"), row(1, "direct")])?)
}
