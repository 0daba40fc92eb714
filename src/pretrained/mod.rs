//! An image model as it lies on disk: what it was trained on, what its numbers mean, its weights.

mod classifier;
mod clip;
mod diffusers;
mod image_condition;
mod noised;
mod openai;

pub use classifier::{NoisedClassifier, NoisedClassifierConfig, PretrainedClassifier};
pub use clip::{Clip, ClipConfig, PretrainedClip};
pub use diffusers::{Diffusers, export_diffusers};
pub use image_condition::{ImageCondition, LowRes, masked};
pub use openai::load_openai;

use crate::checkpoint::{CheckpointError, fingerprint, load_weights, read_config};
use crate::conditioning::Condition;
use crate::data::captions::Tokenizer;
use crate::data::{Format, Source};
use crate::denoiser::{Head, Model, Parameterization, Target, TimeInput};
use crate::loss::{Objective, ScheduleSampler, Weighting};
use crate::nn::unet::TimeConditioning;
use crate::nn::{
    Captions, ClassEmbedding, ClassLabels, Conditioned, ConditioningImage, Conditions,
    ConditionsEncoder, ImageEncoder, TextConfig, TextEncoder, Unet, UnetConfig,
};
use crate::noise::{Noise, mix};
use crate::schedule::{Schedule, ScheduleConfig};
use crate::train::{Precision, TrainConfig, Trainer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// A U-Net with encoders before it: of class labels if it is class-conditional, of an image that it
/// sees beside `x_t` if it is made for that. An unconditional one is given `None`.
pub type ImageModel = Model<Conditioned<ConditionsEncoder, Unet>>;

/// The tokenizer and the network that reads its tokens mean the same two by them.
const _: () = assert!(Tokenizer::END == Captions::END && Tokenizer::PAD == Captions::PAD);

/// Images that a batch may have: more is a typing error.
const MOST: usize = 1_000_000;

/// All that fixes an image model; `config.json` of its run directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    pub data: Source,
    pub format: Format,
    /// Half of the images are mirrored, left and right: not for digits.
    pub flip: bool,
    pub schedule: ScheduleConfig,
    pub network: UnetConfig,
    #[serde(alias = "meaning")]
    pub parameterization: Parameterization,
    /// How many classes the network is conditioned on; none if it is unconditional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<i64>,
    /// The transformer that reads captions, which the network attends to (`network.tokens`); none if
    /// it reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextConfig>,
    /// Probability with which a label or a caption is replaced by the null label or the empty
    /// caption in training, so that one network learns both (Ho & Salimans 2021, Algorithm 1).
    #[serde(default, alias = "label_dropout", skip_serializing_if = "is_default")]
    pub condition_dropout: f64,
    /// The share of the training images whose label is known, chosen by their place in the data.
    /// The others are trained on with the null label.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub labelled: f64,
    /// The image that the network sees beside `x_t`; its channels are part of
    /// `network.in_channels`. None if it sees `x_t` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_condition: Option<ImageCondition>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub objective: Objective,
    /// The weight of each level in the objective `simple`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weighting: Weighting,
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule_sampler: ScheduleSampler,
    pub batch: usize,
    /// In which numbers training computes the network.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    pub train: TrainConfig,
}

fn all() -> f64 {
    1.0
}

