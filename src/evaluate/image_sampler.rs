//! The generator of a trained image model: unconditional, of given classes or captions, or from given
//! images.

use super::generator::{Generator, Recipe};
use super::guided::{evaluations, guided};
use super::guides::{ByClassifier, ByClip};
use super::image_source::{ImageSource, Shown};
use super::prompts::Prompts;
use super::sampling::{Sampler, Sampling, SamplingError};
use crate::data::Format;
use crate::denoiser::Denoiser;
use crate::guide::{DenoiserExt, Guidance, Snapshot};
use crate::nn::{ClassLabels, ConditioningImage, Conditions};
use crate::noise::{Seeded, mix};
use crate::pretrained::{
    ImageCondition, ImageConfig, Pretrained, PretrainedClassifier, PretrainedClip,
};
use crate::sample::{GradientAt, MeanShift, ddpm_guided};
use tch::{Device, Kind, Tensor};

/// Which class an image is drawn of, by its number, from a class-conditional model or one that a
/// classifier guides.
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
    guidance: Guidance,
    /// Instead of the null label.
    negative: Option<i64>,
    /// What a network that reads captions is told.
    prompts: Prompts,
    /// Instead of the empty caption.
    negative_prompts: Option<Prompts>,
    /// What guides besides.
    classifier: Option<ByClassifier>,
    clip_model: Option<ByClip>,
    clip: bool,
    start: Option<Tensor>,
    image: Option<ImageSource>,
}

impl ImageSampler {
    /// Clips what is predicted to the range of pixels; of a class-conditional model it draws the
    /// classes in turn. A network that completes images is shown one of which nothing is known.
    ///
    /// # Errors
    /// A sampling that the model cannot give; a network that sees an image beside `x_t` and cannot do
    /// without.
    pub fn new(trained: &Pretrained, sampling: Sampling) -> Result<Self, SamplingError> {
        if let Some(ImageCondition::Masked) = trained.config.image_condition {
            return Self::seeing(trained, sampling, Shown::nothing(&trained.config));
        }
        trained.config.needs_no_image()?;
        Self::with_image(trained, sampling, None)
    }

    /// Draws what fits the images that it is shown, of their classes if the model knows classes.
    ///
    /// # Errors
    /// A sampling that the model cannot give; a model that was trained with every label, if the
    /// classes are not known.
    pub fn seeing(
        trained: &Pretrained,
        sampling: Sampling,
        shown: Shown,
    ) -> Result<Self, SamplingError> {
        Self::with_image(trained, sampling, Some(ImageSource::Shown(shown)))
    }

    // ANCHOR: upsampling
    /// The upper stage of a cascade: image `i` is image `i` of `by`, enlarged
    /// ([`Pretrained::low_res`]), of the same class if the model knows classes.
    ///
    /// # Errors
    /// A sampling that the model cannot give; a model that does not enlarge the images of `by`; a
    /// noise level that it was not trained for.
    pub fn upsampling(
        trained: &Pretrained,
        sampling: Sampling,
        by: impl Generator + 'static,
        noise_level: usize,
    ) -> Result<Self, SamplingError> {
        let [c, h, w] = by.shape();
        let none = Tensor::zeros([0, c, h, w], (Kind::Float, Device::Cpu));
        trained.low_res(&none, noise_level, &mut |x| x.zeros_like())?;
        let images = ImageSource::Drawn { by: Box::new(by), noise_level };
        Self::with_image(trained, sampling, Some(images))
    }
    // ANCHOR_END: upsampling

    fn with_image(
        trained: &Pretrained,
        sampling: Sampling,
        image: Option<ImageSource>,
    ) -> Result<Self, SamplingError> {
        let config = &trained.config;
        sampling.check(&trained.schedule, config.parameterization)?;
        let known = image.as_ref().is_none_or(|image| image.classes(0, 1).is_some());
        if config.classes.is_some() && config.condition_dropout == 0.0 && !known {
            return Err(SamplingError::NoNull);
        }
        Ok(Self {
            trained: trained.clone(),
            sampling,
            classes: Classes::InTurn,
            guidance: Guidance::NONE,
            negative: None,
            prompts: Prompts::empty(),
            negative_prompts: None,
            classifier: None,
            clip_model: None,
            clip: true,
            start: None,
            image,
        })
    }

