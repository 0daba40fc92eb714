//! Ancestral sampling with a classifier.

use crate::denoiser::Denoiser;
use crate::forward::{Variance, posterior};
use crate::guide::log_prob_gradient;
use crate::noise::Noise;
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Where [`ddpm_guided`] takes the gradient of the classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientAt {
    /// At the mean of the step, at the level that it leads to: the paper's Algorithm 1.
    Mean,
    /// At `x_t`, at its own level: the code that was published with the paper.
    Sample,
}

// ANCHOR: mean_shift
/// What shifts the mean of each step.
pub struct MeanShift<'a> {
    /// `log p(y | x_t)` of `x_t: [B, ...]` at its level: `[B]`.
    pub log_prob: &'a dyn Fn(&Tensor, Level) -> Tensor,
    pub scale: f64,
    pub gradient_at: GradientAt,
}

/// Classifier guidance of ancestral sampling (Dhariwal & Nichol 2021, Algorithm 1):
/// `x_s ~ N(mu + scale Sigma grad log p(y | x), Sigma)`, which is [`ddpm`](super::ddpm) at scale 0.
///
/// The shift is in units of the step's variance. Where a step has none, as the last one here and
/// all of DDIM's, it shifts nothing: those are guided by
/// [`ClassifierGuided`](crate::guide::ClassifierGuided).
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T` to the clean one.
#[allow(non_snake_case)]
pub fn ddpm_guided(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    variance: Variance,
    shift: &MeanShift,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    path.windows(2).fold(x_T, |x_t, step| {
        let (t, s) = (step[0], step[1]);
        let prediction = model.denoise(&x_t, t);
        let q = posterior(t, s);
        let mean = q.mean(prediction.x0(), &x_t);
        if s.is_clean() {
            return mean;
        }
        let std = q.std(variance, prediction.nu());
        let gradient = match shift.gradient_at {
            GradientAt::Mean => log_prob_gradient(shift.log_prob, &mean, s),
            GradientAt::Sample => log_prob_gradient(shift.log_prob, &x_t, t),
        };
        mean + shift.scale * std.square() * gradient + std * noise(&x_t)
    })
}
// ANCHOR_END: mean_shift