fn is_all(share: &f64) -> bool {
    *share == all()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ImageConfig {
    /// Digits on the schedule of Ho et al. 2020 by a network of two blocks per level, with AdaGN, that
    /// predicts the velocity: what `weights/mnist-unet-v` was trained as, but for the end of its
    /// training and for bf16.
    pub fn mnist() -> Self {
        Self {
            data: Source::Mnist,
            format: Format::MNIST,
            flip: false,
            schedule: ScheduleConfig::default(),
            network: UnetConfig {
                layers: 2,
                time: TimeConditioning::ScaleShift,
                ..UnetConfig::mnist()
            },
            parameterization: Parameterization { target: Target::V, ..Default::default() },
            classes: None,
            text: None,
            condition_dropout: 0.0,
            labelled: 1.0,
            image_condition: None,
            objective: Objective::Simple,
            weighting: Weighting::Flat,
            schedule_sampler: ScheduleSampler::Uniform,
            batch: 1024,
            precision: Precision::F32,
            train: TrainConfig { lr: 3e-3, warmup: 1000, ema_decay: 0.9995, ..Default::default() },
        }
    }

    /// A new network in `vs`.
    pub fn build(&self, vs: &nn::Path) -> ImageModel {
        let net = Unet::new(vs, &self.network);
        let width = self.network.emb_dim();
        let labels = |classes| ClassEmbedding::new(&(vs / "class_embedding"), classes, width);
        let image = |seen: ImageCondition| ImageEncoder::new(vs, width, seen.tells_level());
        let text = |text| TextEncoder::new(&(vs / "text_encoder"), text, width);
        let encoder = ConditionsEncoder {
            labels: self.classes.map(labels),
            text: self.text.as_ref().map(text),
            image: self.image_condition.map(image),
        };
        let net = Conditioned { encoder, net };
        Model::new(net, self.parameterization, self.schedule.build())
    }

    /// A new network and its training.
    pub fn trainer(&self, device: Device) -> Trainer<ImageModel> {
        let build = |vs: &nn::Path| self.build(vs);
        Trainer::new(device, self.train.clone(), build).computing_in(self.precision, build)
    }

    /// The samples `x0` (`[B, C, H, W]`) as training sees them: with [`flip`](Self::flip), left and
    /// right are exchanged in about every second one. It draws from libtorch's generator.
    pub fn mirrored(&self, x0: Tensor) -> Tensor {
        if !self.flip {
            return x0;
        }
        let chosen = Tensor::rand([x0.size()[0], 1, 1, 1], (x0.kind(), x0.device())).lt(0.5);
        x0.flip([3]).where_self(&chosen, &x0)
    }

    // ANCHOR: dropped
    /// The conditions of samples `x0` in training, by their places in the data, their labels (`[B]`,
    /// i64) and their captions (`[B, L]`, i64), if they have some. It draws from libtorch's
    /// generator.
    ///
    /// # Panics
    /// When the network reads captions, and there are none.
    pub fn draw_conditions(
        &self,
        schedule: &Schedule,
        x0: &Tensor,
        places: &Tensor,
        labels: &Tensor,
        captions: Option<&Tensor>,
    ) -> Conditions {
        let image = self.image_condition.map(|seen| seen.draw(schedule, x0));
        let captions = self.text.is_some().then(|| {
            let captions =
                captions.expect("a network that reads captions needs data with captions");
            Captions::new(captions).null_where(&self.draw_dropped(captions.size()[0]))
        });
        Conditions { labels: self.draw_labels(places, labels), captions, image }
    }

    /// Which of `n` conditions are dropped: `[n]`, bool.
    fn draw_dropped(&self, n: i64) -> Tensor {
        Tensor::rand([n], (Kind::Float, Device::Cpu)).lt(self.condition_dropout)
    }

    /// Labels of which some are dropped and some were never known, or `None` if the network is told
    /// none.
    fn draw_labels(&self, places: &Tensor, labels: &Tensor) -> Option<ClassLabels> {
        self.classes?;
        let dropped = self.draw_dropped(labels.size()[0]);
        let null = dropped.logical_or(&self.unlabelled(places));
        Some(ClassLabels::new(labels).null_where(&null))
    }
    // ANCHOR_END: dropped

    /// Which places in the data have no known label: `[B]`, always the same.
    fn unlabelled(&self, places: &Tensor) -> Tensor {
        let places = Vec::<i64>::try_from(places).expect("a vector of places");
        let known = |place: i64| mix(0, place as u64, 0) as f64 / 2f64.powi(64) < self.labelled;
        let unknown: Vec<bool> = places.into_iter().map(|place| !known(place)).collect();
        Tensor::from_slice(&unknown)
    }

    /// The loss of each sample at its own `t` in `1..=T` (`[B]`, i64): `[B]`, with gradient, as the
    /// run asks for it.
    pub fn loss(
        &self,
        model: &ImageModel,
        schedule: &Schedule,
        t: &Tensor,
        x0: &Tensor,
        cond: &Conditions,
        eps: &Tensor,
    ) -> Tensor {
        let loss = self.objective.loss(model, schedule, t, x0, cond, eps);
        self.weighting.of(&schedule.levels(t), self.parameterization.target, &loss) * loss
    }

    /// Refuses what describes no image model, or no training of one, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.schedule.check()?;
        self.network.check().map_err(|error| error.to_string())?;
        self.train.check().map_err(|error| error.to_string())?;
        self.check_shape()?;
        self.check_objective()?;
        self.check_image_condition()?;
        self.check_text()?;
        check_batch(self.batch, 1)?;
        if !self.weighting.is_sound() {
            return Err(format!("weighting is {:?}: its bound is positive", self.weighting));
        }
        let parameterization = self.parameterization;
        let sound = match (parameterization.target, parameterization.time_input) {
            (Target::Edm { sigma_data }, _) if !(sigma_data > 0.0 && sigma_data.is_finite()) => {
                false
            }
            (_, TimeInput::Times(factor) | TimeInput::ZeroBasedTimes(factor)) => factor.is_finite(),
            _ => true,
        };
        if !sound {
            return Err(format!(
                "{parameterization:?}: sigma_data is positive and a factor finite"
            ));
        }
        let dropout = self.condition_dropout;
        if !(0.0..=1.0).contains(&dropout) || (dropout > 0.0 && !self.is_conditional()) {
            let must = "it is a probability, and 0 for a network without classes or captions";
            return Err(format!("condition_dropout is {dropout}: {must}"));
        }
        let labelled = self.labelled;
        if !(0.0..=1.0).contains(&labelled) || (labelled < 1.0 && self.classes.is_none()) {
            let must = "it is a share, and 1 for a network without classes";
            return Err(format!("labelled is {labelled}: {must}"));
        }
        match self.classes {
            Some(classes) if !(1..=1_000_000).contains(&classes) => {
                Err(format!("classes is {classes}: it is 1 to 1,000,000, or absent"))
            }
            Some(_) if !self.network.time.takes_embedding() => Err(format!(
                "a network with time {:?} has no place for class labels: take add or scale-shift",
                self.network.time
            )),
            _ => Ok(()),
        }
    }

    /// Whether the network can be trained on the objective.
    fn check_objective(&self) -> Result<(), String> {
        let objective = self.objective;
        if objective == Objective::Simple {
            return Ok(());
        }
        if self.parameterization.head == Head::Mean {
            return Err(format!(
                "objective {objective:?} trains the variance, too, which this network does not \
                 predict: write \"head\": \"mean-and-nu\" and twice the out_channels"
            ));
        }
        if self.schedule.build().steps() < 2 {
            return Err(format!(
                "objective {objective:?} takes the variance of step 1 from that of step 2: the \
                 schedule needs at least two"
            ));
        }
        match self.weighting {
            Weighting::Flat => Ok(()),
            weighting => Err(format!(
                "weighting is {weighting:?}: only the objective Simple takes one, {objective:?} has \
                 its own"
            )),
        }
    }

    /// Refuses a network that sees an image beside `x_t`, where there is none to show it.
    pub fn needs_no_image(&self) -> Result<(), NeedsImage> {
        match self.image_condition {
            Some(image) => Err(NeedsImage(image.describe(self.format))),
            None => Ok(()),
        }
    }

    /// Refuses a network that reads captions, where nobody gives it any.
    pub fn needs_no_caption(&self) -> Result<(), NeedsCaption> {
        if self.text.is_some() { Err(NeedsCaption) } else { Ok(()) }
    }

    /// Whether the network can see the image that it is to see.
    fn check_image_condition(&self) -> Result<(), String> {
        let Some(image) = self.image_condition else { return Ok(()) };
        let wrong = |why: String| format!("image_condition: {why}");
        image.check(self.format, &self.schedule.build()).map_err(wrong)?;
        match image.tells_level() && !self.network.time.takes_embedding() {
            true => Err(wrong(format!(
                "a network with time {:?} cannot be told a level: take add or scale-shift",
                self.network.time
            ))),
            false => Ok(()),
        }
    }

    /// Whether the network attends to what reads the captions.
    fn check_text(&self) -> Result<(), String> {
        let wrong = |why: String| Err(format!("text: {why}"));
        match (&self.text, self.network.tokens) {
            (None, None) => Ok(()),
            (None, Some(_)) => wrong(
                "network.tokens attends to captions, and nothing reads them: describe it".into(),
            ),
            (Some(_), None) => {
                wrong("the network attends to no tokens: write network.tokens".into())
            }
            (Some(text), Some(tokens)) => match text.check() {
                Err(why) => wrong(why),
                Ok(()) if text.width != tokens.dim => wrong(format!(
                    "its width is {}, but network.tokens.dim is {}",
                    text.width, tokens.dim
                )),
                Ok(()) if !self.network.time.takes_embedding() => wrong(format!(
                    "a network with time {:?} has no place for a caption's embedding: take add or \
                     scale-shift",
                    self.network.time
                )),
                Ok(())
                    if self.data == Source::Captions
                        && [text.vocabulary, text.length]
                            != [Tokenizer::VOCABULARY, Tokenizer::LENGTH] =>
                {
                    wrong(format!(
                        "the captions of scenes have {} words and {} tokens at most: write these",
                        Tokenizer::VOCABULARY,
                        Tokenizer::LENGTH
                    ))
                }
                Ok(()) if self.flip => {
                    wrong("flip exchanges left and right, which captions name: write false".into())
                }
                Ok(()) => Ok(()),
            },
        }
    }

    /// Whether the network is told a class or a caption, which can be dropped.
    pub fn is_conditional(&self) -> bool {
        self.classes.is_some() || self.text.is_some()
    }

    /// Whether the network takes and gives images of the format.
    fn check_shape(&self) -> Result<(), String> {
        let UnetConfig { in_channels, out_channels, image_size, .. } = self.network;
        let [channels, height, width] = self.format.shape();
        let seen = self.image_condition.map_or(0, |image| image.channels(channels));
        let beside = match seen {
            0 => String::new(),
            seen => format!(" and {seen} channels of another image beside them"),
        };
        let (asked, taken) =
            ([channels + seen, height, width], [in_channels, image_size, image_size]);
        if asked != taken {
            return Err(format!(
                "format asks for images of {:?} (channels, height, width){beside}, but network \
                 takes {taken:?}",
                self.format.shape()
            ));
        }
        let given = match self.parameterization.head {
            Head::Mean => channels,
            Head::MeanAndNu => 2 * channels,
        };
        match out_channels == given {
            true => Ok(()),
            false => Err(format!("network.out_channels is {out_channels}: it is {given} here")),
        }
    }

    /// The condition of the samples `first..first + n` if each class is drawn in turn; none if the
    /// network is unconditional.
    pub fn classes_in_turn(&self, first: u64, n: u64) -> Option<ClassLabels> {
        Some(ClassLabels::in_turn(self.classes?, first, n))
    }

    /// `[n, C, H, W]`, the shape of `n` samples.
    pub fn shape(&self, n: i64) -> [i64; 4] {
        let [channels, height, width] = self.format.shape();
        [n, channels, height, width]
    }
}

