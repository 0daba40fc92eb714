//! The Inception network of 2015, whose features FID compares.
//!
//! Szegedy et al. 2016 ("Rethinking the Inception architecture", Inception-v3) as TensorFlow
//! published its weights in 2015 and `pytorch-fid` reads them. It is not torchvision's: padding is
//! left out of average pools, the last block pools by the maximum, and there are 1008 classes. The
//! names of tensors are those of the published file.

use tch::nn::{self, ModuleT};
use tch::{Kind, Tensor};

/// Inception, without its auxiliary head.
#[derive(Debug)]
pub struct Inception {
    stem: Vec<Op>,
    blocks: Vec<Block>,
    fc: nn::Linear,
}

impl Inception {
    /// Length of the features: the mean over the last map ("pool3").
    pub const FEATURES: i64 = 2048;

    /// Outputs of the last layer: ImageNet's 1000 classes and eight that were never used.
    pub const CLASSES: i64 = 1008;

    /// Side of the images that it was trained on.
    pub const SIDE: i64 = 299;

    /// A new network; its weights mean nothing before they are loaded.
    pub fn new(vs: &nn::Path) -> Self {
        let stem = [
            ("Conv2d_1a_3x3", 3, 32, halving(3)),
            ("Conv2d_2a_3x3", 32, 32, square(3)),
            ("Conv2d_2b_3x3", 32, 64, padded(3)),
            ("Conv2d_3b_1x1", 64, 80, square(1)),
            ("Conv2d_4a_3x3", 80, 192, square(3)),
        ];
        let mut stem: Vec<Op> =
            stem.map(|(name, i, o, kernel)| Op::conv(vs / name, i, o, kernel)).into();
        stem.insert(3, Op::MaxHalve);
        stem.push(Op::MaxHalve);
        let blocks = vec![
            block_a(&(vs / "Mixed_5b"), 192, 32),
            block_a(&(vs / "Mixed_5c"), 256, 64),
            block_a(&(vs / "Mixed_5d"), 288, 64),
            block_b(&(vs / "Mixed_6a"), 288),
            block_c(&(vs / "Mixed_6b"), 768, 128),
            block_c(&(vs / "Mixed_6c"), 768, 160),
            block_c(&(vs / "Mixed_6d"), 768, 160),
            block_c(&(vs / "Mixed_6e"), 768, 192),
            block_d(&(vs / "Mixed_7a"), 768),
            block_e(&(vs / "Mixed_7b"), 1280, Op::Average),
            block_e(&(vs / "Mixed_7c"), 2048, Op::Max),
        ];
        let fc = nn::linear(vs / "fc", Self::FEATURES, Self::CLASSES, Default::default());
        Self { stem, blocks, fc }
    }

    /// The features of images: `x: [B, 3, H, W]` in `[0, 1]` -> `[B, 2048]`.
    ///
    /// Images of any size are brought to 299 x 299, bilinearly and without antialiasing, as
    /// pytorch-fid does.
    // ANCHOR: features
    pub fn features(&self, x: &Tensor) -> Tensor {
        let x = x.upsample_bilinear2d([Self::SIDE, Self::SIDE], false, None, None);
        let x = x * 2.0 - 1.0;
        let x = self.stem.iter().fold(x, |x, op| op.forward(&x)); // [B, 192, 35, 35]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x)); // [B, 2048, 8, 8]
        x.mean_dim([2, 3].as_slice(), false, Kind::Float)
    }
    // ANCHOR_END: features

    /// Logits `[B, 1008]` of [`features`](Self::features), without the bias, as the published
    /// Inception Score takes them.
    pub fn logits(&self, features: &Tensor) -> Tensor {
        features.matmul(&self.fc.ws.tr())
    }
}

/// One layer of a branch.
#[allow(clippy::large_enum_variant)] // a hundred of them, and most are convolutions
#[derive(Debug)]
enum Op {
    /// Convolution without bias, batch norm, rectifier.
    Conv(nn::Conv<[i64; 2]>, nn::BatchNorm),
    /// The mean of the neighbours that are there: padding does not count.
    Average,
    /// The greatest of the neighbours.
    Max,
    /// The greatest of the neighbours at every other place.
    MaxHalve,
    /// Two layers side by side, concatenated.
    Both(Box<[Op; 2]>),
}

/// Kernel, stride and padding, along height and width.
type Kernel = ([i64; 2], i64, [i64; 2]);

fn square(side: i64) -> Kernel {
    ([side, side], 1, [0, 0])
}

fn padded(side: i64) -> Kernel {
    ([side, side], 1, [side / 2, side / 2])
}

fn halving(side: i64) -> Kernel {
    ([side, side], 2, [0, 0])
}

fn row(length: i64) -> Kernel {
    ([1, length], 1, [0, length / 2])
}

fn column(length: i64) -> Kernel {
    ([length, 1], 1, [length / 2, 0])
}

