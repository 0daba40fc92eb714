//! Two classifiers of one kind: one taught at all levels of noise, one by clean images alone.

use super::Args;
use anyhow::Result;
use from_noise::checkpoint::Run;
use from_noise::data::{Source, Split, batch_indices, sample};
use from_noise::forward::q_sample;
use from_noise::pretrained::NoisedClassifierConfig;
use from_noise::say;
use from_noise::schedule::Level;
use from_noise::train::Trainer;
use from_noise::util::cli::{self, Chapter};

/// The two, by the folders that their runs lie in.
pub fn both(config: &NoisedClassifierConfig) -> [(&'static str, NoisedClassifierConfig); 2] {
    [("noised", true), ("clean", false)]
        .map(|(name, noised)| (name, NoisedClassifierConfig { noised, ..config.clone() }))
}

/// Trains one classifier, resumably, in a run directory of its own.
pub fn learn(
    name: &str,
    config: &NoisedClassifierConfig,
    steps: u64,
    args: &Args,
    chapter: &Chapter,
) -> Result<()> {
    let device = chapter.device;
    let data = match (&config.data, args.common.smoke) {
        (Source::Mnist, true) => sample::dataset(), // a smoke run downloads nothing
        (source, _) => args.table.pictures.load(source, Split::Train, config.format)?,
    };
    let data = data.to_device(device);
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    let dir = chapter.results.dir().join(name);
    let resume = args.table.resume && dir.exists(); // the first may have been interrupted
    // with more steps the learning rate falls later
    let may_change = ["train.cooldown"];
    let mut run = Run::create_or_resume_with(&dir, config, resume, &may_change, &mut trainer)?;
    // ANCHOR: train
    cli::train(name, &mut trainer, &mut run, steps, |classifier, batch| {
        let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
        let (x0, labels) = data.batch(&chosen, device);
        let levels = classifier.draw_levels(config.batch, device);
        let x_t = q_sample(&x0, &x0.randn_like(), Level::of_batch(&levels, &x0));
        classifier.logits(&x_t, &levels, true).cross_entropy_for_logits(&labels)
    })?;
    // ANCHOR_END: train
    say!("wrote the classifier {name} to {}", dir.display());
    Ok(())
}
