//! Algorithm 1: the loop that learns.

use anyhow::Result;
use from_noise::checkpoint::Run;
use from_noise::cli::{self, Chapter, Common};
use from_noise::data::{Source, Split, batch_indices, sample};
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling};
use from_noise::loss::l_simple;
use from_noise::plot::{Figure, Grid};
use from_noise::progress::Progress;
use from_noise::schedule::Path;
use from_noise::train::Trainer;
use from_noise::trained::{ImageConfig, ImageModel, Trained};
use tch::{Kind, Tensor};

/// Algorithm 1, resumable, with a grid of samples from fixed noise at every save.
pub fn learn(config: &ImageConfig, steps: u64, common: &Common, chapter: &Chapter) -> Result<()> {
    let data = match (&config.data, common.smoke) {
        (Source::Mnist, true) => sample::dataset(), // a smoke run downloads nothing
        (source, _) => source.load(Split::Train, config.format)?,
    };
    let data = data.to_device(chapter.device);
    let schedule = config.schedule.build();
    let mut trainer = Trainer::new(chapter.device, config.train.clone(), |vs| config.build(vs));
    let dir = chapter.results.dir();
    let mut run = Run::create_or_resume(dir, config, common.resume, &mut trainer)?;
    let every = if common.smoke { 2 } else { 1000 };
    let mut progress = Progress::new("training", steps).starting_at(trainer.step);
    // ANCHOR: train
    while trainer.step < steps && !cli::interrupted() {
        let loss = trainer.step(|model, batch| {
            let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
            let x0 = data.batch(&chosen, chapter.device).x0;
            let x0 = if config.flip { mirror_half(&x0) } else { x0 };
            let levels = schedule.levels(&schedule.draw_t(config.batch as i64));
            let eps = x0.randn_like();
            l_simple(model, &levels, &x0, &None, &eps).mean(Kind::Float) // unconditional: None
        })?;
        // ANCHOR_END: train
        if trainer.step.is_multiple_of(10) {
            run.log(trainer.step, &[("loss", loss), ("grad_norm", trainer.grad_norm())])?;
        }
        progress.tick(format_args!("loss {loss:.4}"));
        if trainer.step.is_multiple_of(every) {
            run.save(&trainer)?;
            let grid = preview(config, &trainer, chapter);
            grid.save(dir.join(format!("grids/{:08}.png", trainer.step)))?;
        }
    }
    run.save(&trainer)?;
    progress.finish(format_args!("loss in log.csv"));
    cli::stop_if_interrupted()?;
    println!("wrote the weights, their average and grids of samples to {}", dir.display());
    println!("draw with them: cargo chapter 04 --weights {}", dir.display());
    Ok(())
}

/// Left and right exchanged in about every second image.
fn mirror_half(x0: &Tensor) -> Tensor {
    let chosen = Tensor::rand([x0.size()[0], 1, 1, 1], (x0.kind(), x0.device())).lt(0.5);
    x0.flip([3]).where_self(&chosen, x0)
}

/// The weights beside their average, from the same noise at every save.
fn preview(config: &ImageConfig, trainer: &Trainer<ImageModel>, chapter: &Chapter) -> Figure {
    let (n, steps) = if config.batch < 16 { (4, 5) } else { (36, 50) };
    let seed = chapter.seed;
    let sampling = Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps, seed };
    let draw = |title: &str, model: &ImageModel| {
        let (schedule, model) = (config.schedule.build(), model.clone());
        let hash = "in training".into();
        let (config, device, step) = (config.clone(), chapter.device, trainer.step);
        let now = Trained { config, schedule, model, device, step, hash };
        let images = ImageSampler::new(&now, sampling).expect("a sampling of any model");
        Grid::new(&images.draw(0, n, &mut |_| {}), 6).title(title).draw()
    };
    Figure::row(&[draw("weights", &trainer.model), draw("their average", &trainer.ema.model)])
}
