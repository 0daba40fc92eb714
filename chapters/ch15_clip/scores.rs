//! The table: what the rule, the CLIP that guides, and another one say of what was drawn.

use super::lines::{Guide, Line, Nets, captions};
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::evaluate::{CHUNK, Generator, Prompts, Quality, Score, ScoreTable};
use from_noise::metrics::{FeatureExtractor, FeatureNet, alignment};
use from_noise::nn::Captions;
use from_noise::pretrained::PretrainedClip;
use from_noise::schedule::Level;
use from_noise::util::cli::{Chapter, ShardArgs, fill_measured};
use from_noise::util::device::on_cpu;
use from_noise::util::results::read_table;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// A line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub guide: String,
    pub scale: f64,
    pub steps: usize,
    /// Evaluations of the network that draws, per image.
    pub nfe: usize,
    /// Seconds an image, CLIP's gradients included.
    pub seconds: Option<f64>,
    pub n: u64,
    /// The share of the captions of which everything stated is in the picture, read by rule, and the
    /// share of what is stated, one by one.
    pub all: f64,
    pub color: f64,
    pub shape: f64,
    pub relation: f64,
    pub unreadable: f64,
    /// Mean inner products with the caption: by the CLIP that guides (the noised one, where none
    /// does), and by the one that is held out.
    pub guiding_clip: f64,
    pub held_out_clip: f64,
    pub fid_lenet: f64,
    pub error: Option<f64>,
    pub precision: f64,
    pub recall: f64,
    pub fid_real: f64,
    /// The hashes of the weights of both CLIPs.
    #[serde(default)]
    pub judges: String,
}

/// Draws all lines, and writes `guidance.csv` of those that are complete. A share only draws.
pub fn fill(
    lines: &[Line],
    nets: &Nets,
    n: u64,
    (net, test): (&FeatureNet, &Dataset),
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<Vec<Row>> {
    let (facts, captions) = captions(n);
    let entries =
        lines.iter().map(|line| line.entry(nets, &captions)).collect::<Result<Vec<_>>>()?;
    let table = ScoreTable::new(entries, net, test, chapter.results.dir())?;
    let known: Vec<Row> = read_table(&chapter.results.dir().join("guidance.csv"))?;
    let judges = |guide: &PretrainedClip| format!("{} {}", guide.hash, nets.held_out.hash);
    let all = [judges(&nets.noised), judges(&nets.clean)];
    let of = |score: &Score| {
        let same = |row: &&Row| row.fid_lenet == score.distance && all.contains(&row.judges);
        known.iter().find(same)
    };
    let scores = fill_measured(&table, share, &mut chapter.results, |score| of(score).is_some())?;
    let mut rows = Vec::new();
    if share.shard.is_some() {
        return Ok(rows);
    }
    let prompts = Captions::new(&Prompts::new(&captions)?.tokens);
    for line in lines {
        let recipe = line.images(nets, &captions)?.recipe();
        let Some((entry, score)) = table.scored(&scores, &recipe) else { continue };
        let Some(pixels) = table.measured(entry)? else {
            rows.extend(of(score).cloned());
            continue;
        };
        let found = alignment(&pixels, &facts);
        let quality = Quality::of(net, &net.features(&pixels), test);
        let x0 = from_u8(&pixels.to_device(chapter.device));
        let guide = if matches!(line.guide, Guide::Clean(_)) { &nets.clean } else { &nets.noised };
        rows.push(Row {
            guide: line.guide.name().into(),
            scale: line.guide.scale(),
            steps: score.steps,
            nfe: score.nfe,
            seconds: table.seconds(entry)?.map(|seconds| seconds / n as f64),
            n,
            all: found.all.rate(),
            color: found.color.rate(),
            shape: found.shape.rate(),
            relation: found.relation.rate(),
            unreadable: found.unreadable.rate(),
            guiding_clip: says(guide, &x0, &prompts),
            held_out_clip: says(&nets.held_out, &x0, &prompts),
            fid_lenet: score.distance,
            error: score.error,
            precision: quality.precision,
            recall: quality.recall,
            fid_real: score.fid_real,
            judges: judges(guide),
        });
    }
    chapter.results.samples(n);
    chapter.results.table("guidance.csv", &rows)?;
    Ok(rows)
}

/// The mean inner product of clean images with their captions.
pub fn says(net: &PretrainedClip, x0: &Tensor, captions: &Captions) -> f64 {
    let _guard = tch::no_grad_guard();
    let n = x0.size()[0];
    let similarity = |first: i64| {
        let count = (CHUNK as i64).min(n - first);
        let (x0, captions) = (x0.narrow(0, first, count), captions.narrow(first, count));
        on_cpu(&net.clip.similarity(&x0, &Level::CLEAN.into(), &captions))
    };
    let found: Vec<Tensor> = (0..n).step_by(CHUNK as usize).map(similarity).collect();
    Tensor::cat(&found, 0).mean(None::<Kind>).double_value(&[])
}
