//! Images for a network that sees one beside `x_t`: given ones, or those of a lower stage.

use super::generator::{Generator, Recipe, rows_in_turn};
use crate::guide::Snapshot;
use crate::nn::ConditioningImage;
use crate::noise::Seeded;
use crate::pretrained::{ImageConfig, Pretrained, masked};
use std::fmt;
use tch::{Device, Kind, Tensor};

/// Images for a network that sees one beside `x_t`.
#[derive(Debug)]
pub struct Shown {
    /// Image `i` that is drawn sees number `i` modulo their number.
    pub images: ConditioningImage,
    /// What they are called in tables.
    pub name: String,
    /// Their classes, `[N]` (i64), if they are known: a class-conditional model is told them, and a
    /// score compares with them.
    pub classes: Option<Tensor>,
}

impl Shown {
    /// To a network that completes images: one of which nothing is known, so that it draws freely.
    pub(super) fn nothing(config: &ImageConfig) -> Self {
        let images = Tensor::zeros(config.shape(1), (Kind::Float, Device::Cpu));
        let none = images.to_kind(Kind::Bool).narrow(1, 0, 1);
        Self { images: masked(&images, &none), name: "nothing known".into(), classes: None }
    }

    /// The rows beside the images `first..first + n`.
    fn rows(&self, first: u64, n: u64) -> Tensor {
        rows_in_turn(&self.images.planes, first, n)
    }
}

/// Where the images come from that a network sees beside `x_t`.
pub(super) enum ImageSource {
    Shown(Shown),
    /// Those of the same number that another generator draws, to be enlarged.
    Drawn {
        by: Box<dyn Generator>,
        noise_level: usize,
    },
}

impl fmt::Debug for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl ImageSource {
    /// As it stands in tables.
    pub fn name(&self) -> String {
        match self {
            ImageSource::Shown(shown) => format!("from {}", shown.name),
            ImageSource::Drawn { by, noise_level } => {
                let recipe = by.recipe();
                let Recipe { sampler, path, steps, seed, weights, .. } = &recipe;
                let condition = match recipe.condition.as_str() {
                    "" => String::new(),
                    condition => format!(", {condition}"),
                };
                format!(
                    "from images by {sampler} {path} {steps} seed {seed} with {weights}{condition}, \
                     noised to {noise_level}"
                )
            }
        }
    }

    /// The classes of the images beside `first..first + n`, if they are known.
    pub fn classes(&self, first: u64, n: u64) -> Option<Tensor> {
        match self {
            ImageSource::Shown(shown) => {
                let rows = shown.rows(first, n);
                shown.classes.as_ref().map(|classes| classes.index_select(0, &rows))
            }
            ImageSource::Drawn { by, .. } => by.classes(first, n),
        }
    }

    /// What draws the images, if something does.
    pub fn below(&self) -> Option<&dyn Generator> {
        match self {
            ImageSource::Shown(_) => None,
            ImageSource::Drawn { by, .. } => Some(&**by),
        }
    }

    /// The images beside `first..first + n`, on the device of the model that sees them. `seed` is of
    /// the noise of their augmentation.
    pub fn draw(
        &self,
        trained: &Pretrained,
        seed: u64,
        first: u64,
        n: u64,
        look: &mut dyn FnMut(&Snapshot),
    ) -> ConditioningImage {
        match self {
            ImageSource::Shown(shown) => {
                let images = shown.images.index_select(&shown.rows(first, n));
                images.to_device(trained.device)
            }
            ImageSource::Drawn { by, noise_level } => {
                let low = by.draw(first, n, look);
                let mut noise = Seeded::new(seed, first);
                let enlarged = trained.low_res(&low, *noise_level, &mut |x| noise.draw(x));
                enlarged.expect("checked when the generator was made")
            }
        }
    }
}
