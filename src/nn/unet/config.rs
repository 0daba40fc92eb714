//! What a U-Net is made of, checked and counted before anything is built.

use serde::{Deserialize, Serialize};

use crate::nn::embedding::Layout;
use crate::nn::resample::Padding;
use crate::nn::resblock::{Modulation, ResBlockConfig};

/// How the time conditions the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeConditioning {
    /// An embedding, added to the activations of every block: DDPM.
    #[default]
    Add,
    /// An embedding that scales and shifts the normalised activations of every block: AdaGN
    /// (Dhariwal & Nichol 2021, section 3.1).
    ScaleShift,
    /// One more input channel that holds t / 1000 at every pixel. No condition can enter by
    /// [`Conditioning::emb`](crate::conditioning::Conditioning).
    Channel,
    /// Not at all: the network must guess the noise level from x_t.
    Ignored,
}

impl TimeConditioning {
    /// Whether the blocks are told an embedding, to which a condition's can be added.
    pub fn takes_embedding(self) -> bool {
        matches!(self, Self::Add | Self::ScaleShift)
    }
}

/// How a level hands over to the next one, of half or twice the side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// By a convolution: DDPM.
    #[default]
    Conv,
    /// By a residual block that resizes, told the time as all blocks are: BigGAN's, which ADM takes
    /// over (Dhariwal & Nichol 2021, section 3; `resblock_updown` in their code).
    ResBlock,
}

/// The details in which published U-Nets differ and which no weights survive changing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// Order and frequencies of the time embedding.
    pub layout: Layout,
    /// Edges of the halving convolutions.
    pub padding: Padding,
    /// Added to the variance in every group norm.
    pub norm_eps: f64,
}

impl Dialect {
    /// Ho et al. 2020: google/ddpm-cifar10-32 and its siblings.
    pub const DDPM: Self =
        Self { layout: Layout::SinCos, padding: Padding::RightBottom, norm_eps: 1e-6 };
    /// Improved DDPM, guided diffusion, GLIDE; the defaults of diffusers.
    pub const OPENAI: Self =
        Self { layout: Layout::CosSin, padding: Padding::Around, norm_eps: 1e-5 };
}

impl Default for Dialect {
    fn default() -> Self {
        Self::DDPM
    }
}

/// How the attention layers of a U-Net attend to tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenAttention {
    pub form: TokenForm,
    /// Width of a token, the D of [`Tokens`](crate::conditioning::Tokens).
    pub dim: i64,
}

/// The two published forms. They differ in tensors and names, so weights fit one of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenForm {
    /// Keys and values of the tokens beside those of the pixels, in one self-attention layer:
    /// Nichol et al. 2021 (GLIDE), section 4.1; [`TokenSelfAttention`](crate::nn::attention::TokenSelfAttention).
    Concatenated,
    /// A transformer block with cross-attention in place of the self-attention layer: Rombach et
    /// al. 2022 (latent diffusion), section 3.3; [`SpatialTransformer`](crate::nn::transformer::SpatialTransformer).
    CrossAttention,
}

/// What a [`Unet`](super::Unet) is made of; the default is [`UnetConfig::mnist`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels of the input, those of conditioning planes included.
    pub in_channels: i64,
    /// Channels of the output: those of the data, or twice as many when the variance is learned.
    pub out_channels: i64,
    /// Side of the images.
    pub image_size: i64,
    /// Side of the squares of pixels that are folded into channels before the first convolution
    /// and unfolded after the last; 1 is none.
    pub space_to_depth: i64,
    /// Channels of each level, from the finest; each level has half the side of the one before.
    pub channels: Vec<i64>,
    /// Residual blocks per level on the way down; on the way up there is one more.
    pub layers: i64,
    /// Levels (0 is the finest) with attention after every block. The middle always attends.
    pub attention: Vec<usize>,
    /// Channels of an attention head; one head of all channels if absent.
    pub head_dim: Option<i64>,
    /// Groups of every group norm; they divide every level's channels.
    pub groups: i64,
    pub time: TimeConditioning,
    pub dropout: f64,
    pub dialect: Dialect,
    #[serde(skip_serializing_if = "is_default")]
    pub resampling: Resampling,
    /// Whether the sum of a block, residual or attention, and its shortcut is divided by the root
    /// of 2, so that its variance does not grow (Song et al. 2021; tried by Dhariwal & Nichol 2021,
    /// section 3).
    #[serde(skip_serializing_if = "is_default")]
    pub skip_rescale: bool,
    /// Attention to tokens, in every attention layer; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenAttention>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self::mnist()
    }
}

/// A configuration that describes no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no U-Net has {field} = {value}: {must}")]
pub struct UnetConfigError {
    pub field: &'static str,
    pub value: String,
    pub must: String,
}

/// The most channels: beyond it a slip of the keyboard takes all memory.
const WIDEST: i64 = 8192;

impl UnetConfig {
    /// The smallest that has every part: for tests and smoke runs.
    pub fn tiny() -> Self {
        Self { channels: vec![8, 16], attention: vec![], groups: 4, ..Self::mnist() }
    }

