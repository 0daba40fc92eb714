//! The generator that fills what is missing of given images, by a model that was trained for it or not.

use super::generator::{Generator, Recipe, rows_in_turn};
use super::guided::{evaluations, guided};
use super::image_sampler::check_guidance;
use super::prompts::Prompts;
use super::sampling::{Sampler, Sampling, SamplingError};
use crate::forward::Variance;
use crate::guide::{DenoiserExt, Guidance, Snapshot};
use crate::nn::{ClassLabels, Conditions};
use crate::noise::Seeded;
use crate::pretrained::{ImageCondition, Pretrained, masked};
use crate::sample::{Resampling, repaint};
use serde::Serialize;
use std::fmt;
use tch::{Kind, Tensor};

/// How the missing part is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inpainting {
    /// By any sampler, with the known part put into every prediction
    /// ([`Project`](crate::guide::Project)).
    Project,
    /// By [`repaint`], with the variance of the sampler (small, unless it is DDPM's with another
    /// one). [`Resampling::NONE`] replaces the known part at each level and never goes back.
    Repaint(Resampling),
    /// By any sampler, and a network that sees what is known
    /// ([`ImageCondition::Masked`](crate::pretrained::ImageCondition)).
    Trained,
}

impl fmt::Display for Inpainting {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Inpainting::Project => write!(f, "inpainted by projection"),
            Inpainting::Repaint(Resampling { times: 1, .. }) => {
                write!(f, "inpainted by replacement")
            }
            Inpainting::Repaint(Resampling { jump, times }) => {
                write!(f, "inpainted by RePaint, jump {jump}, times {times}")
            }
            Inpainting::Trained => write!(f, "inpainted by training"),
        }
    }
}

/// Images of which a part is known.
#[derive(Debug)]
pub struct Known {
    /// `[N, C, H, W]` in `[-1, 1]`. Image `i` that is drawn completes number `i` modulo `N`.
    pub images: Tensor,
    /// `[H, W]`, bool: true where an image is known. One for all of them.
    pub mask: Tensor,
    /// What the mask is called in tables.
    pub name: String,
    /// The classes of the images, `[N]` (i64), if they are known: a class-conditional model is told
    /// them, and a score compares with them.
    pub classes: Option<Tensor>,
}

/// A trained model that completes images.
#[derive(Debug)]
pub struct Inpainter {
    trained: Pretrained,
    sampling: Sampling,
    how: Inpainting,
    known: Known,
    prompts: Prompts,
    guidance: Guidance,
}

impl Inpainter {
    /// # Errors
    /// A sampling that the model cannot give; images or a mask of another shape than the model's; a
    /// class-conditional model without classes; a model that was not trained to inpaint, asked to do
    /// as one that was, or the other way around.
    pub fn new(
        trained: &Pretrained,
        sampling: Sampling,
        how: Inpainting,
        known: Known,
    ) -> Result<Self, SamplingError> {
        match (how, trained.config.image_condition) {
            (Inpainting::Trained, Some(ImageCondition::Masked)) => {}
            (Inpainting::Trained, _) => {
                let why =
                    "this model was not trained to inpaint: complete by projection or RePaint";
                return Err(SamplingError::Inpainting(why.into()));
            }
            (_, Some(ImageCondition::Masked)) => {
                let why = "this model was trained to inpaint: it sees what is known, and needs neither \
                           projection nor RePaint";
                return Err(SamplingError::Inpainting(why.into()));
            }
            _ => trained.config.needs_no_image()?,
        }
        sampling.check(&trained.schedule, trained.config.parameterization)?;
        let [c, h, w] = trained.config.format.shape();
        let (images, mask) = (known.images.size(), known.mask.size());
        let fits = matches!(images[..], [n, a, b, d] if n > 0 && [a, b, d] == [c, h, w]);
        if !fits || mask != [h, w] || known.mask.kind() != Kind::Bool {
            return Err(SamplingError::Inpainting(format!(
                "the model draws images of {:?} (channels, height, width): the image to complete is \
                 {:?}, its mask {mask:?}",
                [c, h, w],
                &images[1.min(images.len())..]
            )));
        }
        if trained.config.classes.is_some() && known.classes.is_none() {
            let why = "this model is class-conditional: name the class of the image (--class 7)";
            return Err(SamplingError::Inpainting(why.into()));
        }
        let (trained, prompts) = (trained.clone(), Prompts::empty());
        Ok(Self { trained, sampling, how, known, prompts, guidance: Guidance::NONE })
    }

