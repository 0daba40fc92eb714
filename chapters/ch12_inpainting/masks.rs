//! What is known of a picture.

use serde::Serialize;
use std::fmt;
use tch::{Kind, Tensor};

/// A mask by name, for pictures of any side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// The upper half is known.
    Half,
    /// All but a box in the middle, of a bit less than half the side.
    Box,
    /// All but four slanted strokes.
    Strokes,
    /// The middle is known, and what lies around it is missing.
    Outpainting,
}

impl Mask {
    pub const ALL: [Self; 4] = [Self::Half, Self::Box, Self::Strokes, Self::Outpainting];

    /// `[side, side]`, true where the picture is known.
    pub fn of(self, side: i64) -> Tensor {
        let places = Tensor::arange(side, tch::kind::DOUBLE_CPU) + 0.5;
        let (y, x) = (places.unsqueeze(1) / side as f64, places.unsqueeze(0) / side as f64);
        let far = |half: f64| {
            let off = |z: &Tensor| (z - 0.5).abs().gt(half);
            off(&y).logical_or(&off(&x))
        };
        let known = match self {
            Mask::Half => y.lt(0.5).logical_and(&x.lt(1.0)),
            Mask::Box => far(0.22),
            Mask::Strokes => {
                let slanted: Tensor = x + 0.5 * y;
                slanted.remainder(0.3).gt(0.1)
            }
            Mask::Outpainting => far(0.25).logical_not(),
        };
        known.to_kind(Kind::Bool)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(f)
    }
}
