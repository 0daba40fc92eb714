//! A small classifier of images, for scores.

use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// LeCun et al. 1998 (LeNet) with today's parts: two valid 5 x 5 convolutions, each with a
/// rectifier and max pooling, one hidden layer, dropout before the last.
#[derive(Debug)]
pub struct LeNet {
    conv1: nn::Conv2D,
    conv2: nn::Conv2D,
    hidden: nn::Linear,
    last: nn::Linear,
    shape: [i64; 3],
}

impl LeNet {
    /// Length of the penultimate layer, [`features`](Self::features).
    pub const FEATURES: i64 = 128;

    /// Pixels along the side of the smallest images that it reads.
    pub const SMALLEST: u32 = 16;

    /// A new network for images of `shape: [C, H, W]`, at least 16 pixels per side.
    pub fn new(vs: &nn::Path, shape: [i64; 3], classes: i64) -> Self {
        let plain = nn::ConvConfig::default();
        let left = |side: i64| ((side - 4) / 2 - 4) / 2; // 28 -> 24 -> 12 -> 8 -> 4
        let pixels = left(shape[1]) * left(shape[2]);
        Self {
            conv1: nn::conv2d(vs / "conv1", shape[0], 20, 5, plain),
            conv2: nn::conv2d(vs / "conv2", 20, 50, 5, plain),
            hidden: nn::linear(vs / "hidden", 50 * pixels, Self::FEATURES, Default::default()),
            last: nn::linear(vs / "last", Self::FEATURES, classes, Default::default()),
            shape,
        }
    }

    /// The penultimate layer, after its rectifier.
    ///
    /// # Shapes
    /// `x: [B, C, H, W]` in `[-1, 1]` -> `[B, 128]`.
    ///
    /// # Panics
    /// On other shapes.
    pub fn features(&self, x: &Tensor) -> Tensor {
        let shape = x.size();
        let known = shape.get(1..) == Some(&self.shape);
        assert!(known, "this LeNet takes images of {:?}, not {shape:?}", self.shape);
        let h = x.apply(&self.conv1).relu().max_pool2d_default(2); // [B, 20, 12, 12] of 28 x 28
        let h = h.apply(&self.conv2).relu().max_pool2d_default(2); // [B, 50, 4, 4] of 28 x 28
        self.hidden.forward(&h.flatten(1, -1)).relu() // [B, 128]
    }

    /// Logits, `[B, classes]`; `train` switches dropout on.
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        self.logits(&self.features(x).dropout(0.5, train))
    }

    /// The last layer: logits `[B, classes]` of [`features`](Self::features).
    pub fn logits(&self, features: &Tensor) -> Tensor {
        self.last.forward(features)
    }
}

/// Every image a little turned, scaled and moved, each its own way: up to 10 degrees, a tenth of
/// its size and two pixels. Draws from libtorch's generator.
///
/// # Shapes
/// `x: [B, C, H, W]`, paper is -1.
pub fn augment(x: &Tensor) -> Tensor {
    let n = x.size()[0];
    let draw = |bound: f64| Tensor::empty([n], (Kind::Float, x.device())).uniform_(-bound, bound);
    let (angle, zoom) = (draw(10f64.to_radians()), draw(0.1).exp());
    let (cos, sin) = (angle.cos() * &zoom, angle.sin() * &zoom);
    let shift = 2.0 * 2.0 / x.size()[3] as f64; // affine grids span -1..1
    let rows = [&cos, &(-&sin), &draw(shift), &sin, &cos, &draw(shift)];
    let theta = Tensor::stack(&rows, 1).view([n, 2, 3]);
    let grid = Tensor::affine_grid_generator(&theta, x.size(), false);
    (x + 1.0).grid_sampler(&grid, 0, 0, false) - 1.0 // outside the image lies paper
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn::VarStore};

    #[test]
    fn features_are_what_the_last_layer_reads_and_dropout_is_for_training_alone() {
        tch::manual_seed(1);
        let vs = VarStore::new(Device::Cpu);
        let net = LeNet::new(&vs.root(), [3, 32, 30], 10);
        let x = Tensor::rand([3, 3, 32, 30], tch::kind::FLOAT_CPU) * 2.0 - 1.0;
        let features = net.features(&x);
        assert_eq!(features.size(), [3, LeNet::FEATURES]);
        assert!(features.min().double_value(&[]) >= 0.0);
        assert_eq!(net.last.forward(&features), net.forward(&x, false));
        assert_ne!(net.forward(&x, true), net.forward(&x, false));
    }

    #[test]
    fn augment_moves_each_image_its_own_way_and_leaves_paper_white() {
        tch::manual_seed(2);
        let paper = Tensor::full([2, 1, 28, 28], -1.0, tch::kind::FLOAT_CPU);
        assert!((augment(&paper) - &paper).abs().max().double_value(&[]) < 1e-6);
        let dot = paper.copy();
        let _ = dot.narrow(2, 12, 4).narrow(3, 12, 4).fill_(1.0);
        let moved = augment(&dot) + 1.0;
        assert_ne!(moved.select(0, 0), moved.select(0, 1), "one augment for the whole batch");
        let ink = |x: &Tensor| x.sum(Kind::Float).double_value(&[]);
        let kept = ink(&moved) / ink(&(dot + 1.0));
        assert!((0.75..1.3).contains(&kept), "{kept} of the ink is left");
        // the dot's middle stays within two pixels (and a turn about the centre) of where it was
        let across = Tensor::arange(28, tch::kind::FLOAT_CPU);
        let middle = (moved.sum_dim_intlist([0, 1, 2].as_slice(), false, Kind::Float) * across)
            .sum(Kind::Float);
        assert!((middle.double_value(&[]) / ink(&moved) - 13.5).abs() < 2.5);
    }
}
