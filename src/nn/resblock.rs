//! The residual block of the U-Net, where the time enters.

use tch::{Tensor, nn};

use super::cost::Cost;
use super::layers::{Start, conv, group_norm, linear};
use super::resample::repeat_pixels;

/// How the time embedding acts on the activations of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modulation {
    /// Not at all.
    None,
    /// `GN(h + shift)`: DDPM.
    Add,
    /// `(1 + scale) GN(h) + shift`: the adaptive group norm (AdaGN) of Dhariwal & Nichol 2021,
    /// section 3.1, `y_s GN(h) + y_b` with `y_s = 1 + scale`, so a zero embedding changes nothing.
    ScaleShift,
}

/// Whether a block changes the side of its feature maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    Keep,
    /// Halves it by the mean of 2 x 2 pixels.
    Halve,
    /// Doubles it by repeating pixels.
    Double,
}

impl Resize {
    fn of(self, x: Tensor) -> Tensor {
        match self {
            Resize::Keep => x,
            Resize::Halve => x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None),
            Resize::Double => repeat_pixels(&x),
        }
    }
}

/// What all the blocks of one network share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResBlockConfig {
    /// Width of the time embedding.
    pub emb_dim: i64,
    pub modulation: Modulation,
    /// Groups of each group norm; they divide every number of channels.
    pub groups: i64,
    /// Added to the variance in each group norm.
    pub norm_eps: f64,
    /// Chance that an activation is dropped in training, before the second convolution.
    pub dropout: f64,
}

/// Ho et al. 2020 (DDPM), appendix B: a wide ResNet block with group norm, conditioned on the time.
///
/// `x + conv2(silu(norm2(conv1(silu(norm1(x))) <- time)))`, with a 1 x 1 convolution on the
/// shortcut where the number of channels changes. The second convolution starts at zero, so an
/// untrained block is its shortcut. A block that resizes does so on both branches, before `conv1`
/// (BigGAN's, Brock et al. 2018).
#[derive(Debug)]
pub struct ResBlock {
    modulation: Modulation,
    resize: Resize,
    dropout: f64,
    norm1: nn::GroupNorm,
    conv1: nn::Conv2D,
    time_emb_proj: Option<nn::Linear>,
    norm2: nn::GroupNorm,
    conv2: nn::Conv2D,
    conv_shortcut: Option<nn::Conv2D>,
}

impl ResBlock {
    /// A block that keeps the side.
    pub fn new(vs: &nn::Path, inputs: i64, outputs: i64, config: &ResBlockConfig) -> Self {
        Self::resizing(vs, Resize::Keep, inputs, outputs, config)
    }

    pub fn resizing(
        vs: &nn::Path,
        resize: Resize,
        inputs: i64,
        outputs: i64,
        config: &ResBlockConfig,
    ) -> Self {
        let norm = |path, channels| group_norm(path, config.groups, channels, config.norm_eps);
        let project =
            |factor| linear(vs / "time_emb_proj", config.emb_dim, factor * outputs, Start::Scaled);
        Self {
            modulation: config.modulation,
            resize,
            dropout: config.dropout,
            norm1: norm(vs / "norm1", inputs),
            conv1: conv(vs / "conv1", inputs, outputs, 3, Start::Scaled),
            time_emb_proj: match config.modulation {
                Modulation::None => None,
                Modulation::Add => Some(project(1)),
                Modulation::ScaleShift => Some(project(2)),
            },
            norm2: norm(vs / "norm2", outputs),
            conv2: conv(vs / "conv2", outputs, outputs, 3, Start::Zero),
            conv_shortcut: (inputs != outputs)
                .then(|| conv(vs / "conv_shortcut", inputs, outputs, 1, Start::Scaled)),
        }
    }

    // ANCHOR: block
    /// `emb` is `silu` of the time embedding: one row per sample, or one for the whole batch.
    ///
    /// # Shapes
    /// `x: [B, inputs, H, W]`, `emb: [B or 1, emb_dim]` -> `[B, outputs, H, W]`, or with half or
    /// twice the side.
    ///
    /// # Panics
    /// If the block is modulated and `emb` is `None`.
    pub fn forward(&self, x: &Tensor, emb: Option<&Tensor>, train: bool) -> Tensor {
        let h = self.resize.of(x.apply(&self.norm1).silu()).apply(&self.conv1);
        let h = self.modulate(h, emb).silu().dropout(self.dropout, train).apply(&self.conv2);
        let x = self.resize.of(x.shallow_clone());
        match &self.conv_shortcut {
            Some(conv) => x.apply(conv) + h,
            None => x + h,
        }
    }

    /// Second norm and time, in the order of the [`Modulation`].
    fn modulate(&self, h: Tensor, emb: Option<&Tensor>) -> Tensor {
        let Some(project) = &self.time_emb_proj else { return h.apply(&self.norm2) };
        let emb =
            emb.expect("this block is conditioned on the time, but no time embedding was given");
        let time = emb.apply(project).unsqueeze(-1).unsqueeze(-1); // [B or 1, C or 2C, 1, 1]
        match self.modulation {
            Modulation::ScaleShift => {
                let (scale, shift) = (time.chunk(2, 1).remove(0), time.chunk(2, 1).remove(1));
                h.apply(&self.norm2) * (scale + 1.0) + shift
            }
            _ => (h + time).apply(&self.norm2),
        }
    }
    // ANCHOR_END: block

    pub(crate) fn add_cost(
        cost: &mut Cost,
        inputs: i64,
        outputs: i64,
        pixels: i64,
        config: &ResBlockConfig,
    ) {
        cost.norm(inputs);
        cost.conv(inputs, outputs, 3, pixels);
        match config.modulation {
            Modulation::None => {}
            Modulation::Add => cost.linear(config.emb_dim, outputs),
            Modulation::ScaleShift => cost.linear(config.emb_dim, 2 * outputs),
        }
        cost.norm(outputs);
        cost.conv(outputs, outputs, 3, pixels);
        if inputs != outputs {
            cost.conv(inputs, outputs, 1, pixels);
        }
    }
}
