//! What of `from-noise sample` draws by captions.

use super::{captions, model};
use anyhow::{Result, ensure};
use from_noise::evaluate::{ImageSampler, Inpainter, Prompts};
use from_noise::guide::Guidance;
use from_noise::pretrained::Pretrained;
use std::path::PathBuf;
use tch::Device;

#[derive(Debug, clap::Args)]
pub struct PromptArgs {
    /// What to draw, such as "a red square above a blue circle", by a network that reads captions or
    /// with --clip; may be given several times, and is then drawn in turn [default: anything]
    #[arg(long, value_name = "CAPTION", conflicts_with = "class")]
    prompt: Vec<String>,

    /// The same from a file, a caption a line; or captions:test or captions:held-out, those of
    /// scenes that no training has seen
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "class"])]
    prompts: Option<PathBuf>,

    /// Guide away from this caption, instead of away from the empty one
    #[arg(long, value_name = "CAPTION", requires = "guidance", conflicts_with = "negative_class")]
    pub negative_prompt: Option<String>,

    /// Run directory of a CLIP that leads to the prompts; the network itself is then told none
    #[arg(long, value_name = "RUN")]
    clip: Option<PathBuf>,

    /// How much --clip guides [default: 1]
    #[arg(long, value_name = "SCALE", requires = "clip", conflicts_with = "inpaint")]
    clip_scale: Option<f64>,
}

impl PromptArgs {
    /// The captions that were asked for, if there are some.
    pub fn read(&self) -> Result<Option<Prompts>> {
        let captions = match &self.prompts {
            None => self.prompt.clone(),
            Some(typed) => captions::read(typed)?,
        };
        Ok((!captions.is_empty()).then(|| Prompts::new(&captions)).transpose()?)
    }

    /// What guidance leads away from, if it was said.
    pub fn negative(&self) -> Result<Option<Prompts>> {
        let prompts = |caption| Prompts::new(std::slice::from_ref(caption));
        Ok(self.negative_prompt.as_ref().map(prompts).transpose()?)
    }

    /// An inpainter, told these, and guided.
    pub fn complete(
        inpainter: Inpainter,
        prompts: Option<Prompts>,
        guidance: Guidance,
    ) -> Result<Inpainter> {
        let told = match prompts {
            Some(prompts) => inpainter.prompted(prompts)?,
            None => inpainter,
        };
        Ok(told.guided(guidance)?)
    }

    /// The sampler, told these.
    pub fn tell(
        &self,
        images: ImageSampler,
        prompts: Option<Prompts>,
        trained: &Pretrained,
        device: Device,
    ) -> Result<ImageSampler> {
        let reads = trained.config.text.is_some();
        let images = match (&self.clip, prompts) {
            (Some(run), Some(prompts)) => {
                let clip = model::clip(run, device)?;
                images.guided_by_clip(&clip, self.clip_scale.unwrap_or(1.0), prompts)?
            }
            (Some(_), None) => anyhow::bail!("--clip leads to a caption: add --prompt"),
            (None, Some(prompts)) => {
                ensure!(
                    reads,
                    "this network reads no captions: leave out --prompt, or lead it by --clip"
                );
                images.prompted(prompts)?
            }
            (None, None) => images,
        };
        Ok(match self.negative()? {
            Some(prompts) => images.away_from(prompts)?,
            None => images,
        })
    }
}
