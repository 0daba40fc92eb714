//! The stages of the cascade, as generators.

use super::Config;
use anyhow::Result;
use from_noise::data::{Interpolation, from_u8, to_u8};
use from_noise::evaluate::{Generator, ImageSampler, Recipe};
use from_noise::guide::{Guidance, Snapshot};
use from_noise::pretrained::Pretrained;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tch::Tensor;

/// The networks.
pub struct Stages {
    pub base: Pretrained,
    pub upper: Pretrained,
    /// Draws large images at once.
    pub direct: Pretrained,
}

impl Stages {
    // ANCHOR: cascade
    /// Both stages: what the base draws, enlarged.
    pub fn cascade(
        &self,
        config: &Config,
        base: &Base,
        noise_level: usize,
        scale: f64,
    ) -> Result<ImageSampler> {
        let base = base.clone();
        let images = ImageSampler::upsampling(&self.upper, config.stage, base, noise_level)?;
        Ok(images.guided(Guidance::scale(scale), None)?)
    }
    // ANCHOR_END: cascade
}

/// The lower stage, which draws each batch once for all that enlarge it.
#[derive(Clone)]
pub struct Base {
    images: Rc<ImageSampler>,
    drawn: Rc<RefCell<BTreeMap<(u64, u64), Tensor>>>,
}

impl Base {
    /// At this scale of guidance: 1 hears the class and 0 does not.
    pub fn new(config: &Config, stages: &Stages, scale: f64) -> Result<Self> {
        let images = ImageSampler::new(&stages.base, config.stage)?;
        let images = Rc::new(images.guided(Guidance::scale(scale), None)?);
        Ok(Self { images, drawn: Rc::default() })
    }
}

impl Generator for Base {
    fn shape(&self) -> [i64; 3] {
        self.images.shape()
    }

    fn recipe(&self) -> Recipe {
        self.images.recipe()
    }

    fn classes(&self, first: u64, n: u64) -> Option<Tensor> {
        self.images.classes(first, n)
    }

    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        let mut drawn = self.drawn.borrow_mut();
        drawn.entry((first, n)).or_insert_with(|| self.images.draw(first, n, look)).shallow_clone()
    }
}

/// A cascade whose upper stage is interpolation.
pub struct Interpolated {
    pub by: Base,
    pub how: Interpolation,
    pub factor: i64,
}

impl Generator for Interpolated {
    fn shape(&self) -> [i64; 3] {
        let [c, h, w] = self.by.shape();
        [c, h * self.factor, w * self.factor]
    }

    fn recipe(&self) -> Recipe {
        let recipe = self.by.recipe();
        Recipe { condition: format!("{}, enlarged by {:?}", recipe.condition, self.how), ..recipe }
    }

    fn classes(&self, first: u64, n: u64) -> Option<Tensor> {
        self.by.classes(first, n)
    }

    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        let pixels = from_u8(&to_u8(&self.by.draw(first, n, look)));
        self.how.enlarge(&pixels, self.factor)
    }
}
