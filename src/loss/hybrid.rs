//! The losses that also teach the variance of the reverse step: `L_hybrid` and `L_vlb` (Nichol &
//! Dhariwal 2021, "Improved DDPM", section 3).
//!
//! They need a network that speaks about the variance
//! ([`Head::MeanAndNu`](crate::denoiser::Head::MeanAndNu)) and images of 8 bits, which the bound's
//! first term counts.

use super::simple::{squared_error, truth};
use super::{l_target, vlb_term};
use crate::denoiser::Model;
use crate::forward::{Variance, q_sample};
use crate::network::Network;
use crate::schedule::{Level, Schedule};
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;
use tch::Tensor;

/// What a network is trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The squared error of what is predicted: [`l_target`].
    #[default]
    Simple,
    /// The same and, for the variance alone, a little of the bound: [`l_hybrid`].
    Hybrid,
    /// The bound, for mean and variance: [`l_vlb_t`].
    Vlb,
}

impl Objective {
    /// The loss of each sample at its own `t` in `1..=T` (`[B]`, i64): `[B]`, with gradient.
    pub fn loss<N: Network>(
        self,
        model: &Model<N>,
        schedule: &Schedule,
        t: &Tensor,
        x0: &Tensor,
        cond: &N::Cond,
        eps: &Tensor,
    ) -> Tensor {
        match self {
            Objective::Simple => l_target(model, &schedule.levels(t), x0, cond, eps),
            Objective::Hybrid => l_hybrid(model, schedule, t, x0, cond, eps),
            Objective::Vlb => l_vlb_t(model, schedule, t, x0, cond, eps),
        }
    }
}

// ANCHOR: hybrid
/// The `lambda` of `L_hybrid`, for `L_vlb` in bits per dimension.
pub const LAMBDA: f64 = 0.001;

/// `L_hybrid = L_simple + lambda L_vlb` (Improved DDPM eq. 16), estimated from one `t` for each
/// sample. The bound's part sees the predicted mean as a constant: it trains the variance alone.
///
/// # Shapes
/// `x0`, `eps`: `[B, ...]`; `t`: `[B]`, i64, in `1..=T`. The result is `[B]`, with gradient.
///
/// # Panics
/// When the network has learned no variance, or `x0` are no 8-bit images.
pub fn l_hybrid<N: Network>(
    model: &Model<N>,
    schedule: &Schedule,
    t: &Tensor,
    x0: &Tensor,
    cond: &N::Cond,
    eps: &Tensor,
) -> Tensor {
    let [simple, vlb] = both(model, schedule, t, x0, cond, eps, |mean| mean.detach());
    simple + LAMBDA * vlb
}

/// `L_vlb` in bits per dimension without `L_T`, estimated from one `t` for each sample: `T` times
/// that term of the bound. It trains mean and variance. Shapes and panics as [`l_hybrid`].
pub fn l_vlb_t<N: Network>(
    model: &Model<N>,
    schedule: &Schedule,
    t: &Tensor,
    x0: &Tensor,
    cond: &N::Cond,
    eps: &Tensor,
) -> Tensor {
    let [_, vlb] = both(model, schedule, t, x0, cond, eps, Tensor::shallow_clone);
    vlb
}

/// The two parts, `[B]` each, from one evaluation of the network. The bound sees what `as_seen`
/// makes of the network's prediction.
fn both<N: Network>(
    model: &Model<N>,
    schedule: &Schedule,
    t: &Tensor,
    x0: &Tensor,
    cond: &N::Cond,
    eps: &Tensor,
    as_seen: impl Fn(&Tensor) -> Tensor,
) -> [Tensor; 2] {
    let (levels, target) = (schedule.levels(t), model.parameterization.target);
    let x_t = q_sample(x0, eps, Level::of_batch(&levels, x0));
    let (output, nu) = model.output(&x_t, &levels, &model.net.encode(cond, true), true);
    let simple = squared_error(&output, &truth(target, &levels, x0, eps));
    let prediction = target.denoised(&x_t, &levels, as_seen(&output)).with_nu(nu);
    let term = vlb_term(schedule, t, &prediction, x0, &x_t, Variance::Learned);
    [simple, term * (schedule.steps() as f64 / LN_2)]
}
// ANCHOR_END: hybrid