    /// Completes the images by what captions say.
    ///
    /// # Errors
    /// A model that reads none.
    pub fn prompted(self, prompts: Prompts) -> Result<Self, SamplingError> {
        let prompts = prompts.read_by(&self.trained.config)?;
        Ok(Self { prompts, ..self })
    }

    /// Guides without a classifier, away from the null label and the empty caption.
    ///
    /// # Errors
    /// An unconditional model; one that was never trained without its condition; an interval of levels
    /// by RePaint, which visits each of them many times.
    pub fn guided(self, guidance: Guidance) -> Result<Self, SamplingError> {
        check_guidance(&self.trained.config, guidance, false)?;
        if matches!(self.how, Inpainting::Repaint(_)) && guidance.interval.is_some() {
            let why = "RePaint is guided at all levels alike: leave out the interval";
            return Err(SamplingError::Guidance(why.into()));
        }
        Ok(Self { guidance, ..self })
    }

    /// Of the rows of the known images, those that are completed by `first..first + n`.
    fn rows(&self, first: u64, n: u64) -> Tensor {
        rows_in_turn(&self.known.images, first, n)
    }

    /// Evaluations of the network per image, so guided.
    fn evaluations(&self, guidance: Guidance) -> usize {
        let schedule = &self.trained.schedule;
        match self.how {
            Inpainting::Project | Inpainting::Trained => {
                evaluations(self.sampling, guidance, schedule)
            }
            Inpainting::Repaint(resampling) => {
                let levels = self.sampling.levels(schedule);
                guidance.evaluations(levels[0]) * resampling.evaluations(levels.len() - 1)
            }
        }
    }

    fn variance(&self) -> Variance {
        match self.sampling.sampler {
            Sampler::Ddpm(variance) => variance,
            _ => Variance::Small,
        }
    }
}

impl Generator for Inpainter {
    fn shape(&self) -> [i64; 3] {
        self.trained.config.format.shape()
    }

    fn classes(&self, first: u64, n: u64) -> Option<Tensor> {
        self.known.classes.as_ref().map(|classes| classes.index_select(0, &self.rows(first, n)))
    }

    fn looks(&self) -> usize {
        self.evaluations(Guidance::NONE)
    }

    #[allow(non_snake_case)]
    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        let Pretrained { config, schedule, device, model, .. } = &self.trained;
        let mut noise = Seeded::new(self.sampling.seed, first);
        let x_T = noise.start(&config.shape(n as i64)).to_device(*device);
        let known = self.known.images.index_select(0, &self.rows(first, n)).to_device(*device);
        let mask = self.known.mask.to_device(*device);
        let told = config.classes.and_then(|_| self.classes(first, n));
        let labels = told.map(|classes| ClassLabels::new(&classes));
        let image = (self.how == Inpainting::Trained).then(|| masked(&known, &mask));
        let captions = config.text.is_some().then(|| self.prompts.rows(first, n));
        let toward = Conditions { labels, captions, image };
        let model = guided(model, toward, self.guidance, n, |_| {}).clip(1.0);
        match self.how {
            Inpainting::Trained => {
                let model = model.with_callback(look);
                let x0 = self.sampling.run(&model, schedule, x_T, &mut |x| noise.draw(x));
                known.where_self(&mask, &x0)
            }
            Inpainting::Project => {
                let model = model.project(known, mask).with_callback(look);
                self.sampling.run(&model, schedule, x_T, &mut |x| noise.draw(x))
            }
            Inpainting::Repaint(resampling) => {
                let (model, path) = (model.with_callback(look), self.sampling.levels(schedule));
                let (variance, noise) = (self.variance(), &mut |x: &Tensor| noise.draw(x));
                repaint(&model, &path, x_T, (&known, &mask), resampling, variance, noise)
            }
        }
    }

    fn recipe(&self) -> Recipe {
        let Sampling { sampler, path, steps, seed } = self.sampling;
        let sampler = match self.how {
            Inpainting::Project | Inpainting::Trained => sampler,
            Inpainting::Repaint(_) => Sampler::Ddpm(self.variance()),
        };
        let mut condition = vec![self.how.to_string(), self.known.name.clone()];
        if self.trained.config.text.is_some() {
            condition.push(self.prompts.name.clone());
        }
        condition.extend((!self.guidance.is_none()).then(|| self.guidance.to_string()));
        Recipe {
            sampler: sampler.to_string(),
            path: path.to_string(),
            steps,
            nfe: self.evaluations(self.guidance),
            seed,
            weights: self.trained.weights(),
            hash: self.trained.hash.clone(),
            condition: condition.join(", "),
        }
    }
}