    /// How it is sampled.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Draws one class, or all classes in turn.
    ///
    /// # Errors
    /// A class that is not known; a choice of classes of an unconditional model that no classifier
    /// guides.
    pub fn of(self, classes: Classes) -> Result<Self, SamplingError> {
        if let Classes::Only(class) = classes {
            self.check_class(class)?;
        }
        Ok(Self { classes, ..self })
    }

    /// Draws what captions say.
    ///
    /// # Errors
    /// A model that reads none.
    pub fn prompted(self, prompts: Prompts) -> Result<Self, SamplingError> {
        let prompts = prompts.read_by(&self.trained.config)?;
        Ok(Self { prompts, ..self })
    }

    /// Guides away from these captions instead of away from the empty one: negative prompts.
    ///
    /// # Errors
    /// A model that reads none.
    pub fn away_from(self, prompts: Prompts) -> Result<Self, SamplingError> {
        let negative_prompts = Some(prompts.read_by(&self.trained.config)?);
        Ok(Self { negative_prompts, ..self })
    }

    /// Guides without a classifier: away from what the model says without its condition, or given
    /// the class `negative` or the captions of [`away_from`](Self::away_from), which comes first. The
    /// guided prediction is clipped.
    ///
    /// # Errors
    /// An unconditional model; one that was never trained without its condition, unless there is a
    /// negative one.
    pub fn guided(self, guidance: Guidance, negative: Option<i64>) -> Result<Self, SamplingError> {
        if let Some(class) = negative {
            self.check_class(class)?;
        }
        let negated = negative.is_some() || self.negative_prompts.is_some();
        check_guidance(&self.trained.config, guidance, negated)?;
        Ok(Self { guidance, negative, ..self })
    }

    /// Guides by a classifier (Dhariwal & Nichol 2021, Algorithm 2), besides any other guidance: an
    /// unconditional model draws the classes that the classifier knows. The guided prediction is
    /// clipped.
    ///
    /// # Errors
    /// A classifier of other images or other classes; a scale that is no number.
    pub fn guided_by(
        self,
        classifier: &PretrainedClassifier,
        scale: f64,
    ) -> Result<Self, SamplingError> {
        self.by_classifier(ByClassifier { classifier: classifier.clone(), scale, mean_shift: None })
    }

    /// Guides ancestral sampling by a classifier that shifts the mean of each step (Dhariwal &
    /// Nichol 2021, Algorithm 1; see [`ddpm_guided`]). The prediction is clipped before the shift.
    ///
    /// # Errors
    /// Those of [`guided_by`](Self::guided_by), and any sampler but [`Sampler::Ddpm`].
    pub fn mean_shifted_by(
        self,
        classifier: &PretrainedClassifier,
        scale: f64,
        gradient_at: GradientAt,
    ) -> Result<Self, SamplingError> {
        let sampler = self.sampling.sampler;
        if !matches!(sampler, Sampler::Ddpm(_)) {
            let why = format!("{sampler} has no step whose mean could be shifted: take DDPM");
            return Err(SamplingError::Guidance(why));
        }
        let (classifier, mean_shift) = (classifier.clone(), Some(gradient_at));
        self.by_classifier(ByClassifier { classifier, scale, mean_shift })
    }

    fn by_classifier(self, guide: ByClassifier) -> Result<Self, SamplingError> {
        self.check_guide(guide.scale, guide.classifier.config.format, "classifier")?;
        let known = guide.classifier.classes();
        match self.trained.config.classes {
            Some(classes) if classes != known => Err(SamplingError::Guidance(format!(
                "the model knows {classes} classes, the classifier {known}"
            ))),
            _ => Ok(Self { classifier: Some(guide), ..self }),
        }
    }

    /// Whether a network that reads images of this format can guide, so much.
    fn check_guide(&self, scale: f64, read: Format, what: &str) -> Result<(), SamplingError> {
        let (drawn, read) = (self.trained.config.format.shape(), read.shape());
        let wrong = match drawn == read {
            _ if !scale.is_finite() => {
                format!("the scale of guidance is {scale}: no finite number")
            }
            false => format!("the model draws images of {drawn:?}, the {what} reads {read:?}"),
            true => return Ok(()),
        };
        Err(SamplingError::Guidance(wrong))
    }