    /// Digits of 28 x 28, folded to 14 x 14, with one block per level: small and fast. Chapter 4's own
    /// network is [`ImageConfig::mnist`](crate::pretrained::ImageConfig::mnist)'s.
    pub fn mnist() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            image_size: 28,
            space_to_depth: 2,
            channels: vec![48, 96],
            layers: 1,
            attention: vec![1],
            head_dim: None,
            groups: 8,
            time: TimeConditioning::Add,
            dropout: 0.0,
            dialect: Dialect::DDPM,
            resampling: Resampling::Conv,
            skip_rescale: false,
            tokens: None,
        }
    }

    /// Ho et al. 2020, appendix B: the network for CIFAR-10, 35.7 million parameters.
    pub fn cifar10() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            image_size: 32,
            space_to_depth: 1,
            channels: vec![128, 256, 256, 256],
            layers: 2,
            attention: vec![1],
            head_dim: None,
            groups: 32,
            time: TimeConditioning::Add,
            dropout: 0.1,
            dialect: Dialect::DDPM,
            resampling: Resampling::Conv,
            skip_rescale: false,
            tokens: None,
        }
    }

    /// Width of the time embedding, and of what [`Conditioning::emb`](crate::conditioning::Conditioning) adds to it.
    pub fn emb_dim(&self) -> i64 {
        4 * self.channels[0]
    }

    /// The input's side must be a multiple of this.
    pub fn stride(&self) -> i64 {
        self.space_to_depth << (self.channels.len() - 1)
    }

    /// Refuses what no network can be, each in one sentence.
    pub fn check(&self) -> Result<(), UnetConfigError> {
        let must = |holds: bool, field, value: String, must: &str| match holds {
            true => Ok(()),
            false => Err(UnetConfigError { field, value, must: must.into() }),
        };
        for (field, value, most) in [
            ("in_channels", self.in_channels, WIDEST),
            ("out_channels", self.out_channels, WIDEST),
            ("image_size", self.image_size, 4096),
            ("space_to_depth", self.space_to_depth, 64),
            ("layers", self.layers, 100),
            ("groups", self.groups, WIDEST),
            ("tokens.dim", self.tokens.map_or(1, |tokens| tokens.dim), WIDEST),
        ] {
            must(value >= 1, field, value.to_string(), "it is at least 1")?;
            must(value <= most, field, value.to_string(), &format!("it is at most {most}"))?;
        }
        let channels = format!("{:?}", self.channels);
        let bounds = format!("at most 16 levels of at most {WIDEST}");
        let few = self.channels.len() <= 16 && self.channels.iter().all(|c| *c <= WIDEST);
        must(few, "channels", channels.clone(), &bounds)?;
        let divided = |by: i64| self.channels.iter().all(|c| *c >= 1 && c % by == 0);
        must(!self.channels.is_empty(), "channels", channels.clone(), "name at least one level")?;
        let why = format!("each must be a multiple of the {} groups", self.groups);
        must(divided(self.groups), "channels", channels.clone(), &why)?;
        let even = self.channels[0] % 2 == 0 && self.channels[0] >= 4;
        must(even, "channels", channels, "the first must be even and at least 4")?;
        let levels = self.channels.len();
        let attention = format!("{:?}", self.attention);
        let why = format!("with {levels} levels they are numbered 0 to {}", levels - 1);
        must(self.attention.iter().all(|i| *i < levels), "attention", attention, &why)?;
        self.check_heads()?;
        let dropout = self.dropout.to_string();
        must((0.0..1.0).contains(&self.dropout), "dropout", dropout, "it lies in [0, 1)")?;
        self.check_size()
    }

    fn check_heads(&self) -> Result<(), UnetConfigError> {
        let Some(head_dim) = self.head_dim else { return Ok(()) };
        let middle = self.channels.len() - 1;
        for level in self.attention.iter().chain([&middle]) {
            let channels = self.channels[*level];
            if head_dim < 1 || channels % head_dim != 0 {
                let must = format!("it must divide the {channels} channels of level {level}");
                return Err(UnetConfigError {
                    field: "head_dim",
                    value: head_dim.to_string(),
                    must,
                });
            }
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), UnetConfigError> {
        let (size, stride) = (self.image_size, self.stride());
        if size % stride == 0 {
            return Ok(());
        }
        let padded = (size + stride - 1) / stride * stride;
        let must = format!(
            "space_to_depth {} and {} levels need a multiple of {stride}: pad the images to \
             {padded}, or use fewer levels",
            self.space_to_depth,
            self.channels.len()
        );
        Err(UnetConfigError { field: "image_size", value: size.to_string(), must })
    }

    /// Heads of attention over `channels` channels.
    pub(super) fn heads(&self, channels: i64) -> i64 {
        self.head_dim.map_or(1, |dim| channels / dim)
    }

    /// What every residual block shares.
    pub(super) fn block(&self) -> ResBlockConfig {
        ResBlockConfig {
            emb_dim: self.emb_dim(),
            modulation: match self.time {
                TimeConditioning::Add => Modulation::Add,
                TimeConditioning::ScaleShift => Modulation::ScaleShift,
                TimeConditioning::Channel | TimeConditioning::Ignored => Modulation::None,
            },
            groups: self.groups,
            norm_eps: self.dialect.norm_eps,
            dropout: self.dropout,
        }
    }
}
