//! What of `from-noise sample` completes a picture.

use anyhow::{Result, ensure};
use from_noise::data::{Color, Format, from_u8, load_picture};
use from_noise::evaluate::{Inpainter, Inpainting, Known, Sampler, Sampling};
use from_noise::pretrained::{ImageCondition, Pretrained};
use from_noise::sample::Resampling;
use from_noise::util::cli::count;
use std::path::PathBuf;
use tch::Tensor;

/// Flags that mean nothing where a picture is completed. All flags of inpainting name them: clap does
/// not ask for --inpaint any more once a flag is given that it conflicts with.
const WITHOUT_INPAINT: [&str; 7] =
    ["negative_class", "negative_prompt", "guided_by", "clip", "noise", "no_clip", "upsample"];

#[derive(Debug, clap::Args)]
pub struct InpaintArgs {
    /// Complete this picture, a png or jpeg of the model's size, where --mask is white: by
    /// projection, by --resample, or as the network was trained to
    #[arg(long, value_name = "PICTURE", requires = "mask", conflicts_with_all = WITHOUT_INPAINT)]
    inpaint: Option<PathBuf>,

    /// What of --inpaint is missing: white to be drawn, black to be kept
    #[arg(long, value_name = "PICTURE", requires = "inpaint", conflicts_with_all = WITHOUT_INPAINT)]
    mask: Option<PathBuf>,

    /// Go back to more noise until each stretch of levels has been drawn this often, so that the
    /// drawn part fits the known one (RePaint; for --sampler ddpm) [default: 1, never]
    #[arg(long, value_name = "TIMES", requires = "inpaint", conflicts_with_all = WITHOUT_INPAINT, value_parser = count::<usize>())]
    resample: Option<usize>,

    /// Levels of a way back [default: 5]
    #[arg(long, value_name = "LEVELS", requires = "resample", conflicts_with_all = WITHOUT_INPAINT, value_parser = count::<usize>())]
    jump: Option<usize>,
}

impl InpaintArgs {
    /// What completes the picture, if one is to be completed.
    pub fn inpainter(
        &self,
        trained: &Pretrained,
        sampling: Sampling,
        class: Option<i64>,
    ) -> Result<Option<Inpainter>> {
        let (Some(picture), Some(mask)) = (&self.inpaint, &self.mask) else { return Ok(None) };
        let trained_for_it = trained.config.image_condition == Some(ImageCondition::Masked);
        let how = match (self.resample, sampling.sampler) {
            (Some(_), _) if trained_for_it => anyhow::bail!(
                "--resample means nothing to a network that was trained to inpaint: leave it out"
            ),
            (None, _) if trained_for_it => Inpainting::Trained,
            (None, _) => Inpainting::Project,
            (Some(times), Sampler::Ddpm(_)) => {
                let jump = self.jump.unwrap_or(5);
                sampling.check(&trained.schedule, trained.config.parameterization)?;
                let levels = sampling.levels(&trained.schedule).len() - 1;
                ensure!(
                    jump < levels,
                    "--jump {jump} leads back beyond all {levels} levels of the path: take a shorter \
                     one"
                );
                Inpainting::Repaint(Resampling { jump, times })
            }
            (Some(_), _) => {
                anyhow::bail!("--resample goes back and forth by ddpm: add --sampler ddpm")
            }
        };
        let load = |path, format| load_picture(path, format).map_err(anyhow::Error::msg);
        let format = trained.config.format;
        let image = from_u8(&load(picture, format)?).unsqueeze(0); // [1, C, H, W]
        let white = load(mask, Format { color: Color::Gray, ..format })?.squeeze_dim(0).gt(127);
        let missing = white.any().int64_value(&[]) == 1;
        ensure!(missing, "{} is all black: nothing is missing", mask.display());
        let known = Known {
            images: image,
            mask: white.logical_not(),
            name: format!("{} by the mask {}", picture.display(), mask.display()),
            classes: class.map(|class| Tensor::from_slice(&[class])),
        };
        Ok(Some(Inpainter::new(trained, sampling, how, known)?))
    }
}
