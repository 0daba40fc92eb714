//! Algorithm 1: the loop that learns.

use super::{Config, Net};
use anyhow::Result;
use from_noise::checkpoint::Run;
use from_noise::denoiser::Model;
use from_noise::loss::l_target;
use from_noise::nn::Mlp;
use from_noise::train::Trainer;
use from_noise::util::cli::{self, Chapter};
use from_noise::util::progress::Progress;
use tch::{Kind, nn};

/// Trains one network, resumably, in its own run directory.
pub fn learn(
    name: &str,
    config: &Config,
    steps: u64,
    chapter: &Chapter,
    resume: bool,
) -> Result<Net> {
    let schedule = config.schedule.build();
    let build = |vs: &nn::Path| {
        Model::new(Mlp::new(vs, &config.network), config.parameterization, config.schedule.build())
    };
    let mut trainer = Trainer::new(chapter.device, config.train.clone(), build);
    trainer.read_every = 1; // every step is logged
    let dir = chapter.results.dir().join(name);
    let resume = resume && dir.exists(); // an earlier network may have been interrupted
    let mut run = Run::create_or_resume(dir, config, resume, &mut trainer)?;
    let _held = cli::hold_interrupts()?;
    let title = format!("training {name}");
    let mut progress = Progress::new(title, steps).starting_at(trainer.step);
    // ANCHOR: train
    while trainer.step < steps && !cli::interrupted() {
        let loss = trainer.step(|model, batch| {
            let first = batch * config.batch as u64;
            let x0 = config.toy.sample_from(first, config.batch as usize, chapter.seed);
            let x0 = x0.to_device(chapter.device);
            let levels = schedule.levels(&schedule.draw_t(config.batch, chapter.device));
            let eps = x0.randn_like();
            l_target(model, &levels, &x0, &(), &eps).mean(Kind::Float) // L_simple if it predicts eps
        })?;
        run.log(trainer.step, &[("loss", loss)])?;
        // ANCHOR_END: train
        run.save_if_due(&trainer)?;
        progress.tick(format!("loss {loss:.3}"));
    }
    run.save(&trainer)?;
    progress.finish(format!("{} steps", trainer.step));
    cli::stop_if_interrupted();
    Ok(trainer)
}
