//! Algorithm 1: the loop that learns.

use super::{Args, samples};
use anyhow::{Result, ensure};
use from_noise::checkpoint::{Run, load_weights_to_grow};
use from_noise::data::{Source, Split, batch_indices, sample};
use from_noise::loss::TimeSampler;
use from_noise::pretrained::{ImageConfig, ImageModel, Pretrained};
use from_noise::say;
use from_noise::train::Trainer;
use from_noise::util::cli::{self, Chapter};
use from_noise::util::progress::Progress;
use std::path::Path;
use tch::{Device, Kind};

/// Algorithm 1 in the run directory `dir`, resumable, with a grid of samples from fixed noise at every save.
///
/// It begins with the averaged weights of `--start-from`, or with random ones.
pub fn learn(
    config: &ImageConfig,
    steps: u64,
    dir: &Path,
    resume: bool,
    args: &Args,
    chapter: &Chapter,
) -> Result<()> {
    let common = &args.common;
    let scored_by = match args.score_every {
        Some(every) => Some((every, args.feature_net(config, chapter.device)?)),
        None => None,
    };
    let data = match (&config.data, common.smoke) {
        (Source::Mnist, true) => sample::dataset().brought_to(config.format)?, // a smoke run downloads nothing
        (source, _) => args.data.pictures.load(source, Split::Train, config.format)?,
    };
    let (found, known) = (data.classes.len(), config.classes);
    ensure!(
        known.is_none_or(|known| found as i64 <= known),
        "the data have {found} classes, config.json knows {}: write {found} there",
        known.unwrap_or(0)
    );
    ensure!(
        config.text.is_none() || data.captions.is_some(),
        "{} has no captions, and the network reads some: learn from captions",
        config.data
    );
    let data = data.to_device(chapter.device);
    let schedule = config.schedule.build();
    let mut trainer = config.trainer(chapter.device);
    if let Some(dir) = &args.start_from {
        let start = cli::find(dir).join("ema.safetensors");
        load_weights_to_grow(&trainer.vs, &start)?;
        load_weights_to_grow(&trainer.ema.vs, &start)?;
    }
    let mut times = TimeSampler::new(config.schedule_sampler, &schedule);
    trainer.memory = times.memory();
    let mut run = open(dir, config, resume, &mut trainer)?;
    if args.start_from.is_some() && trainer.step == 0 {
        run.save(&trainer)?; // or a run that is killed early would go on from random weights
    }
    if trainer.step < steps {
        for change in run.changes() {
            say!("goes on from step {} with another {change} (config.json)", trainer.step);
        }
    }
    let _held = cli::hold_interrupts()?;
    let every = if common.smoke { 2 } else { 1000 };
    let mut progress = Progress::new("training", steps).starting_at(trainer.step);
    let labels = data.labels.to_device(Device::Cpu);
    // ANCHOR: train
    while trainer.step < steps && !cli::interrupted() {
        let loss = trainer.step(|model, batch| {
            let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
            let (x0, _) = data.batch(&chosen, chapter.device);
            let x0 = config.mirrored(x0);
            let t = times.draw(config.batch as i64, chapter.device);
            let eps = x0.randn_like();
            let labels = labels.index_select(0, &chosen);
            let captions = data.caption_batch(&chosen);
            let cond = config.draw_conditions(&schedule, &x0, &chosen, &labels, captions.as_ref());
            let loss = config.loss(model, &schedule, &t, &x0, &cond, &eps); // [B]
            times.weighted(&t, loss).mean(Kind::Float)
        })?;
        // ANCHOR_END: train
        if trainer.step.is_multiple_of(10) {
            run.log(trainer.step, &[("loss", loss), ("grad_norm", trainer.grad_norm())])?;
        }
        progress.tick(format_args!("loss {loss:.4}"));
        if let Some((every, net)) = &scored_by
            && (trainer.step.is_multiple_of(*every) || trainer.step == steps)
        {
            let n = if common.smoke { 100 } else { 2000 };
            let [distance, error] = samples::fid(config, &trainer, &data, net, n, chapter)?;
            run.score(trainer.step, &[("fid_lenet", distance), ("error", error)])?;
        }
        // what belongs to a step comes before it is saved: a killed run makes it again
        if trainer.step.is_multiple_of(every) {
            let grid = samples::preview(config, &trainer, &data, chapter)?;
            grid.save(dir.join(format!("grids/{:08}.png", trainer.step)))?;
            run.save(&trainer)?;
        }
        run.save_if_due(&trainer)?;
    }
    run.save(&trainer)?;
    progress.finish(format_args!("loss in log.csv"));
    cli::stop_if_interrupted();
    say!("wrote the weights, their average and grids of samples to {}", dir.display());
    say!("draw with them: cargo chapter 04 --weights {}", cli::quoted(dir));
    Ok(())
}

/// The run directory. A run that goes on may last longer, so that the learning rate falls later,
/// and its folder of pictures may have moved.
fn open(
    dir: &Path,
    config: &ImageConfig,
    resume: bool,
    trainer: &mut Trainer<ImageModel>,
) -> Result<Run> {
    let folder = |data: &Source| matches!(data, Source::Folder(_));
    let saved = resume.then(|| Pretrained::config(dir)).and_then(Result::ok);
    let moved = folder(&config.data) && saved.is_some_and(|saved| folder(&saved.data));
    let may_change = if moved { &["train.cooldown", "data"][..] } else { &["train.cooldown"] };
    Ok(Run::create_or_resume_with(dir, config, resume, may_change, trainer)?)
}
