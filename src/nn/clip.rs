//! CLIP: an image tower and a text tower that put what belongs together at the same place.

use super::layers::matrix;
use super::text_encoder::{Captions, TextConfig, TextTransformer};
use super::unet::{UnetClassifier, UnetConfig};
use tch::nn::{self, Init};
use tch::{Kind, Reduction, Tensor};

/// The temperature that CLIP starts with (Radford et al. 2021, section 2.5).
const START_TEMPERATURE: f64 = 0.07;
/// Logits are never scaled by more (Radford et al. 2021, section 2.5).
const LARGEST_SCALE: f64 = 100.0;

/// Two towers whose unit vectors have a large inner product where an image and a caption belong
/// together (Radford et al. 2021, CLIP, section 2.3).
///
/// The image tower is the way down of a U-Net with attention pooling, which is told the time: a
/// noised CLIP reads noised images (Nichol et al. 2021, GLIDE, section 4.4).
#[derive(Debug)]
pub struct ClipModel {
    image: UnetClassifier,
    text: TextTransformer,
    text_projection: nn::Linear,
    /// The logarithm of what the inner products are multiplied by: minus that of the temperature.
    logit_scale: Tensor,
}

impl ClipModel {
    /// `image.out_channels` is the width of the space in which both towers meet.
    ///
    /// # Panics
    /// If [`UnetClassifier::check`] or [`TextConfig::check`] refuses a configuration.
    pub fn new(vs: &nn::Path, image: &UnetConfig, text: &TextConfig) -> Self {
        let start = Init::Const(-START_TEMPERATURE.ln());
        Self {
            image: UnetClassifier::new(&(vs / "visual"), image),
            text: TextTransformer::new(&(vs / "text"), text),
            text_projection: matrix(vs / "text_projection", text.width, image.out_channels),
            logit_scale: vs.var("logit_scale", &[], start),
        }
    }

    /// Unit vectors of images, `f(x_t)`.
    ///
    /// # Shapes
    /// `x: [B, C, H, W]`, `t: [B]` or `[1]` -> `[B, D]`.
    pub fn image_embeddings(&self, x: &Tensor, t: &Tensor, train: bool) -> Tensor {
        unit(&self.image.forward(x, t, train))
    }

    /// Unit vectors of captions, `g(c)`.
    ///
    /// # Shapes
    /// `captions` of `[B, L]` -> `[B, D]`.
    pub fn text_embeddings(&self, captions: &Captions) -> Tensor {
        unit(&self.text.forward(captions).pooled.apply(&self.text_projection))
    }

    /// What inner products are multiplied by, at most 100. Beyond that the gradient still reaches the
    /// parameter, which would else stay there for good.
    pub fn scale(&self) -> Tensor {
        let scale = &self.logit_scale;
        let excess = (scale - scale.clamp_max(LARGEST_SCALE.ln())).detach();
        (scale - excess).exp()
    }

    /// The kind of its weights.
    pub fn kind(&self) -> Kind {
        self.image.kind()
    }
}

/// `x: [B, D]`, each row divided by its length.
fn unit(x: &Tensor) -> Tensor {
    x / x.norm_scalaropt_dim(2, [-1], true).clamp_min(1e-12)
}

// ANCHOR: contrastive
/// The symmetric contrastive loss (Radford et al. 2021, figure 3): every image is to find its
/// caption among those of the batch, and every caption its image.
///
/// # Shapes
/// `image` and `text: [B, D]`, unit vectors, row `i` of one belonging to row `i` of the other;
/// `scale: []` -> `[]`. It is `ln B` where nothing is known.
pub fn contrastive_loss(image: &Tensor, text: &Tensor, scale: &Tensor) -> Tensor {
    let logits = scale * image.matmul(&text.tr()); // [B, B]
    let own = Tensor::arange(logits.size()[0], (Kind::Int64, logits.device()));
    let find = |logits: Tensor| {
        logits.cross_entropy_loss::<Tensor>(&own, None, Reduction::Mean, -100, 0.0)
    };
    (find(logits.tr()) + find(logits)) / 2.0
}
// ANCHOR_END: contrastive
