//! What an image model is conditioned on: a class label, a caption, an image beside `x_t`, several of
//! them, or nothing.

use super::class_embedding::{ClassEmbedding, ClassLabels};
use super::conditioned::Encode;
use super::embedding::{Layout, TimeEmbedding};
use super::layers::Start;
use super::text_encoder::{Captions, TextEncoder};
use crate::conditioning::{Condition, Conditioning};
use tch::{Device, Tensor, nn};

// ANCHOR: conditioning_image
/// An image that a network sees beside `x_t`, one per sample: at low resolution to be enlarged, or
/// with a hole to be filled. It is never dropped: guidance by a label compares two predictions that
/// see the same image.
#[derive(Debug)]
pub struct ConditioningImage {
    /// `[B, K, H, W]`, of the side of `x_t`: concatenated to its channels.
    pub planes: Tensor,
    /// `[B]`, f32: the `t` to which the image was noised, of a network that is told.
    pub noise_level: Option<Tensor>,
}
// ANCHOR_END: conditioning_image

impl ConditioningImage {
    /// The images of these rows: `rows: [n]`, i64.
    pub fn index_select(&self, rows: &Tensor) -> Self {
        self.each(|x| x.index_select(0, &rows.to_device(x.device())))
    }

    pub fn to_device(&self, device: Device) -> Self {
        self.each(|x| x.to_device(device))
    }

    fn each(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        let noise_level = self.noise_level.as_ref().map(&change);
        Self { planes: change(&self.planes), noise_level }
    }
}

impl Condition for ConditioningImage {
    /// The image itself: there is none for "no image".
    fn null_where(&self, _mask: &Tensor) -> Self {
        self.each(Tensor::shallow_clone)
    }

    fn cat(&self, other: &Self) -> Self {
        let rows = |a: &Tensor, b: &Tensor| Tensor::cat(&[a, b], 0);
        let noise_level = self.noise_level.as_ref().zip(other.noise_level.as_ref());
        Self {
            planes: rows(&self.planes, &other.planes),
            noise_level: noise_level.map(|(a, b)| rows(a, b)),
        }
    }
}

/// The encoder of a [`ConditioningImage`].
#[derive(Debug)]
pub struct ImageEncoder {
    level_embedding: Option<TimeEmbedding>,
}

impl ImageEncoder {
    /// `width` is that of the network's time embedding. A network that is told how far the image
    /// was noised hears it as it hears the time: by an embedding of its own, which is added to the
    /// time's (diffusers' `class_embed_type = "timestep"`, in DeepFloyd IF). It starts at zero.
    pub fn new(vs: &nn::Path, width: i64, told_level: bool) -> Self {
        let vs = || vs / "level_embedding";
        let new = || TimeEmbedding::new(vs(), width / 4, width, Layout::SinCos, Start::Zero);
        Self { level_embedding: told_level.then(new) }
    }
}

impl Encode for ImageEncoder {
    type Cond = ConditioningImage;

    /// # Panics
    /// When a network that is told the level has none, or the other way around.
    fn encode(&self, cond: &ConditioningImage, _train: bool) -> Conditioning {
        let emb = match (&self.level_embedding, &cond.noise_level) {
            (Some(embedding), Some(level)) => Some(embedding.forward(level)),
            (None, None) => None,
            (Some(_), None) => panic!("this network is told how far its image was noised"),
            (None, Some(_)) => {
                panic!("this network was not told in training that images are noised")
            }
        };
        let planes = Some(cond.planes.shallow_clone());
        Conditioning { emb, planes, ..Conditioning::none() }
    }
}

/// The conditions of an image model. A label or `None` turns into conditions without an image.
#[derive(Debug, Default)]
pub struct Conditions {
    /// None if the model is unconditional.
    pub labels: Option<ClassLabels>,
    /// None if the network reads no captions.
    pub captions: Option<Captions>,
    /// None if the network sees nothing but `x_t`.
    pub image: Option<ConditioningImage>,
}

impl From<Option<ClassLabels>> for Conditions {
    fn from(labels: Option<ClassLabels>) -> Self {
        Self { labels, ..Self::default() }
    }
}

impl From<ConditioningImage> for Conditions {
    fn from(image: ConditioningImage) -> Self {
        Self { image: Some(image), ..Self::default() }
    }
}

impl From<(Option<ClassLabels>, ConditioningImage)> for Conditions {
    fn from((labels, image): (Option<ClassLabels>, ConditioningImage)) -> Self {
        Self { labels, image: Some(image), ..Self::default() }
    }
}

impl From<Captions> for Conditions {
    fn from(captions: Captions) -> Self {
        Self { captions: Some(captions), ..Self::default() }
    }
}

impl Condition for Conditions {
    fn null_where(&self, mask: &Tensor) -> Self {
        Self {
            labels: self.labels.null_where(mask),
            captions: self.captions.null_where(mask),
            image: self.image.null_where(mask),
        }
    }

    fn cat(&self, other: &Self) -> Self {
        Self {
            labels: self.labels.cat(&other.labels),
            captions: self.captions.cat(&other.captions),
            image: self.image.cat(&other.image),
        }
    }
}

/// The encoders of [`Conditions`]: one for each that the network takes.
#[derive(Debug)]
pub struct ConditionsEncoder {
    pub labels: Option<ClassEmbedding>,
    pub text: Option<TextEncoder>,
    pub image: Option<ImageEncoder>,
}

impl Encode for ConditionsEncoder {
    type Cond = Conditions;

    /// # Panics
    /// On a condition that is missing, or that the network does not take.
    fn encode(&self, cond: &Conditions, train: bool) -> Conditioning {
        let (taken, given) = (self.image.is_some(), cond.image.is_some());
        assert!(given || !taken, "this network sees an image beside x_t, and none was given");
        assert!(taken || !given, "this network sees nothing but x_t: it takes no image");
        let text = self.text.encode(&cond.captions, train);
        self.labels.encode(&cond.labels, train).and(text).and(self.image.encode(&cond.image, train))
    }
}
