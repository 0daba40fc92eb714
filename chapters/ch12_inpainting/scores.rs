//! How good completions are: distance, the digit they are read as, and the seam.

use super::Config;
use super::masks::Mask;
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::evaluate::{
    CHUNK, Generator, Inpainter, Inpainting, Known, ScoreTable, TableEntry,
};
use from_noise::metrics::FeatureNet;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{Chapter, ShardArgs, fill_table};
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

/// A way to inpaint, with one mask.
#[derive(Debug, Serialize)]
pub struct Row {
    mask: String,
    way: String,
    /// Evaluations of the network per image.
    nfe: usize,
    n: u64,
    fid_lenet: f64,
    error: Option<f64>,
    /// The share of completions that are read as the digit they were cut from.
    same_digit: Option<f64>,
    /// See [`seam`]; of the real digits it is `seam_real`.
    seam: f64,
    seam_real: f64,
    fid_real: f64,
}

/// Images of a line whose seams are measured: they are drawn again.
const SEAMS: u64 = 64;

/// The table of all ways and masks, and `inpainting.csv`.
pub fn fill(
    config: &Config,
    trained: &Pretrained,
    net: &FeatureNet,
    test: &Dataset,
    known: &dyn Fn(Mask) -> Known,
    share: &ShardArgs,
    chapter: &mut Chapter,
) -> Result<Vec<Row>> {
    let pairs: Vec<(Mask, Inpainting)> = config
        .masks
        .iter()
        .flat_map(|mask| config.ways().into_iter().map(|way| (*mask, way)))
        .collect();
    let inpainter = |(mask, way): (Mask, Inpainting)| {
        Inpainter::new(trained, config.sampling, way, known(mask))
    };
    let entries = pairs.iter().map(|pair| Ok(TableEntry::new(inpainter(*pair)?, config.n)));
    let table = ScoreTable::new(
        entries.collect::<Result<Vec<_>>>()?,
        net,
        test,
        chapter.results.dir().to_path_buf(),
    )?;
    let scores = fill_table(&table, share, &mut chapter.results)?;
    let mut rows = Vec::new();
    if share.shard.is_some() {
        return Ok(rows);
    }
    for pair in pairs {
        let images = inpainter(pair)?;
        let condition = images.recipe().condition;
        let Some(score) = scores.iter().find(|score| score.condition == condition) else {
            continue;
        };
        let n = SEAMS.min(config.n).min(CHUNK);
        let (drawn, known) = (images.draw(0, n, &mut |_| {}), known(pair.0));
        rows.push(Row {
            mask: pair.0.to_string(),
            way: pair.1.to_string().replace("inpainted by ", ""),
            nfe: score.nfe,
            n: score.n,
            fid_lenet: score.fid_lenet,
            error: score.error,
            same_digit: score.class_accuracy,
            seam: seam(&drawn, &known.mask),
            seam_real: seam(&from_u8(&test.first(n as usize).images), &known.mask),
            fid_real: score.fid_real,
        });
    }
    chapter.results.samples(config.n);
    chapter.results.table("inpainting.csv", &rows)?;
    Ok(rows)
}

/// The root of the mean squared step between neighbouring pixels of which one is known and the
/// other is not: `images: [N, C, H, W]`, `known: [H, W]`.
fn seam(images: &Tensor, known: &Tensor) -> f64 {
    let known = known.to_device(images.device());
    let (mut squares, mut count) = (0.0, 0.0);
    for along in [0, 1] {
        let side = known.size()[along as usize];
        let ends = |x: &Tensor, dim: i64| (x.narrow(dim, 0, side - 1), x.narrow(dim, 1, side - 1));
        let ((a, b), (p, q)) = (ends(images, along + 2), ends(&known, along));
        let border = p.logical_xor(&q).to_kind(Kind::Float);
        let steps: Tensor = (a - b).square() * &border;
        squares += on_cpu(&steps).sum(None).double_value(&[]);
        count += on_cpu(&border).sum(None).double_value(&[])
            * (images.size()[0] * images.size()[1]) as f64;
    }
    (squares / count).sqrt()
}
