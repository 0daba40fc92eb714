//! Classifier-free guidance: two predictions, with the condition and without it, and a step beyond
//! the first, away from the second.

use crate::denoiser::{Denoised, Denoiser, Given};
use crate::network::Network;
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Tensor;

/// How far a prediction is pushed beyond its condition, how it is scaled back, and at which levels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guidance {
    /// 0: without the condition. 1: with it, and nothing else. Above 1: further.
    ///
    /// It is GLIDE's `s`, diffusers' `guidance_scale`, and `1 + w` in Ho & Salimans 2021.
    pub scale: f64,
    /// The `phi` of Lin et al. 2023, 0 to 1.
    pub rescale: f64,
    /// The levels with `low < sigma / alpha <= high` are guided, the others follow the condition
    /// alone (Kynkäänniemi et al. 2024); all levels if there is no interval.
    pub interval: Option<[f64; 2]>,
}

impl Guidance {
    /// The condition, and nothing else.
    pub const NONE: Self = Self::scale(1.0);

    /// Guidance of this scale at all levels.
    pub const fn scale(scale: f64) -> Self {
        Self { scale, rescale: 0.0, interval: None }
    }

    /// Whether it leaves the condition's prediction as it is, at all levels.
    pub fn is_none(&self) -> bool {
        self.scale == 1.0
    }

    // ANCHOR: interval
    /// The scale at a level: 1 outside of the interval.
    pub fn scale_at(&self, at: Level) -> f64 {
        let sigma = at.sigma / at.alpha;
        let guided = self.interval.is_none_or(|[low, high]| low < sigma && sigma <= high);
        if guided { self.scale } else { 1.0 }
    }
    // ANCHOR_END: interval

    /// Evaluations of the network that a prediction takes at a level, per sample.
    pub fn evaluations(&self, at: Level) -> usize {
        if [0.0, 1.0].contains(&self.scale_at(at)) { 1 } else { 2 }
    }

    /// Refuses what is no guidance, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        if !self.scale.is_finite() {
            return Err(format!("the scale of guidance is {}: it is a finite number", self.scale));
        }
        if !(0.0..=1.0).contains(&self.rescale) {
            return Err(format!("guidance is rescaled by {}: phi lies in 0 to 1", self.rescale));
        }
        match self.interval {
            Some([low, high]) if !(0.0 <= low && low < high) => Err(format!(
                "the interval of guidance is {low} to {high}: it takes two numbers from 0 up, the \
                 smaller first"
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Guidance {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Guidance {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "guidance {}", self.scale)?;
        if self.rescale > 0.0 {
            write!(f, " rescaled {}", self.rescale)?;
        }
        match self.interval {
            Some([low, high]) => write!(f, " in {low} to {high}"),
            None => Ok(()),
        }
    }
}

// ANCHOR: pair
/// A prediction with the condition and one without it.
pub trait Pair {
    fn cond(&self, x_t: &Tensor, at: Level) -> Denoised;

    /// Without the condition, or with one to be avoided: a negative one.
    fn uncond(&self, x_t: &Tensor, at: Level) -> Denoised;

    fn both(&self, x_t: &Tensor, at: Level) -> [Denoised; 2] {
        [self.cond(x_t, at), self.uncond(x_t, at)]
    }
}

/// Any two denoisers, one evaluation each.
impl<C: Denoiser, U: Denoiser> Pair for (C, U) {
    fn cond(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.0.denoise(x_t, at)
    }

    fn uncond(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.1.denoise(x_t, at)
    }
}
// ANCHOR_END: pair

// ANCHOR: one_pass
/// One model under two conditions, both in one forward pass of twice the batch.
#[derive(Debug)]
pub struct OnePass<N: Network> {
    cond: Given<N>,
    uncond: Given<N>,
    both: Given<N>,
}

impl<N: Network> OnePass<N> {
    /// The conditionings are joined here, once. Both are of the same model and batch.
    pub fn new(cond: Given<N>, uncond: Given<N>) -> Self {
        let both = cond.cat(&uncond);
        Self { cond, uncond, both }
    }
}

impl<N: Network> Pair for OnePass<N> {
    fn cond(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.cond.denoise(x_t, at)
    }

    fn uncond(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.uncond.denoise(x_t, at)
    }

    fn both(&self, x_t: &Tensor, at: Level) -> [Denoised; 2] {
        self.both.denoise(&Tensor::cat(&[x_t, x_t], 0), at).halves()
    }
}
// ANCHOR_END: one_pass

// ANCHOR: classifier_free
/// Classifier-free guidance (Ho & Salimans 2021, eq. 6): `uncond + scale (cond - uncond)`.
///
/// The noise, the clean sample and the velocity are affine functions of each other at one level,
/// and the weights of the two predictions sum to 1: so it is the same mixture in every
/// parameterization.
///
/// At scale 0 and 1 one of the two is the answer; the other is not evaluated, and nothing is
/// rescaled. A learned variance is that with the condition.
#[derive(Debug)]
pub struct ClassifierFree<P> {
    pair: P,
    guidance: Guidance,
}

impl<P: Pair> Denoiser for ClassifierFree<P> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let scale = self.guidance.scale_at(at);
        if scale == 0.0 {
            return self.pair.uncond(x_t, at);
        } else if scale == 1.0 {
            return self.pair.cond(x_t, at);
        }
        let [cond, uncond] = self.pair.both(x_t, at);
        let guided = uncond.lerp(&cond, scale);
        match self.guidance.rescale {
            0.0 => guided,
            phi => rescaled(guided, &cond, phi, x_t, at),
        }
    }
}
// ANCHOR_END: classifier_free

impl<P: Pair> ClassifierFree<P> {
    /// # Panics
    /// When the guidance is none; see [`Guidance::check`].
    pub fn new(pair: P, guidance: Guidance) -> Self {
        guidance.check().unwrap_or_else(|why| panic!("{why}"));
        Self { pair, guidance }
    }
}

// ANCHOR: rescale
/// Gives the guided prediction the spread of the conditional one, a share `phi` of the way (Lin et
/// al. 2023, eqs. 15 and 16). Unlike guidance itself, this depends on the parameterization: what is
/// scaled is the velocity, which the paper's networks predict.
fn rescaled(guided: Denoised, cond: &Denoised, phi: f64, x_t: &Tensor, at: Level) -> Denoised {
    let spread = |v: &Tensor| {
        let per_sample: Vec<i64> = (1..v.dim() as i64).collect();
        v.std_dim(&per_sample[..], true, true) // [B, 1, ..., 1]
    };
    let (v, v_cond) = (guided.v(at), cond.v(at));
    let factor = phi * spread(&v_cond) / spread(&v) + (1.0 - phi);
    guided.map_v(x_t, at, |v| v * factor)
}
// ANCHOR_END: rescale
