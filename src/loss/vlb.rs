//! The variational bound on `-log p(x0)`, term by term, in nats per dimension.
//!
//! `L_vlb = L_0 + sum_{t>1} L_{t-1} + L_T` (DDPM eq. 5). It is measured here, for any denoiser;
//! divide by `ln 2` for bits. Each term is a function of a prediction and a
//! [`Posterior`], of one step for the batch (to measure) or of one per sample (to train with).
#![allow(non_snake_case)]

use super::per_image;
use crate::denoiser::{Denoised, Denoiser};
use crate::forward::{Posterior, Variance, posterior, q_sample};
use crate::schedule::{Coefficient, Level, Schedule, per_sample};
use crate::util::device::widest_float;
use tch::{Device, Tensor};

// ANCHOR: kl
/// `KL(N(mean_q, var_q) || N(mean_p, var_p))`, element by element, in nats (DDPM eq. 8 is its
/// value for fixed variances, up to a constant).
pub fn kl(mean_q: &Tensor, var_q: &Tensor, mean_p: &Tensor, var_p: &Tensor) -> Tensor {
    let distance = (mean_q - mean_p).square();
    0.5 * ((var_q + distance) / var_p - 1.0 + (var_p / var_q).log())
}
// ANCHOR_END: kl

// ANCHOR: l_T
/// `L_T = KL(q(x_T | x0) || N(0, I))`: `[B]`. It holds no parameter: it only says whether the
/// schedule is long enough.
pub fn l_T(last: Level, x0: &Tensor) -> Tensor {
    let mean = last.alpha * wide(x0);
    let var = Tensor::from(last.sigma.powi(2));
    per_image(&kl(&mean, &var, &mean.zeros_like(), &Tensor::from(1f64)))
}
// ANCHOR_END: l_T

// ANCHOR: l_t
/// `L_{t-1} = KL(q(x_s | x_t, x0) || p(x_s | x_t))` for the step from `t` down to a noisy `s`:
/// `[B]`.
pub fn l_t(
    model: &dyn Denoiser,
    t: Level,
    s: Level,
    x0: &Tensor,
    eps: &Tensor,
    variance: Variance,
) -> Tensor {
    let x_t = q_sample(x0, eps, t);
    kl_term(&posterior(t, s), &model.denoise(&x_t, t), x0, &x_t, variance)
}

/// The term [`l_t`] of a prediction that was made already.
pub fn kl_term<C: Coefficient>(
    q: &Posterior<C>,
    prediction: &Denoised,
    x0: &Tensor,
    x_t: &Tensor,
    variance: Variance,
) -> Tensor {
    let (x0, x_t, predicted, nu) =
        (wide(x0), wide(x_t), wide(prediction.x0()), prediction.nu().map(wide));
    let var = q.std(variance, nu.as_ref()).square();
    let (truth, ours) = (q.mean(&x0, &x_t), q.mean(&predicted, &x_t));
    per_image(&kl(&truth, &q.var_small.tensor(), &ours, &var))
}
// ANCHOR_END: l_t

/// What the last step's Gaussian is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// Mass on the 256 levels of 8-bit images scaled to `[-1, 1]` (DDPM eq. 13).
    Discretised,
    /// A density, for data that are real numbers.
    Continuous,
}

// ANCHOR: l_0
/// `L_0 = -log p(x0 | x_1)`: `[B]`.
///
/// The posterior variance is 0 there, so the small variance takes `var_small` instead, by custom the
/// value of the next step up (`beta_tilde_2`; Improved DDPM's code).
pub fn l_0(
    model: &dyn Denoiser,
    first: Level,
    var_small: f64,
    x0: &Tensor,
    eps: &Tensor,
    variance: Variance,
    decoder: Decoder,
) -> Tensor {
    let x_1 = q_sample(x0, eps, first);
    let q = Posterior { var_small, ..posterior(first, Level::CLEAN) };
    nll_term(&q, &model.denoise(&x_1, first), x0, &x_1, variance, decoder)
}

