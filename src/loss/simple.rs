//! The losses that train: predict the noise, the velocity or EDM's target at a random level.
//!
//! They differ in one line, what the network should have said. Each returns one term per sample:
//! the mean of the batch is the loss. `eps` and the levels are arguments: the caller draws them, a
//! test pins them. The levels may be a schedule's (`schedule.levels(&schedule.draw_t(batch, device))`)
//! or any others, as EDM's lognormal ones.

use crate::denoiser::{Model, Preconditioning, Target};
use crate::forward::q_sample;
use crate::network::Network;
use crate::noise::gaussian;
use crate::schedule::{Level, Levels};
use serde::{Deserialize, Serialize};
use tch::Tensor;

// ANCHOR: l_simple
/// `L_simple`, the squared error of the predicted noise (DDPM eq. 14; the body of Algorithm 1).
///
/// # Shapes
/// `x0`, `eps`: `[B, ...]`; one of the `levels` per sample. The result is `[B]`, with gradient.
///
/// # Panics
/// When the model predicts something else.
pub fn l_simple<N: Network>(
    model: &Model<N>,
    levels: &Levels,
    x0: &Tensor,
    cond: &N::Cond,
    eps: &Tensor,
) -> Tensor {
    assert_eq!(
        model.parameterization.target,
        Target::Eps,
        "l_simple trains the prediction of noise"
    );
    let x_t = q_sample(x0, eps, Level::of_batch(levels, x0));
    squared_error(&predict(model, &x_t, levels, cond), eps)
}
// ANCHOR_END: l_simple

// ANCHOR: other_losses
/// The squared error of what the model predicts: [`l_simple`] where that is the noise.
pub fn l_target<N: Network>(
    model: &Model<N>,
    levels: &Levels,
    x0: &Tensor,
    cond: &N::Cond,
    eps: &Tensor,
) -> Tensor {
    let x_t = q_sample(x0, eps, Level::of_batch(levels, x0));
    let truth = truth(model.parameterization.target, levels, x0, eps);
    squared_error(&predict(model, &x_t, levels, cond), &truth)
}

/// What the network should have said.
pub(super) fn truth(target: Target, levels: &Levels, x0: &Tensor, eps: &Tensor) -> Tensor {
    match target {
        Target::Eps => eps.shallow_clone(),
        Target::X0 => x0.shallow_clone(),
        Target::V => {
            let at = Level::of_batch(levels, x0);
            at.alpha * eps - at.sigma * x0
        }
        // (x0 - skip x_t) / out, without its cancellation
        Target::Edm { sigma_data } => {
            let c_in = |at| Preconditioning::at(at, sigma_data).input;
            let name = |on| format!("{on} in {target:?}");
            let on_x0 = levels.each(x0, &name("x0"), |at| at.sigma * c_in(at) / sigma_data);
            let on_eps = levels.each(x0, &name("eps"), |at| at.alpha * c_in(at) * sigma_data);
            on_x0 * x0 - on_eps * eps
        }
    }
}
// ANCHOR_END: other_losses

/// What the network says of `x_t`, in training.
fn predict<N: Network>(model: &Model<N>, x_t: &Tensor, levels: &Levels, cond: &N::Cond) -> Tensor {
    let conditioning = model.net.encode(cond, true);
    model.output(x_t, levels, &conditioning, true).0
}

/// Averaged over all but the batch: `[B, ...] -> [B]`.
pub(super) fn squared_error(output: &Tensor, target: &Tensor) -> Tensor {
    super::per_image(&(output - target).square())
}

// ANCHOR: lognormal
/// EDM's distribution of training levels (Karras et al. 2022, Table 1): variance exploding,
/// `ln sigma ~ N(mean, std^2)`, published as `(-1.2, 1.2)`. One per sample, from libtorch's
/// generator.
pub fn draw_lognormal(batch: i64, mean: f64, std: f64) -> Levels {
    let z = gaussian(&Tensor::empty([batch], tch::kind::DOUBLE_CPU));
    let z = Vec::<f64>::try_from(z).expect("a vector of doubles");
    let level = |z: f64| Level::variance_exploding((mean + std * z).exp());
    z.into_iter().map(level).collect::<Vec<_>>().into()
}
// ANCHOR_END: lognormal

/// How much each level counts in the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// All levels alike: `L_simple`.
    #[default]
    Flat,
    /// `min(SNR, gamma)` in units of the clean sample's error (Hang et al. 2023), `gamma = 5`.
    MinSnr(f64),
    /// `SNR + 1` in units of the clean sample's error, which is the plain loss of `v` (Salimans &
    /// Ho 2022, section 4), but at most this many times `L_simple`'s weight.
    SnrPlusOne(f64),
}

impl Weighting {
    /// Whether the bound of the weight is a positive number.
    pub fn is_sound(self) -> bool {
        match self {
            Weighting::Flat => true,
            Weighting::MinSnr(most) | Weighting::SnrPlusOne(most) => most > 0.0,
        }
    }

    // ANCHOR: weighting
    /// The weight on the squared error of `target` at a level. The targets' errors differ by known
    /// factors: `|v - v'|^2 = (SNR + 1) |x0 - x0'|^2 = (1 + 1/SNR) |eps - eps'|^2`.
    pub fn at(self, at: Level, target: Target) -> f64 {
        let snr = at.snr();
        let on_x0 = match self {
            Weighting::Flat => return 1.0,
            Weighting::MinSnr(gamma) => snr.min(gamma),
            Weighting::SnrPlusOne(most) => (snr + 1.0).min(most * snr),
        };
        match target {
            Target::Eps => on_x0 / snr,
            Target::X0 => on_x0,
            Target::V => on_x0 / (snr + 1.0),
            Target::Edm { sigma_data } => on_x0 * Preconditioning::at(at, sigma_data).out.powi(2),
        }
    }
    // ANCHOR_END: weighting

    /// The weights that multiply a batch's losses `like`: `[B]`.
    pub fn of(self, levels: &Levels, target: Target, like: &Tensor) -> Tensor {
        levels.each(like, &format!("{self:?} of {target:?}"), |at| self.at(at, target))
    }
}
