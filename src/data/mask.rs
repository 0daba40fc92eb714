//! Which part of a picture is known: for inpainting, and for training a network to do it.

use crate::util::device::widest_float;
use serde::Serialize;
use std::f64::consts::TAU;
use std::fmt;
use tch::{Device, Kind, Tensor};

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

    /// `[side, side]` (bool), true where the picture is known.
    pub fn of(self, side: i64) -> Tensor {
        let (pixels, at) = (Pixels::of(side, Device::Cpu), |number: f64| Tensor::from(number));
        let half = at(0.5);
        match self {
            Mask::Half => pixels.before([&at(0.0), &at(1.0)], &half),
            Mask::Box => pixels.in_box([&half, &half], [&at(0.22), &at(0.22)]).logical_not(),
            Mask::Strokes => {
                pixels.strokes([&at(1.0), &half], &at(0.0), &at(0.3), &at(0.1)).logical_not()
            }
            Mask::Outpainting => pixels.in_box([&half, &half], [&at(0.25), &at(0.25)]),
        }
    }

    // ANCHOR: random
    /// Random masks to train with, `[n, 1, side, side]` (bool, true where a picture is known): half
    /// planes, boxes, strokes and what lies around a box, of any size and place; of every fifth
    /// picture nothing is known, so that the network still draws whole ones. It draws from libtorch's
    /// generator.
    pub fn random(n: i64, side: i64, device: Device) -> Tensor {
        let pixels = Pixels::of(side, device);
        let options = (pixels.x.kind(), device);
        let draw = |low: f64, high: f64| Tensor::rand([n, 1, 1], options) * (high - low) + low;
        let angle = draw(0.0, TAU);
        let [x, y] = [angle.cos(), angle.sin()];
        let middle: Tensor = (&x + &y) / 2.0;
        let box_of = |low, high| {
            let sides = [draw(low, high), draw(low, high)];
            pixels.in_box([&draw(0.3, 0.7), &draw(0.3, 0.7)], [&sides[0], &sides[1]])
        };
        let kinds = [
            pixels.before([&x, &y], &(middle + draw(-0.2, 0.2))),
            box_of(0.1, 0.35).logical_not(),
            pixels
                .strokes([&x, &y], &draw(0.0, 1.0), &draw(0.2, 0.5), &draw(0.08, 0.2))
                .logical_not(),
            box_of(0.15, 0.35),
            pixels.x.full_like(2.0).lt(0.0).expand([n, side, side], false), // nothing
        ];
        let kind = Tensor::randint(kinds.len() as i64, [1, n, 1, 1], (Kind::Int64, device));
        let masks = Tensor::stack(&kinds, 0); // [kinds, n, side, side]
        masks.take_along_dim(&kind.expand([1, n, side, side], false), 0).transpose(0, 1)
    }
    // ANCHOR_END: random
}

/// The centres of the pixels in a picture of side 1, `[side, side]` each.
struct Pixels {
    x: Tensor,
    y: Tensor,
}

impl Pixels {
    fn of(side: i64, device: Device) -> Self {
        let options = (widest_float(device), device);
        let places = (Tensor::arange(side, options) + 0.5) / side as f64;
        let y = places.unsqueeze(1).expand([side, side], false);
        Self { x: y.tr(), y }
    }

    /// Those nearer than `half` to a point, along each axis.
    fn in_box(&self, [x, y]: [&Tensor; 2], half: [&Tensor; 2]) -> Tensor {
        let near = |z: &Tensor, centre: &Tensor, half: &Tensor| (z - centre).abs().le_tensor(half);
        near(&self.x, x, half[0]).logical_and(&near(&self.y, y, half[1]))
    }

    /// Those before a line across the direction `(x, y)`.
    fn before(&self, [x, y]: [&Tensor; 2], end: &Tensor) -> Tensor {
        (&self.x * x + &self.y * y).lt_tensor(end)
    }

    /// Those in strokes across the direction `(x, y)`: one in each period, of this width.
    fn strokes(
        &self,
        [x, y]: [&Tensor; 2],
        phase: &Tensor,
        period: &Tensor,
        width: &Tensor,
    ) -> Tensor {
        let along = &self.x * x + &self.y * y + phase;
        along.remainder_tensor(period).le_tensor(width)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(mask: &Tensor) -> f64 {
        mask.to_kind(Kind::Double).mean(None).double_value(&[])
    }

    #[test]
    fn masks_by_name_keep_what_they_say() {
        let [half, hole, strokes, middle] = Mask::ALL.map(|mask| mask.of(28));
        let known = |mask: &Tensor, y: i64, x: i64| mask.int64_value(&[y, x]) == 1;
        assert!(known(&half, 13, 27) && !known(&half, 14, 0));
        assert!(known(&hole, 0, 14) && known(&hole, 14, 0) && !known(&hole, 14, 14));
        assert!(!known(&middle, 0, 14) && !known(&middle, 14, 0) && known(&middle, 14, 14));
        assert!(!known(&strokes, 0, 0) && known(&strokes, 0, 5) && !known(&strokes, 0, 9));
        assert_eq!(half, Mask::Half.of(56).slice(0, 0, 56, 2).slice(1, 0, 56, 2));
    }

    #[test]
    fn random_masks_are_of_all_kinds_and_all_different() {
        tch::manual_seed(3);
        let masks = Mask::random(500, 28, Device::Cpu);
        assert_eq!((masks.size(), masks.kind()), (vec![500, 1, 28, 28], Kind::Bool));
        let shares: Vec<f64> = (0..500).map(|i| share(&masks.get(i))).collect();
        let nothing = shares.iter().filter(|share| **share == 0.0).count();
        assert!((70..130).contains(&nothing), "{nothing} of 500 with nothing known");
        let (corner, middle) =
            (share(&masks.select(2, 0).select(2, 0)), share(&masks.select(2, 14).select(2, 14)));
        assert!((0.4..0.6).contains(&corner) && (0.3..0.6).contains(&middle), "{corner} {middle}");
        let mut known: Vec<f64> = shares.into_iter().filter(|share| *share > 0.0).collect();
        known.sort_by(f64::total_cmp);
        assert!(known[0] > 0.02 && known[known.len() - 1] < 0.98);
        known.dedup();
        assert!(known.len() > 150, "{} shares", known.len());
    }
}
