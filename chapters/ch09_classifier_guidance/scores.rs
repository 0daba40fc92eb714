//! The table: two networks, unguided and guided, by several measures.

use super::lines::{Guide, Line, Nets};
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::evaluate::{CHUNK, Generator, Quality, Score, ScoreTable};
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::nn::ClassLabels;
use from_noise::schedule::Level;
use from_noise::util::cli::{Chapter, ShardArgs, fill_measured};
use from_noise::util::device::on_cpu;
use from_noise::util::results::read_table;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// A line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub network: String,
    pub sampler: String,
    pub steps: usize,
    pub guide: String,
    pub algorithm: String,
    pub gamma: f64,
    /// Evaluations of the network that draws, per image.
    pub nfe: usize,
    pub n: u64,
    pub fid_lenet: f64,
    pub error: Option<f64>,
    pub inception_score: Option<f64>,
    pub precision: f64,
    pub recall: f64,
    /// The share in which the guiding classifier finds the class asked for (the noised one where
    /// none guides), and its mean surprise, `-ln p(y | x0)`.
    pub right_by_guide: f64,
    pub surprise_of_guide: f64,
    /// The same of the independent classifier.
    pub right_by_lenet: f64,
    pub surprise_of_lenet: f64,
    pub fid_real: f64,
    /// The hash of the weights of the guiding classifier.
    #[serde(default)]
    pub judge: String,
}

/// The share of the labels that are found, and `-ln p` of the labels in the mean.
fn judged(logits: &Tensor, labels: &Tensor) -> [f64; 2] {
    let logits = on_cpu(logits);
    let right = on_cpu(&logits.argmax(1, false).eq_tensor(labels));
    let surprise = logits.cross_entropy_for_logits(labels);
    [right.mean(None::<Kind>).double_value(&[]), surprise.double_value(&[])]
}

/// Draws all lines, and writes `guidance.csv` of those that are complete. A share only draws.
pub fn fill(
    lines: &[Line],
    nets: &Nets,
    n: u64,
    (lenet, test): (&FeatureNet, &Dataset),
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<Vec<Row>> {
    let entries = lines.iter().map(|line| line.entry(nets, n)).collect::<Result<Vec<_>>>()?;
    let table = ScoreTable::new(entries, lenet, test, chapter.results.dir())?;
    let known: Vec<Row> = read_table(&chapter.results.dir().join("guidance.csv"))?;
    let judges = [&nets.noised.hash, &nets.clean.hash];
    let of = |score: &Score| {
        let same = |row: &&Row| row.fid_lenet == score.distance && judges.contains(&&row.judge);
        known.iter().find(same)
    };
    let scores = fill_measured(&table, share, &mut chapter.results, |score| of(score).is_some())?;
    let mut rows = Vec::new();
    if share.shard.is_some() {
        return Ok(rows);
    }
    for line in lines {
        let recipe = line.images(nets)?.recipe();
        let Some((entry, score)) = table.scored(&scores, &recipe) else { continue };
        let Some(pixels) = table.measured(entry)? else {
            rows.extend(of(score).cloned());
            continue;
        };
        let features = lenet.features(&pixels);
        // each class was to be drawn in turn, even where nobody asked for it
        let labels = ClassLabels::in_turn(nets.noised.classes(), 0, n);
        let labels = labels.labels();
        let logits = lenet.logits(&features).expect("a LeNet classifies");
        let [right_by_lenet, surprise_of_lenet] = judged(&logits, labels);
        let guide = if matches!(line.guide, Guide::Clean(_)) { &nets.clean } else { &nets.noised };
        let logits = |pixels: &Tensor| {
            let x0 = from_u8(&pixels.to_device(chapter.device));
            tch::no_grad(|| guide.classifier.logits(&x0, &Level::CLEAN.into(), false))
        };
        let logits: Vec<Tensor> = pixels.split(CHUNK as i64, 0).iter().map(logits).collect();
        let logits = Tensor::cat(&logits, 0);
        let [right_by_guide, surprise_of_guide] = judged(&logits, labels);
        let Quality { inception_score, precision, recall } = Quality::of(lenet, &features, test);
        rows.push(Row {
            network: line.network().into(),
            sampler: score.sampler.clone(),
            steps: score.steps,
            guide: line.guide().into(),
            algorithm: line.algorithm().into(),
            gamma: line.gamma(),
            nfe: score.nfe,
            n,
            fid_lenet: score.distance,
            error: score.error,
            inception_score,
            precision,
            recall,
            right_by_guide,
            surprise_of_guide,
            right_by_lenet,
            surprise_of_lenet,
            fid_real: score.fid_real,
            judge: guide.hash.clone(),
        });
    }
    chapter.results.samples(n);
    chapter.results.table("guidance.csv", &rows)?;
    Ok(rows)
}