/// The term [`l_0`] of a prediction that was made already.
pub fn nll_term<C: Coefficient>(
    q: &Posterior<C>,
    prediction: &Denoised,
    x0: &Tensor,
    x_1: &Tensor,
    variance: Variance,
    decoder: Decoder,
) -> Tensor {
    let std = q.std(variance, prediction.nu());
    let mean = q.mean(prediction.x0(), x_1);
    let log_p = match decoder {
        Decoder::Discretised => discretised_log_likelihood(x0, &mean, &std),
        Decoder::Continuous => {
            let z = (x0 - mean) / &std;
            -0.5 * z.square() - std.log() - 0.5 * std::f64::consts::TAU.ln()
        }
    };
    -per_image(&log_p)
}
// ANCHOR_END: l_0

// ANCHOR: vlb_term
/// One term of the bound for each sample, that of its own `t`: `L_{t-1}`, and `L_0` where `t = 1`;
/// `[B]`, in nats per dimension. `T` times its mean over uniform `t` is `L_vlb` without `L_T`.
///
/// # Panics
/// When the schedule has fewer than two steps, or some `t` is 1 and `x0` are no 8-bit images scaled
/// to `[-1, 1]`.
pub fn vlb_term(
    schedule: &Schedule,
    t: &Tensor,
    prediction: &Denoised,
    x0: &Tensor,
    x_t: &Tensor,
    variance: Variance,
) -> Tensor {
    let q = reverse_steps(schedule, t, &wide(x0));
    let l_t = kl_term(&q, prediction, x0, x_t, variance);
    let first = t.to_device(x0.device()).eq(1);
    if first.device() == Device::Cpu && first.any().int64_value(&[]) == 0 {
        return l_t; // as of most batches; a GPU would have to wait to be told
    }
    let l_0 = nll_term(&q, prediction, x0, x_t, variance, Decoder::Discretised);
    l_0.where_self(&first, &l_t)
}

/// The posteriors of the steps from each `t` of `1..=T` (`[B]`, i64) down to `t - 1`, as coefficients
/// that multiply `like`.
///
/// # Panics
/// When the schedule has fewer than two steps.
pub fn reverse_steps(schedule: &Schedule, t: &Tensor, like: &Tensor) -> Posterior<Tensor> {
    let each = |name: &str, f: fn(Posterior) -> f64| {
        // from level 0 there is no step: that entry stands for nothing
        let f = |t: usize| f(reverse_step(schedule, t.max(1)));
        per_sample(&schedule.numbers(t, like.device(), name, f), like)
    };
    Posterior {
        on_x0: each("on_x0", |q| q.on_x0),
        on_xt: each("on_xt", |q| q.on_xt),
        var_small: each("var_small", |q| q.var_small),
        var_large: each("var_large", |q| q.var_large),
    }
}

/// The posterior of the step from `t` down to `t - 1`. The last step's has no variance; by custom
/// (Improved DDPM's code) it takes that of the step before.
fn reverse_step(schedule: &Schedule, t: usize) -> Posterior {
    let step = |t| posterior(schedule.level(t), schedule.level(t - 1));
    match t {
        1 => Posterior { var_small: step(2).var_small, ..step(1) },
        _ => step(t),
    }
}
// ANCHOR_END: vlb_term

