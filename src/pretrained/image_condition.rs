//! Which image a network sees beside `x_t`, and how it is made of the images it is trained on.

use crate::data::{Format, Interpolation, Mask, from_u8, reduce, to_u8};
use crate::forward::q_sample;
use crate::nn::ConditioningImage;
use crate::noise::{Noise, gaussian};
use crate::schedule::{Level, Schedule};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The image that a network sees beside `x_t`, as further input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageCondition {
    /// The image at low resolution: super-resolution, the upper stage of a cascade.
    LowRes(LowRes),
    /// What is known of the image, and which part that is: inpainting ([`masked`]).
    Masked,
}

impl ImageCondition {
    /// The network's further input channels, for images of so many.
    pub fn channels(&self, of_image: i64) -> i64 {
        match self {
            ImageCondition::LowRes(_) => of_image,
            ImageCondition::Masked => of_image + 1,
        }
    }

    /// Whether the network is told how far the image was noised.
    pub fn tells_level(&self) -> bool {
        match self {
            ImageCondition::LowRes(low_res) => low_res.max_noise_level > 0,
            ImageCondition::Masked => false,
        }
    }

    /// The condition of training images `x0`: `[B, C, H, W]`. It draws from libtorch's generator.
    pub fn draw(&self, schedule: &Schedule, x0: &Tensor) -> ConditioningImage {
        match self {
            ImageCondition::LowRes(low_res) => low_res.draw(schedule, x0),
            ImageCondition::Masked => {
                let (n, _, side, _) = x0.size4().expect("images of shape [B, C, H, W]");
                masked(x0, &Mask::random(n, side, x0.device()))
            }
        }
    }

    /// Refuses what is no condition for images of `format`, in one sentence.
    pub fn check(&self, format: Format, schedule: &Schedule) -> Result<(), String> {
        match self {
            ImageCondition::LowRes(low_res) => low_res.check(format, schedule),
            ImageCondition::Masked => Ok(()),
        }
    }

    /// What the network is shown, for people: a low-res image of [1, 14, 14].
    pub fn describe(&self, format: Format) -> String {
        match self {
            ImageCondition::LowRes(low_res) => {
                let noised = match low_res.max_noise_level {
                    0 => String::new(),
                    most => format!(", noised to a level of 0 to {most}"),
                };
                format!("a low-res image of {:?}{noised}", low_res.shape(format))
            }
            ImageCondition::Masked => "an image with a hole".into(),
        }
    }
}

// ANCHOR: masked
/// The condition by images of which a part is known: the images, 0 where they are missing, and the
/// mask, 1 where they are known (Nichol et al. 2021, GLIDE, section 4.3). With `x_t` the network
/// takes `2C + 1` channels.
///
/// # Shapes
/// `images: [B, C, H, W]`; `known` (bool) broadcasts to `[B, 1, H, W]`.
pub fn masked(images: &Tensor, known: &Tensor) -> ConditioningImage {
    let mask = known.to_device(images.device()).to_kind(images.kind());
    let (n, _, h, w) = images.size4().expect("images of shape [B, C, H, W]");
    let planes = Tensor::cat(&[images * &mask, mask.expand([n, 1, h, w], false)], 1); // [B, C + 1, H, W]
    ConditioningImage { planes, noise_level: None }
}
// ANCHOR_END: masked

/// How an image of low resolution is made and shown (Saharia et al. 2021, SR3; Ho et al. 2021,
/// cascaded diffusion models).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowRes {
    /// How often the low-res image's side goes into that of `x_t`.
    pub factor: i64,
    pub interpolation: Interpolation,
    /// Noise-conditioning augmentation: in training the low-res image is noised to a `t` of the
    /// model's schedule, drawn uniformly from 0 to this, and the network is told which (Ho et al.
    /// 2021, section 4.2; Saharia et al. 2022, Imagen, section 2.4). Named as in diffusers; 0 is
    /// none, and the network is told nothing.
    #[serde(default)]
    pub max_noise_level: usize,
}

impl LowRes {
    /// `[C, h, w]`, the shape of the low-res images of a network that draws images of `format`.
    pub fn shape(&self, format: Format) -> [i64; 3] {
        let [c, h, w] = format.shape();
        [c, h / self.factor, w / self.factor]
    }

    // ANCHOR: low_res
    /// The condition by images of low resolution, which are rounded to 8 bits, noised to
    /// `noise_level`, each to its own, and enlarged: an upsampler sees the same of a real image and
    /// of one that was drawn. At level 0 nothing of the noise is left.
    ///
    /// # Shapes
    /// `low`: `[B, C, h, w]` in `[-1, 1]`; `noise_level`: `[B]`, i64, each a `t` of
    /// `schedule`.
    pub fn condition(
        &self,
        schedule: &Schedule,
        low: &Tensor,
        noise_level: &Tensor,
        noise: Noise,
    ) -> ConditioningImage {
        let pixels = from_u8(&to_u8(low));
        let told = self.max_noise_level > 0;
        let noised = match told {
            true => {
                let at = Level::of_batch(&schedule.levels(noise_level), &pixels);
                q_sample(&pixels, &noise(&pixels), at)
            }
            false => pixels,
        };
        let noise_level = told.then(|| noise_level.to_device(low.device()).to_kind(Kind::Float));
        ConditioningImage { planes: self.interpolation.enlarge(&noised, self.factor), noise_level }
    }

    /// The condition of training images, at levels from libtorch's generator.
    fn draw(&self, schedule: &Schedule, x0: &Tensor) -> ConditioningImage {
        let most = self.max_noise_level as i64;
        let t = Tensor::randint(most + 1, [x0.size()[0]], (Kind::Int64, x0.device()));
        self.condition(schedule, &reduce(x0, self.factor), &t, &mut gaussian)
    }
    // ANCHOR_END: low_res

    /// Refuses a level that the network was not trained for.
    pub fn check_level(&self, noise_level: usize) -> Result<(), String> {
        match self.max_noise_level {
            most if noise_level <= most => Ok(()),
            0 => Err(format!(
                "this network was trained on images without noise: the noise level is 0, not \
                 {noise_level}"
            )),
            most => Err(format!(
                "this network was trained on noise levels of 0 to {most}, not {noise_level}"
            )),
        }
    }

    fn check(&self, format: Format, schedule: &Schedule) -> Result<(), String> {
        let (factor, size, most) = (self.factor, format.size as i64, schedule.steps());
        if factor < 2 || size % factor != 0 {
            return Err(format!(
                "factor is {factor}: it is at least 2 and divides the side {size}"
            ));
        }
        match self.max_noise_level {
            level if level > most => {
                Err(format!("max_noise_level is {level}: it is at most the schedule's {most}"))
            }
            _ => Ok(()),
        }
    }
}
