//! Sinusoidal time embedding: how the noise level enters a network.

use super::layers::{Start, linear};
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

/// The longest wavelength is `2 pi` times this (Vaswani et al. 2017, section 3.5).
const MAX_PERIOD: f64 = 10_000.0;

/// The two published layouts of the embedding. They are not interchangeable: weights trained with
/// one read nonsense from the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[sin | cos]`, frequencies `10000^(-i / (half - 1))`: DDPM, DDIM; in diffusers
    /// `flip_sin_to_cos = false, freq_shift = 1`.
    #[default]
    SinCos,
    /// `[cos | sin]`, frequencies `10000^(-i / half)`: OpenAI's code (improved-diffusion,
    /// guided-diffusion, GLIDE); in diffusers `flip_sin_to_cos = true, freq_shift = 0`.
    CosSin,
}

/// Ho et al. 2020 (DDPM), appendix B: the Transformer's sinusoidal position embedding
/// (Vaswani et al. 2017, section 3.5) of the time step t.
///
/// # Shapes
/// `t: [B]`, f32 or f64, in the units of the network's time input (usually 0..T) -> `[B, dim]` of the
/// kind of `t`. With `t: [1]` one row serves a whole batch.
///
/// # Panics
/// If `dim` is odd or below 4, or `t` is not a vector of f32 or f64 (bf16 cannot tell t = 999
/// from t = 1000: embed first, cast then).
pub fn sinusoidal(t: &Tensor, dim: i64, layout: Layout) -> Tensor {
    assert!(dim % 2 == 0 && dim >= 4, "the embedding needs an even width of at least 4, not {dim}");
    assert!(
        t.dim() == 1 && matches!(t.kind(), tch::Kind::Float | tch::Kind::Double),
        "the time embedding wants t of shape [B] in f32 or f64, not {:?} in {:?}",
        t.size(),
        t.kind()
    );
    // ANCHOR: sinusoidal
    let half = dim / 2;
    let last = match layout {
        Layout::SinCos => half - 1,
        Layout::CosSin => half,
    };
    let index = Tensor::arange(half, (t.kind(), t.device()));
    let frequencies = (index * (-MAX_PERIOD.ln() / last as f64)).exp();
    let angles = t.unsqueeze(1) * frequencies; // [B, half]
    match layout {
        Layout::SinCos => Tensor::cat(&[angles.sin(), angles.cos()], 1), // [B, dim]
        Layout::CosSin => Tensor::cat(&[angles.cos(), angles.sin()], 1),
    }
    // ANCHOR_END: sinusoidal
}

/// The two linear layers between the sinusoids and the blocks; diffusers' `TimestepEmbedding`.
#[derive(Debug)]
pub(super) struct TimeEmbedding {
    sinusoids: i64,
    layout: Layout,
    linear_1: nn::Linear,
    linear_2: nn::Linear,
}

impl TimeEmbedding {
    /// `last` is how the second layer starts.
    pub fn new(vs: nn::Path, sinusoids: i64, width: i64, layout: Layout, last: Start) -> Self {
        Self {
            sinusoids,
            layout,
            linear_1: linear(&vs / "linear_1", sinusoids, width, Start::Scaled),
            linear_2: linear(&vs / "linear_2", width, width, last),
        }
    }

    /// `t: [B]` or `[1]` -> `[B or 1, width]`, of the kind of the weights.
    pub fn forward(&self, t: &Tensor) -> Tensor {
        let sinusoids = sinusoidal(t, self.sinusoids, self.layout).to_kind(self.linear_1.ws.kind());
        sinusoids.apply(&self.linear_1).silu().apply(&self.linear_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const TIMES: [f64; 3] = [1.0, 500.0, 999.5];

    /// sin and cos of `t * 10000^(-i / 3)`, i = 0..4, by Python's math module.
    const SIN_COS: [[f64; 8]; 3] = [
        [
            0.841470984807897,
            0.0463992234647313,
            0.0021544330233656,
            9.99999998333332e-05,
            0.54030230586814,
            0.99892297604063,
            0.999997679206481,
            0.999999995,
        ],
        [
            -0.467771805322476,
            -0.93799335590891,
            0.880642849783969,
            0.0499791692706783,
            -0.883849273431478,
            -0.346653233463559,
            0.47378072050725,
            0.998750260394966,
        ],
        [
            0.456036174004405,
            0.667770369856808,
            0.835056338821605,
            0.0997836663137931,
            0.889961239605088,
            -0.744367337502998,
            -0.550164439957597,
            0.995009155705101,
        ],
    ];

    /// cos and sin of `t * 10000^(-i / 4)`, i = 0..4, by Python's math module.
    const COS_SIN: [[f64; 8]; 3] = [
        [
            0.54030230586814,
            0.995004165278026,
            0.999950000416665,
            0.999999500000042,
            0.841470984807897,
            0.0998334166468281,
            0.00999983333416666,
            0.000999999833333341,
        ],
        [
            -0.883849273431478,
            0.96496602849211,
            0.283662185463224,
            0.877582561890373,
            -0.467771805322476,
            -0.262374853703942,
            -0.958924274663139,
            0.479425538604203,
        ],
        [
            0.889961239605088,
            0.835933464150924,
            -0.84178113492488,
            0.540722973805227,
            0.456036174004405,
            -0.548830796796824,
            -0.5398189704749,
            0.841200728482348,
        ],
    ];

    fn max_diff(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
    }

    #[test]
    fn both_layouts_are_the_published_ones() {
        for (layout, want) in [(Layout::SinCos, SIN_COS), (Layout::CosSin, COS_SIN)] {
            let want = Tensor::from_slice(want.as_flattened()).view([3, 8]);
            for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-4)] {
                let t = Tensor::from_slice(&TIMES).to_kind(kind);
                let got = sinusoidal(&t, 8, layout);
                assert_eq!(got.kind(), kind);
                let diff = max_diff(&got, &want);
                assert!(diff < tolerance, "{layout:?} in {kind:?} is off by {diff:e}");
                let one = sinusoidal(&t.narrow(0, 1, 1), 8, layout);
                assert_eq!(one, got.narrow(0, 1, 1), "{layout:?}: [1] differs from its row of [B]");
            }
        }
    }

    #[test]
    fn no_two_steps_share_a_row() {
        for layout in [Layout::SinCos, Layout::CosSin] {
            let rows = sinusoidal(&Tensor::arange(1000, (Kind::Double, Device::Cpu)), 32, layout);
            let nearest = Tensor::cdist(&rows, &rows, 2.0, None)
                + Tensor::eye(1000, (Kind::Double, Device::Cpu)) * 10.0;
            assert!(nearest.min().double_value(&[]) > 0.1, "{layout:?}: two steps look alike");
        }
    }

    #[test]
    #[should_panic(expected = "even width of at least 4, not 7")]
    fn an_odd_width_is_refused() {
        let _ = sinusoidal(&Tensor::zeros([1], (Kind::Float, Device::Cpu)), 7, Layout::SinCos);
    }

    #[test]
    #[should_panic(expected = "[2, 1] in Int64")]
    fn integer_times_are_refused() {
        let _ = sinusoidal(&Tensor::zeros([2, 1], (Kind::Int64, Device::Cpu)), 8, Layout::SinCos);
    }
}