impl Op {
    fn conv(vs: nn::Path, inputs: i64, outputs: i64, (kernel, stride, padding): Kernel) -> Self {
        let config = nn::ConvConfigND {
            stride: [stride, stride],
            padding,
            dilation: [1, 1],
            groups: 1,
            bias: false,
            ws_init: nn::init::DEFAULT_KAIMING_UNIFORM,
            bs_init: nn::Init::Const(0.0),
            padding_mode: nn::PaddingMode::Zeros,
        };
        let norm = nn::BatchNormConfig { eps: 1e-3, ..Default::default() };
        Self::Conv(
            nn::conv(&vs / "conv", inputs, outputs, kernel, config),
            nn::batch_norm2d(&vs / "bn", outputs, norm),
        )
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Op::Conv(conv, norm) => norm.forward_t(&x.apply(conv), false).relu(),
            Op::Average => x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None),
            Op::Max => x.max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false),
            Op::MaxHalve => x.max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false),
            Op::Both(ops) => Tensor::cat(&ops.each_ref().map(|op| op.forward(x)), 1),
        }
    }
}

/// Branches of layers, concatenated.
#[derive(Debug)]
struct Block(Vec<Vec<Op>>);

impl Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let through = |branch: &Vec<Op>| {
            let first = branch[0].forward(x);
            branch[1..].iter().fold(first, |x, op| op.forward(&x))
        };
        Tensor::cat(&self.0.iter().map(through).collect::<Vec<_>>(), 1)
    }
}

/// Convolutions in a row: the name and the output of each; one's output is the next one's input.
fn chain<const N: usize>(vs: &nn::Path, inputs: i64, layers: [(&str, i64, Kernel); N]) -> Vec<Op> {
    let conv = |inputs: &mut i64, (name, outputs, kernel)| {
        let before = std::mem::replace(inputs, outputs);
        Some(Op::conv(vs / name, before, outputs, kernel))
    };
    layers.into_iter().scan(inputs, conv).collect()
}

/// A pool, then a convolution of 1 x 1.
fn pooled(vs: &nn::Path, pool: Op, inputs: i64, outputs: i64) -> Vec<Op> {
    vec![pool, Op::conv(vs / "branch_pool", inputs, outputs, square(1))]
}

/// 35 x 35: kernels of 1, 5, and twice 3.
fn block_a(vs: &nn::Path, inputs: i64, pool: i64) -> Block {
    Block(vec![
        chain(vs, inputs, [("branch1x1", 64, square(1))]),
        chain(vs, inputs, [("branch5x5_1", 48, square(1)), ("branch5x5_2", 64, padded(5))]),
        chain(
            vs,
            inputs,
            [
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, padded(3)),
                ("branch3x3dbl_3", 96, padded(3)),
            ],
        ),
        pooled(vs, Op::Average, inputs, pool),
    ])
}

/// 35 x 35 to 17 x 17.
fn block_b(vs: &nn::Path, inputs: i64) -> Block {
    Block(vec![
        chain(vs, inputs, [("branch3x3", 384, halving(3))]),
        chain(
            vs,
            inputs,
            [
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, padded(3)),
                ("branch3x3dbl_3", 96, halving(3)),
            ],
        ),
        vec![Op::MaxHalve],
    ])
}

/// 17 x 17: kernels of 7 x 7, each as a row and a column of `width` channels.
fn block_c(vs: &nn::Path, inputs: i64, width: i64) -> Block {
    Block(vec![
        chain(vs, inputs, [("branch1x1", 192, square(1))]),
        chain(
            vs,
            inputs,
            [
                ("branch7x7_1", width, square(1)),
                ("branch7x7_2", width, row(7)),
                ("branch7x7_3", 192, column(7)),
            ],
        ),
        chain(
            vs,
            inputs,
            [
                ("branch7x7dbl_1", width, square(1)),
                ("branch7x7dbl_2", width, column(7)),
                ("branch7x7dbl_3", width, row(7)),
                ("branch7x7dbl_4", width, column(7)),
                ("branch7x7dbl_5", 192, row(7)),
            ],
        ),
        pooled(vs, Op::Average, inputs, 192),
    ])
}

/// 17 x 17 to 8 x 8.
fn block_d(vs: &nn::Path, inputs: i64) -> Block {
    Block(vec![
        chain(vs, inputs, [("branch3x3_1", 192, square(1)), ("branch3x3_2", 320, halving(3))]),
        chain(
            vs,
            inputs,
            [
                ("branch7x7x3_1", 192, square(1)),
                ("branch7x7x3_2", 192, row(7)),
                ("branch7x7x3_3", 192, column(7)),
                ("branch7x7x3_4", 192, halving(3)),
            ],
        ),
        vec![Op::MaxHalve],
    ])
}

/// 8 x 8: kernels of 3 x 3 that end in a row and a column side by side.
fn block_e(vs: &nn::Path, inputs: i64, pool: Op) -> Block {
    let ends = |a: &str, b: &str| {
        let conv = |name: &str, kernel| Op::conv(vs / name, 384, 384, kernel);
        Op::Both(Box::new([conv(a, row(3)), conv(b, column(3))]))
    };
    let mut short = chain(vs, inputs, [("branch3x3_1", 384, square(1))]);
    short.push(ends("branch3x3_2a", "branch3x3_2b"));
    let layers = [("branch3x3dbl_1", 448, square(1)), ("branch3x3dbl_2", 384, padded(3))];
    let mut long = chain(vs, inputs, layers);
    long.push(ends("branch3x3dbl_3a", "branch3x3dbl_3b"));
    Block(vec![
        chain(vs, inputs, [("branch1x1", 320, square(1))]),
        short,
        long,
        pooled(vs, pool, inputs, 192),
    ])
}
