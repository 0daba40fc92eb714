//! Three CLIPs of one kind: one taught at all levels of noise, one by clean images alone, and a
//! second one of clean images that guides nothing.

use super::Args;
use anyhow::{Result, ensure};
use from_noise::checkpoint::Run;
use from_noise::data::{Split, batch_indices};
use from_noise::forward::q_sample;
use from_noise::nn::Captions;
use from_noise::pretrained::ClipConfig;
use from_noise::say;
use from_noise::schedule::Level;
use from_noise::train::{TrainConfig, Trainer};
use from_noise::util::cli::{self, Chapter};

/// The three, by the folders that their runs lie in. The one that is held out begins with other
/// weights, and sees other batches.
pub fn three(config: &ClipConfig) -> [(&'static str, ClipConfig); 3] {
    [("noised", true, 0), ("clean", false, 0), ("held-out", false, 1)].map(
        |(name, noised, more)| {
            let seed = config.train.seed.wrapping_add(more);
            let train = TrainConfig { seed, ..config.train.clone() };
            (name, ClipConfig { noised, train, ..config.clone() })
        },
    )
}

/// Trains one CLIP, resumably, in a run directory of its own.
pub fn learn(
    name: &str,
    config: &ClipConfig,
    steps: u64,
    args: &Args,
    chapter: &Chapter,
) -> Result<()> {
    let device = chapter.device;
    let split = if args.common.smoke { Split::Test } else { Split::Train }; // fewer to draw
    let data = config.data.load(split, config.format)?.to_device(device);
    ensure!(
        data.captions.is_some(),
        "{} has no captions: a CLIP learns from images and captions",
        config.data
    );
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    let dir = chapter.results.dir().join(name);
    let resume = args.resume && dir.exists(); // the first may have been interrupted
    let may_change = ["train.cooldown"]; // with more steps the learning rate falls later
    let mut run = Run::create_or_resume_with(&dir, config, resume, &may_change, &mut trainer)?;
    // ANCHOR: train
    cli::train(name, &mut trainer, &mut run, steps, |clip, batch| {
        let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
        let (x0, _) = data.batch(&chosen, device);
        let captions = data.caption_batch(&chosen).expect("checked above");
        let levels = clip.draw_levels(config.batch, device);
        let x_t = q_sample(&x0, &x0.randn_like(), Level::of_batch(&levels, &x0));
        clip.loss(&x_t, &levels, &Captions::new(&captions))
    })?;
    // ANCHOR_END: train
    say!("wrote the CLIP {name} to {}", dir.display());
    Ok(())
}