    /// Guides to captions by a CLIP (GLIDE, section 2.4), besides any other guidance. A model that
    /// reads captions itself is not told these: see [`prompted`](Self::prompted). The guided
    /// prediction is clipped.
    ///
    /// # Errors
    /// A CLIP of other images; a scale that is no number.
    pub fn guided_by_clip(
        self,
        clip: &PretrainedClip,
        scale: f64,
        prompts: Prompts,
    ) -> Result<Self, SamplingError> {
        self.check_guide(scale, clip.config.format, "CLIP")?;
        let clip_model = Some(ByClip { clip: clip.clone(), scale, prompts });
        Ok(Self { clip_model, ..self })
    }

    /// How many classes can be asked for.
    fn known_classes(&self) -> Option<i64> {
        let classifier = self.classifier.as_ref().map(|guide| guide.classifier.classes());
        self.trained.config.classes.or(classifier)
    }

    fn check_class(&self, class: i64) -> Result<(), SamplingError> {
        match self.known_classes() {
            None => Err(SamplingError::Unconditional),
            Some(known) if !(0..known).contains(&class) => {
                Err(SamplingError::NoSuchClass { class, known })
            }
            Some(_) => Ok(()),
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

    /// The classes of the images `first..first + n`, those of the images beside them if there are
    /// some; none if no class can be asked for.
    fn labels(&self, first: u64, n: u64) -> Option<ClassLabels> {
        let known = self.known_classes()?;
        Some(match (self.classes, &self.image) {
            (Classes::Only(class), _) => all_of(class, n),
            (Classes::InTurn, None) => ClassLabels::in_turn(known, first, n),
            (Classes::InTurn, Some(image)) => match image.classes(first, n) {
                Some(classes) => ClassLabels::new(&classes),
                None => all_of(ClassLabels::NULL, n),
            },
        })
    }

    /// The lower stage, of the upper one of a cascade.
    fn below(&self) -> Option<&dyn Generator> {
        self.image.as_ref()?.below()
    }

    /// The model with its condition, its score guided.
    fn model(&self, first: u64, n: u64, image: Option<ConditioningImage>) -> Box<dyn Denoiser> {
        let (mut model, labels) = (self.without_classifier(first, n, image), self.labels(first, n));
        if let Some(ByClip { clip, scale, prompts }) = &self.clip_model {
            let logit = clip.clip.logit(&prompts.rows(first, n));
            model = Box::new(model.classifier_guided(logit, *scale));
        }
        match self.classifier.as_ref().zip(labels) {
            Some((guide, labels)) if guide.mean_shift.is_none() => {
                Box::new(model.classifier_guided(guide.log_prob(&labels), guide.scale))
            }
            _ => model,
        }
    }

    fn without_classifier(
        &self,
        first: u64,
        n: u64,
        image: Option<ConditioningImage>,
    ) -> Box<dyn Denoiser> {
        let model = &self.trained.model;
        let labels = self.trained.config.classes.and_then(|_| self.labels(first, n));
        let reads = self.trained.config.text.is_some();
        let captions = reads.then(|| self.prompts.rows(first, n));
        let toward = Conditions { labels, captions, image };
        guided(model, toward, self.guidance, n, |away| {
            if let Some(class) = self.negative {
                away.labels = Some(all_of(class, n));
            }
            if let Some(prompts) = &self.negative_prompts {
                away.captions = Some(prompts.rows(first, n));
            }
        })
    }
}

/// The stages of a cascade, and the noise of its augmentation, are drawn from unrelated streams,
/// though all of them go by one seed.
const UPPER_STAGE: u64 = 1;
const AUGMENTATION: u64 = 2;

/// Refuses a guidance that a model so configured cannot follow. `negated` says whether there is a
/// negative class or prompt.
pub fn check_guidance(
    config: &ImageConfig,
    guidance: Guidance,
    negated: bool,
) -> Result<(), SamplingError> {
    guidance.check().map_err(SamplingError::Guidance)?;
    match config.is_conditional() {
        _ if guidance.is_none() => Ok(()),
        false => Err(SamplingError::Unguidable),
        true if !negated && config.condition_dropout == 0.0 => Err(SamplingError::NoNull),
        true => Ok(()),
    }
}

/// `n` labels of one class.
fn all_of(class: i64, n: u64) -> ClassLabels {
    ClassLabels::new(&Tensor::from(class).expand([n as i64], true))
}

impl Generator for ImageSampler {
    fn shape(&self) -> [i64; 3] {
        self.trained.config.format.shape()
    }

    fn classes(&self, first: u64, n: u64) -> Option<Tensor> {
        let asked = match (self.classes, &self.image) {
            (Classes::InTurn, Some(image)) => return image.classes(first, n),
            _ => self.labels(first, n)?,
        };
        Some(asked.labels().shallow_clone())
    }

    fn stages(&self) -> u64 {
        1 + self.below().map_or(0, |by| by.stages())
    }

    fn looks(&self) -> usize {
        self.below().map_or(0, |by| by.looks()) + self.sampling.evaluations(&self.trained.schedule)
    }

    #[allow(non_snake_case)]
    fn draw(&self, first: u64, n: u64, look: &mut dyn FnMut(&Snapshot)) -> Tensor {
        let Pretrained { config, schedule, device, .. } = &self.trained;
        let below = self.stages().saturating_sub(2); // under the stage that is enlarged
        let image = self.image.as_ref().map(|image| {
            let augmentation = mix(self.sampling.seed, AUGMENTATION, below);
            image.draw(&self.trained, augmentation, first, n, look)
        });
        let seed = match image {
            Some(_) => mix(self.sampling.seed, UPPER_STAGE, below),
            None => self.sampling.seed,
        };
        let mut noise = Seeded::new(seed, first);
        let seeded = noise.start(&config.shape(n as i64)); // drawn whether it is used or not
        let given = self.start.as_ref().map(|x| x.narrow(0, first as i64, n as i64));
        let x_T = given.unwrap_or(seeded).to_device(*device);
        let mut model = self.model(first, n, image);
        if self.clip {
            model = Box::new(model.clip(1.0));
        }
        let (model, noise) = (model.with_callback(look), &mut |x: &Tensor| noise.draw(x));
        let Sampling { sampler, .. } = self.sampling;
        let guide = self.classifier.as_ref().zip(self.labels(first, n));
        if let (Some((guide, labels)), Sampler::Ddpm(variance)) = (guide, sampler)
            && let Some(gradient_at) = guide.mean_shift
        {
            let log_prob = guide.log_prob(&labels);
            let shift = MeanShift { log_prob: &log_prob, scale: guide.scale, gradient_at };
            return ddpm_guided(
                &model,
                &self.sampling.levels(schedule),
                x_T,
                variance,
                &shift,
                noise,
            );
        }
        self.sampling.run(&model, schedule, x_T, noise)
    }

    fn recipe(&self) -> Recipe {
        let Sampling { sampler, path, steps, seed } = self.sampling;
        let mut condition = match (self.known_classes(), self.classes) {
            (None, _) => Vec::new(),
            (Some(_), Classes::InTurn) if self.image.is_some() => Vec::new(), // the image's
            (Some(_), Classes::InTurn) => vec!["classes in turn".into()],
            (Some(_), Classes::Only(class)) => vec![format!("class {class}")],
        };
        if self.trained.config.text.is_some() {
            condition.push(self.prompts.name.clone());
        }
        if !self.guidance.is_none() {
            condition.push(self.guidance.to_string());
            let negative = self.negative_prompts.as_ref();
            condition.extend(negative.map(|prompts| format!("away from {}", prompts.name)));
            condition.extend(self.negative.map(|class| format!("away from class {class}")));
        }
        condition.extend(self.classifier.as_ref().map(ByClassifier::to_string));
        condition.extend(self.clip_model.as_ref().map(ByClip::to_string));
        condition.extend((!self.clip).then(|| "not clipped".to_owned()));
        condition.extend(self.start.as_ref().map(|_| "from given noise".to_owned()));
        condition.extend(self.image.as_ref().map(ImageSource::name));
        Recipe {
            sampler: sampler.to_string(),
            path: path.to_string(),
            steps,
            nfe: self.below().map_or(0, |by| by.recipe().nfe)
                + evaluations(self.sampling, self.guidance, &self.trained.schedule),
            seed,
            weights: self.trained.weights(),
            hash: self.trained.hash.clone(),
            condition: condition.join(", "),
        }
    }
}
