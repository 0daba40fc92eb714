//! Samples of a model while it learns.

use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling, Shown, score};
use from_noise::metrics::FeatureNet;
use from_noise::plot::{Figure, Grid};
use from_noise::pretrained::{ImageConfig, ImageModel, Pretrained};
use from_noise::schedule::Path::Trailing;
use from_noise::train::Trainer;
use from_noise::util::cli::Chapter;
use tch::Device;

/// Training images that a network in training is shown.
const SHOWN: usize = 2000;

/// The weights beside their average, from the same noise at every save.
pub fn preview(
    config: &ImageConfig,
    trainer: &Trainer<ImageModel>,
    data: &Dataset,
    chapter: &Chapter,
) -> Result<Figure> {
    let (n, steps) = if config.batch < 16 { (4, 5) } else { (36, 50) };
    let draw = |title: &str, model: &ImageModel| {
        let images = images(config, model, trainer.step, data, steps, chapter)?;
        Ok(Grid::new(&images.draw(0, n, &mut |_| {}), 6).title(title).draw())
    };
    let panels: [Result<Figure>; 2] =
        [draw("weights", &trainer.model), draw("their average", &trainer.ema.model)];
    Ok(Figure::row(&panels.into_iter().collect::<Result<Vec<_>>>()?))
}

/// FID-LeNet of `n` samples of the averaged weights, DDIM in 20 steps, and its standard error.
pub fn fid(
    config: &ImageConfig,
    trainer: &Trainer<ImageModel>,
    data: &Dataset,
    net: &FeatureNet,
    n: u64,
    chapter: &Chapter,
) -> Result<[f64; 2]> {
    let images = images(config, &trainer.ema.model, trainer.step, data, 20, chapter)?;
    let score = score(&images, net, n, f64::NAN, |_, _| {}, |_| {});
    Ok([score.distance, score.error.unwrap_or(f64::NAN)])
}

/// What a model in training draws by DDIM, in so many steps if its schedule has them. A network that
/// sees an image beside `x_t` is shown that of the first training images.
fn images(
    config: &ImageConfig,
    model: &ImageModel,
    step: u64,
    data: &Dataset,
    steps: usize,
    chapter: &Chapter,
) -> Result<ImageSampler> {
    let (sampler, path, seed) = (Sampler::Ddim(0.0), Trailing, chapter.seed);
    let (schedule, model) = (config.schedule.build(), model.clone());
    let steps = steps.min(schedule.steps());
    let (config, device, hash) = (config.clone(), chapter.device, "in training".into());
    let now = Pretrained { config, schedule, model, device, step, hash };
    let sampling = Sampling { sampler, path, steps, seed };
    let Some(condition) = now.config.image_condition else {
        return Ok(ImageSampler::new(&now, sampling)?);
    };
    let few = data.first(SHOWN);
    let images = condition.draw(&now.schedule, &from_u8(&few.images));
    let (name, classes) = ("training images".into(), Some(few.labels.to_device(Device::Cpu)));
    Ok(ImageSampler::seeing(&now, sampling, Shown { images, name, classes })?)
}