/// Images that a network cannot enlarge, or not as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoLowRes(String);

/// A network that sees an image beside `x_t` was asked to draw without one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this network sees {0} beside x_t: it draws nothing without one")]
pub struct NeedsImage(String);

/// A network that reads captions was asked to draw where nobody gives it any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this network reads captions, and here are none: draw with `cargo chapter 14` or `cargo from-noise \
     sample`"
)]
pub struct NeedsCaption;

/// The configuration that the directory `dir` holds, if it describes something.
fn checked<C: DeserializeOwned>(
    dir: &Path,
    check: impl Fn(&C) -> Result<(), String>,
) -> Result<C, CheckpointError> {
    let config: C = read_config(dir)?;
    let path = || dir.join("config.json");
    check(&config).map_err(|why| CheckpointError::Config { path: path(), why })?;
    Ok(config)
}

/// Whether a network that reads images reads those of the format.
fn check_reads(format: Format, network: &UnetConfig, what: &str) -> Result<(), String> {
    let UnetConfig { in_channels, image_size, .. } = *network;
    let (asked, taken) = (format.shape(), [in_channels, image_size, image_size]);
    match asked == taken {
        true => Ok(()),
        false => Err(format!(
            "format asks for images of {asked:?} (channels, height, width), but {what} takes {taken:?}"
        )),
    }
}

fn check_batch(batch: usize, least: usize) -> Result<(), String> {
    match (least..=MOST).contains(&batch) {
        true => Ok(()),
        false => Err(format!("batch is {batch}: it is {least} to {MOST}")),
    }
}

/// What `build` makes, with the averaged weights of the directory `dir`, frozen: gradients are those
/// of images alone. Also the step and the hash of the weights.
fn averaged<M>(
    dir: &Path,
    device: Device,
    build: impl FnOnce(&nn::Path) -> M,
) -> Result<(M, u64, String), CheckpointError> {
    let mut vs = nn::VarStore::new(device);
    let model = build(&vs.root());
    let weights = dir.join("ema.safetensors");
    let (step, hash) = (load_weights(&vs, &weights)?, fingerprint(&weights)?);
    vs.freeze();
    Ok((model, step, hash))
}

/// A model to sample from. Cloning shares the weights.
#[derive(Debug, Clone)]
pub struct Pretrained {
    pub config: ImageConfig,
    pub schedule: Schedule,
    pub model: ImageModel,
    pub device: Device,
    /// Steps it was trained for.
    pub step: u64,
    /// The first twelve hexadecimal digits of the weights' SHA-256.
    pub hash: String,
}

impl Pretrained {
    /// Reads only `config.json`, and checks that it describes a network.
    pub fn config(dir: impl AsRef<Path>) -> Result<ImageConfig, CheckpointError> {
        checked(dir.as_ref(), ImageConfig::check)
    }

    /// Reads `config.json` and the averaged weights, `ema.safetensors`, of the directory `dir`.
    ///
    /// # Errors
    /// Files that are missing, damaged or do not fit each other.
    pub fn load(dir: impl AsRef<Path>, device: Device) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let config = Self::config(dir)?;
        let (model, step, hash) = averaged(dir, device, |vs| config.build(vs))?;
        Ok(Self { schedule: config.schedule.build(), config, model, device, step, hash })
    }

    /// What an upsampler is shown of images of low resolution ([`LowRes::condition`]), all at one
    /// noise level, a `t` of the schedule; on the model's device.
    ///
    /// # Errors
    /// A model that enlarges no images, or others; a level that it was not trained for.
    ///
    /// # Shapes
    /// `low`: `[B, C, h, w]` in `[-1, 1]`.
    pub fn low_res(
        &self,
        low: &Tensor,
        noise_level: usize,
        noise: Noise,
    ) -> Result<ConditioningImage, NoLowRes> {
        let wrong = |why| Err(NoLowRes(why));
        let Some(ImageCondition::LowRes(low_res)) = self.config.image_condition else {
            return wrong("this network was not trained to enlarge an image".into());
        };
        let (found, taken) = (low.size(), low_res.shape(self.config.format));
        if found.len() != 4 || found[1..] != taken {
            return wrong(format!(
                "this network enlarges images of {taken:?} (channels, height, width), not {:?}",
                &found[1.min(found.len())..]
            ));
        }
        low_res.check_level(noise_level).map_err(NoLowRes)?;
        let low = low.to_device(self.device);
        let t = Tensor::full([found[0]], noise_level as i64, (Kind::Int64, self.device));
        Ok(low_res.condition(&self.schedule, &low, &t, noise))
    }

    /// Which weights these are, as tables name them.
    pub fn weights(&self) -> String {
        format!("ema at step {} ({})", self.step, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Encode;

    #[test]
    fn runs_saved_under_the_old_names_are_read() {
        let now = serde_json::to_string(&ImageConfig::mnist()).unwrap();
        let old = now.replace("\"parameterization\"", "\"meaning\"");
        let old = old.replace("\"time_input\"", "\"clock\"");
        assert_ne!(old, now);
        let read: ImageConfig = serde_json::from_str(&old).unwrap();
        assert_eq!(read.parameterization.target, Target::V);
    }

    #[test]
    fn the_digits_config_is_that_of_the_weights_that_come_along() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/mnist-unet-v");
        let mut trained = Pretrained::config(dir).unwrap();
        assert_eq!(trained.train.cooldown.take(), Some([3750, 7500]));
        assert_eq!(std::mem::take(&mut trained.precision), Precision::Bf16);
        let json = |config: &ImageConfig| serde_json::to_value(config).unwrap();
        assert_eq!(json(&ImageConfig::mnist()), json(&trained));
    }

    #[test]
    fn an_objective_of_variances_needs_two_steps() {
        let config = ImageConfig {
            network: UnetConfig { out_channels: 2, ..UnetConfig::mnist() },
            parameterization: Parameterization { head: Head::MeanAndNu, ..Default::default() },
            objective: Objective::Hybrid,
            ..ImageConfig::mnist()
        };
        config.check().unwrap();
        let schedule = ScheduleConfig::Linear { steps: 1, first: 0.1, last: 0.1 };
        let short = ImageConfig { schedule, ..config };
        assert!(short.check().unwrap_err().contains("needs at least two"));
        ImageConfig { objective: Objective::Simple, ..short }.check().unwrap();
    }

    #[test]
    fn labels_are_dropped_as_often_as_asked_and_only_where_there_are_some() {
        let labels = Tensor::zeros([4000], (Kind::Int64, Device::Cpu));
        let plain = ImageConfig::mnist();
        let places = Tensor::arange(4000, (Kind::Int64, Device::Cpu));
        assert!(plain.draw_labels(&places, &labels).is_none());
        let wrong = ImageConfig { condition_dropout: 0.1, ..plain.clone() };
        assert!(wrong.check().unwrap_err().contains("condition_dropout"));
        let null_rows = |config: &ImageConfig| {
            config.check().unwrap();
            let cond = config.draw_labels(&places, &labels).unwrap();
            let vs = nn::VarStore::new(Device::Cpu);
            let embedding = ClassEmbedding::new(&vs.root(), 10, 4);
            let rows = embedding.encode(&cond, true).emb.unwrap(); // [4000, 4]
            let null = vs.variables()["weight"].select(0, 10);
            rows.eq_tensor(&null).all_dim(1, false)
        };
        let share_of = |rows: &Tensor| rows.to_kind(Kind::Float).mean(None).double_value(&[]);
        for share in [0.0, 0.1, 1.0] {
            let config =
                ImageConfig { classes: Some(10), condition_dropout: share, ..plain.clone() };
            let dropped = share_of(&null_rows(&config));
            assert!((dropped - share).abs() < 0.02, "{dropped} of {share}");
        }
        // a label that is not known is never heard, and one that is known always
        let config = ImageConfig { classes: Some(10), labelled: 0.1, ..plain.clone() };
        let unknown = null_rows(&config);
        assert_eq!(unknown, null_rows(&config));
        assert!((share_of(&unknown) - 0.9).abs() < 0.02);
        assert!(ImageConfig { labelled: 0.1, ..plain }.check().unwrap_err().contains("labelled"));
    }
}
