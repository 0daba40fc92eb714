//! What of `from-noise sample` enlarges the images that are drawn: the upper stage of a cascade.

use super::model;
use anyhow::Result;
use from_noise::evaluate::{ImageSampler, Prompts, SamplingError};
use from_noise::guide::Guidance;
use from_noise::pretrained::Pretrained;
use std::path::PathBuf;
use tch::Device;

#[derive(Debug, clap::Args)]
pub struct UpsampleArgs {
    /// Enlarge what is drawn by the network of this run directory, which was trained to enlarge; it
    /// is sampled and guided as the first one
    #[arg(long, value_name = "RUN")]
    upsample: Option<PathBuf>,

    /// Noise the images to this t of the schedule before they are enlarged, 0 to the network's
    /// max_noise_level [default: 0]
    #[arg(long, value_name = "T", requires = "upsample", conflicts_with = "inpaint")]
    noise_level: Option<usize>,
}

/// What the first network is told.
pub struct Told {
    pub guidance: Guidance,
    pub prompts: Option<Prompts>,
    pub negative_class: Option<i64>,
    pub negative_prompt: Option<Prompts>,
}

impl Told {
    /// Guidance, and nothing else.
    pub fn guidance(guidance: Guidance) -> Self {
        Self { guidance, prompts: None, negative_class: None, negative_prompt: None }
    }
}

impl UpsampleArgs {
    /// The network that enlarges, if there is to be one.
    pub fn load(&self, device: Device) -> Result<Option<Pretrained>> {
        self.upsample.as_ref().map(|run| model::load(run, device)).transpose()
    }

    /// The t to which the images are noised before.
    pub fn level(&self) -> usize {
        self.noise_level.unwrap_or(0)
    }
}

/// What `upper` makes of what `images` draw, noised to `level`; sampled as they are, and told the same
/// as far as it understands it.
///
/// # Errors
/// A network that does not enlarge these images, or knows no such level.
pub fn enlarged(
    images: ImageSampler,
    upper: &Pretrained,
    level: usize,
    told: &Told,
) -> Result<ImageSampler, SamplingError> {
    let sampling = images.sampling();
    let mut images = ImageSampler::upsampling(upper, sampling, images, level)?;
    if upper.config.text.is_some() {
        if let Some(prompts) = &told.prompts {
            images = images.prompted(prompts.clone())?;
        }
        if let Some(prompts) = &told.negative_prompt {
            images = images.away_from(prompts.clone())?;
        }
    }
    let negative_class = told.negative_class.filter(|_| upper.config.classes.is_some());
    let guided = upper.config.is_conditional();
    if guided { images.guided(told.guidance, negative_class) } else { Ok(images) }
}