// ANCHOR: discretised
/// `log p` of an 8-bit value scaled to `[-1, 1]` under `N(mean, std^2)`: the mass of its bin of
/// width 2/255, the two outer bins reaching to infinity (DDPM eq. 13). At least `ln 1e-12`.
///
/// # Panics
/// When `x0` is not made of 8-bit levels: on any other data the bins mean nothing. On a GPU, which
/// would have to wait to be asked, the answer is then NaN, and training stops at that.
pub fn discretised_log_likelihood(x0: &Tensor, mean: &Tensor, std: &Tensor) -> Tensor {
    let x = wide(x0);
    let level = (&x + 1.0) * 127.5;
    let off = (&level - level.round()).abs().max(); // []
    let half = 1.0 / 255.0;
    let lower = (&x - half - mean) / std;
    let upper = (&x + half - mean) / std;
    let (lower, upper) = (
        lower.where_self(&x.gt(-0.999), &lower.full_like(f64::NEG_INFINITY)),
        upper.where_self(&x.lt(0.999), &upper.full_like(f64::INFINITY)),
    );
    // Far in the right tail both values round to 1: there the mirrored bin is exact.
    let mirrored = lower.gt(0.0);
    let a = (-&upper).where_self(&mirrored, &lower);
    let b = (-&lower).where_self(&mirrored, &upper);
    // erfc, since libtorch's special_ndtr is 1 + erf, which cancels in the left tail.
    let below = |z: Tensor| -> Tensor { 0.5 * (z * -std::f64::consts::FRAC_1_SQRT_2).erfc() };
    only_of_8_bits((below(b) - below(a)).clamp_min(1e-12).log(), &off)
}
// ANCHOR_END: discretised

/// `log_p`, if the data lie within a thousandth of 8-bit levels (`off: []`).
fn only_of_8_bits(log_p: Tensor, off: &Tensor) -> Tensor {
    if off.device() != Device::Cpu {
        return nan_beyond(1e-3, off, &log_p);
    }
    let off = off.double_value(&[]);
    assert!(off < 1e-3, "the discretised decoder needs 8-bit data in [-1, 1], off by {off} levels");
    log_p
}

/// `log_p` where `off` is less than `most`; else NaN.
fn nan_beyond(most: f64, off: &Tensor, log_p: &Tensor) -> Tensor {
    log_p.where_self(&off.lt(most), &log_p.full_like(f64::NAN))
}

/// In f64 where the device has it: the terms are small differences.
fn wide(x: &Tensor) -> Tensor {
    x.to_kind(widest_float(x.device()))
}

/// The bound, term by term: each `[B]`, in nats per dimension.
#[derive(Debug)]
pub struct Vlb {
    pub l_0: Tensor,
    /// `L_1, ..., L_{T-1}`.
    pub l_t: Vec<Tensor>,
    pub l_T: Tensor,
}

impl Vlb {
    /// The whole bound `L_vlb`, the sum of its terms: `[B]`.
    pub fn total(&self) -> Tensor {
        self.l_t.iter().fold(&self.l_0 + &self.l_T, |sum, term| sum + term)
    }
}

// ANCHOR: l_vlb
/// Every term of `L_vlb` (DDPM eq. 5), each from one draw of noise, `eps(t)`.
///
/// # Shapes
/// `x0`: `[B, ...]`; `eps(t)` like it, standard normal.
///
/// # Panics
/// When the schedule has fewer than two steps.
pub fn l_vlb(
    model: &dyn Denoiser,
    schedule: &Schedule,
    x0: &Tensor,
    variance: Variance,
    decoder: Decoder,
    mut eps: impl FnMut(usize) -> Tensor,
) -> Vlb {
    assert!(schedule.steps() >= 2, "the bound needs at least two steps");
    let _guard = tch::no_grad_guard();
    let level = |t| schedule.level(t);
    let var_small = reverse_step(schedule, 1).var_small;
    Vlb {
        l_0: l_0(model, level(1), var_small, x0, &eps(1), variance, decoder),
        l_t: (2..=schedule.steps())
            .map(|t| l_t(model, level(t), level(t - 1), x0, &eps(t), variance))
            .collect(),
        l_T: l_T(level(schedule.steps()), x0),
    }
}
// ANCHOR_END: l_vlb

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_off_8_bit_levels_give_no_number() {
        let log_p = Tensor::from_slice(&[-1.0, -2.0]);
        assert_eq!(nan_beyond(1e-3, &Tensor::from(1e-4), &log_p), log_p);
        for off in [0.5, f64::NAN] {
            let found = nan_beyond(1e-3, &Tensor::from(off), &log_p);
            assert_eq!(found.isnan().all().int64_value(&[]), 1, "off by {off}");
        }
    }
}
