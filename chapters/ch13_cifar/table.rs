//! Table 1 of the DDIM paper, filled by our samplers.

use super::Args;
use anyhow::Result;
use from_noise::data::{Dataset, Split};
use from_noise::evaluate::table1;
use from_noise::evaluate::{ImageSampler, Sampler, ScoreTable, Sweep};
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::pretrained::Pretrained;
use from_noise::say;
use from_noise::util::cli::{self, Chapter};

/// `table.csv`, and `fid.csv`, which has the paper's two halves below ours.
pub fn fill(
    args: &Args,
    sweep: &Sweep,
    trained: &Pretrained,
    test: &Dataset,
    chapter: &mut Chapter,
) -> Result<()> {
    let (device, config) = (chapter.device, &trained.config);
    let dir = chapter.results.dir().to_path_buf();
    let net: Box<dyn FeatureExtractor> = match &args.inception {
        Some(weights) => {
            let net = cli::inception(weights, config.format.shape(), device)?;
            Box::new(net.compared_with(&args.images(config, Split::Train)?, &dir)?)
        }
        None => Box::new(FeatureNet::load(cli::find(&args.classifier), device)?),
    };
    // ANCHOR: settings
    // As the paper's code has it: predictions are clipped to the pixels' range for sigma-hat alone.
    let lines = sweep.lines(|sampling| {
        let images = ImageSampler::new(trained, sampling)?;
        Ok(match sampling.sampler {
            Sampler::Ddim(_) => images.unclipped(),
            _ => images,
        })
    })?;
    // ANCHOR_END: settings
    let table = ScoreTable::new(lines, &*net, test, &dir)?;
    let scores = cli::fill_table(&table, &args.shards, &mut chapter.results)?;
    if args.shards.shard.is_some() {
        return Ok(());
    }
    scores.iter().for_each(|score| say!("{score}"));
    let data = args.data.as_ref().unwrap_or(&config.data).caption();
    let ours = format!("{data}, {}", net.metric());
    let mut rows = table1::rows(&ours, &sweep.grid[0].paths, &scores);
    rows.extend(table1::papers("CIFAR-10, the paper's FID", "CelebA, the paper's FID"));
    chapter.results.samples(sweep.grid[0].n);
    Ok(chapter.results.table("fid.csv", &rows)?)
}
