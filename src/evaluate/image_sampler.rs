//! The generator of a trained image model: unconditional, or of given classes.

use super::generator::{Generator, Recipe};
use super::sampling::{Sampling, SamplingError};
use crate::denoiser::Denoiser;
use crate::guide::{DenoiserExt, Snapshot};
use crate::nn::ClassLabels;
use crate::noise::Seeded;
use crate::pretrained::Pretrained;
use tch::Tensor;

/// Which class an image is drawn of, by its number, from a class-conditional model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Classes {
    /// Image `i` is of class `i` modulo the number of classes: as many of each.
    #[default]
    InTurn,
    /// All images are of one class.
    Only(i64),
}

/// A trained model and how it is sampled. It owns its model (the weights are shared), so a notebook
/// can keep it.
#[derive(Debug)]
pub struct ImageSampler {
    trained: Pretrained,
    sampling: Sampling,
    classes: Classes,
    clip: bool,
    start: Option<Tensor>,
}

impl ImageSampler {
    /// Clips what is predicted to the range of pixels; of a class-conditional model it draws the
    /// classes in turn.
    ///
    /// # Errors
    /// A sampling that the model cannot give.
    pub fn new(trained: &Pretrained, sampling: Sampling) -> Result<Self, SamplingError> {
        sampling.check(trained)?;
        let trained = trained.clone();
        Ok(Self { trained, sampling, classes: Classes::InTurn, clip: true, start: None })
    }

    /// Draws one class, or all classes in turn.
    ///
    /// # Errors
    /// A class that the model does not have; a choice of classes of an unconditional model.
    pub fn of(self, classes: Classes) -> Result<Self, SamplingError> {
        match (classes, self.trained.config.classes) {
            (Classes::Only(_), None) => Err(SamplingError::Unconditional),
            (Classes::Only(class), Some(known)) if !(0..known).contains(&class) => {
                Err(SamplingError::NoSuchClass { class, known })
            }
            _ => Ok(Self { classes, ..self }),
        }
    }

    /// Without clipping what is predicted.
    pub fn unclipped(self) -> Self {
        Self { clip: false, ..self }
    }

    /// Starts from this noise, `[N, C, H, W]`, instead of the seed's: image `i` starts from row `i`.
    #[allow(non_snake_case)]
    pub fn from_noise(self, x_T: Tensor) -> Self {
        Self { start: Some(x_T), ..self }
    }

    /// The classes of the images `first..first + n`; none if the model is unconditional.
    fn labels(&self, first: u64, n: u64) -> Option<ClassLabels> {
        match self.classes {
            Classes::InTurn => self.trained.config.classes_in_turn(first, n),
            Classes::Only(class) => {
                Some(ClassLabels::new(&Tensor::from(class).expand([n as i64], true)))
            }
        }
    }
}

impl Generator for ImageSampler {
    fn shape(&self) -> [i64; 3] {
        self.trained.config.format.shape()
    }

    #[allow(non_snake_case)]
    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        let Pretrained { config, schedule, model, device, .. } = &self.trained;
        let mut noise = Seeded::new(self.sampling.seed, first);
        let seeded = noise.start(&config.shape(n as i64)); // drawn whether it is used or not
        let given = self.start.as_ref().map(|x| x.narrow(0, first as i64, n as i64));
        let x_T = given.unwrap_or(seeded).to_device(*device);
        let model = model.given(self.labels(first, n));
        let model: Box<dyn Denoiser> =
            if self.clip { Box::new(model.clip(1.0)) } else { Box::new(model) };
        self.sampling.run(&model.with_callback(look), schedule, x_T, &mut |x| noise.draw(x))
    }

    fn recipe(&self) -> Recipe {
        let Sampling { sampler, path, steps, seed } = self.sampling;
        let mut condition = match (self.trained.config.classes, self.classes) {
            (None, _) => Vec::new(),
            (Some(_), Classes::InTurn) => vec!["classes in turn".into()],
            (Some(_), Classes::Only(class)) => vec![format!("class {class}")],
        };
        condition.extend((!self.clip).then(|| "not clipped".to_owned()));
        condition.extend(self.start.as_ref().map(|_| "from given noise".to_owned()));
        Recipe {
            sampler: sampler.to_string(),
            path: path.to_string(),
            steps,
            nfe: self.sampling.evaluations(&self.trained.schedule),
            seed,
            weights: self.trained.weights(),
            hash: self.trained.hash.clone(),
            condition: condition.join(", "),
        }
    }
}
