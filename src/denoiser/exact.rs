//! Denoisers known in closed form: the independent truth that samplers and losses are tested on.
//!
//! If the data are Gaussian, or a mixture of Gaussians, so are their noised versions, and Bayes'
//! rule gives `E[x0 | x_t]` exactly. No training, no network, no approximation.

use super::{Denoised, Denoiser};
use crate::forward::{posterior, transition};
use crate::schedule::{Level, Schedule};
use crate::util::device::on_cpu;
use tch::Tensor;

// ANCHOR: gaussian
/// Data `x0 ~ N(mean, std^2 I)`, of any shape.
#[derive(Debug, Clone, Copy)]
pub struct Gaussian {
    pub mean: f64,
    pub std: f64,
}

impl Gaussian {
    /// The variance of `x_t`: `alpha^2 std^2 + sigma^2`.
    pub fn variance_at(&self, at: Level) -> f64 {
        (at.alpha * self.std).powi(2) + at.sigma.powi(2)
    }

    /// What stays unknown about `x0` once `x_t` is seen: `Var[x0 | x_t]`.
    pub fn x0_variance(&self, at: Level) -> f64 {
        (self.std * at.sigma).powi(2) / self.variance_at(at)
    }
}

impl Denoiser for Gaussian {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let surprise: Tensor = (x_t - at.alpha * self.mean) / self.variance_at(at);
        let x0 = self.mean + at.alpha * self.std.powi(2) * &surprise;
        let eps = at.sigma * surprise;
        // Both views are exact; the better conditioned one defines the pair.
        if at.sigma > at.alpha {
            Denoised::from_x0(x_t, at, x0)
        } else {
            Denoised::from_eps(x_t, at, eps)
        }
    }
}
// ANCHOR_END: gaussian

/// The exact Gaussian denoiser, together with the reverse variance that minimises the bound:
/// `beta_tilde + on_x0^2 Var[x0 | x_t]`, given as the fraction `nu` of Improved DDPM eq. 15.
///
/// It speaks of the schedule's own steps, from `t` to `t - 1`.
#[derive(Debug, Clone)]
pub struct BestVariance {
    pub data: Gaussian,
    pub schedule: Schedule,
}

impl BestVariance {
    // ANCHOR: best_variance
    /// The best `nu` at step `t`. At `t = 1`, where `beta_tilde` is 0, the scale starts at
    /// `beta_tilde_2` instead, as in [`l_0`](crate::loss::l_0).
    pub fn nu(&self, t: usize) -> f64 {
        let at = self.schedule.level(t);
        let q = posterior(at, self.schedule.level(t - 1));
        let best = q.var_small + q.on_x0.powi(2) * self.data.x0_variance(at);
        let next_up = || posterior(self.schedule.level(2), self.schedule.level(1)).var_small;
        let small = if t == 1 { next_up() } else { q.var_small };
        (best / small).ln() / (q.var_large / small).ln()
    }
    // ANCHOR_END: best_variance
}

impl Denoiser for BestVariance {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let nu = self.nu(self.schedule.t_of(at) as usize);
        self.data.denoise(x_t, at).with_nu(Some(x_t.full_like(nu)))
    }
}

/// Data from a mixture of round Gaussians: component `k` has weight `w_k`, mean `mu_k` in R^D and
/// covariance `std_k^2 I`.
#[derive(Debug)]
pub struct Mixture {
    /// `[1, K]`, f64.
    log_weights: Tensor,
    /// `[K, D]`, f64.
    means: Tensor,
    /// `[1, K]`, f64.
    variances: Tensor,
}

impl Mixture {
    /// # Shapes
    /// `weights: K`, positive, of any sum; `means: [K, D]`; `stds: K`, not negative.
    ///
    /// # Panics
    /// When the three disagree on `K`, or a weight is not positive.
    pub fn new(weights: &[f64], means: &Tensor, stds: &[f64]) -> Self {
        let k = weights.len() as i64;
        assert_eq!(means.size().first(), Some(&k), "{k} weights, means {:?}", means.size());
        assert_eq!(stds.len() as i64, k, "{k} weights, {} stds", stds.len());
        assert!(weights.iter().all(|&w| w > 0.0), "every weight must be positive");
        let total: f64 = weights.iter().sum();
        let row = |values: Vec<f64>| Tensor::from_slice(&values).view([1, k]);
        Self {
            log_weights: row(weights.iter().map(|w| (w / total).ln()).collect()),
            means: on_cpu(means).view([k, -1]),
            variances: row(stds.iter().map(|s| s * s).collect()),
        }
    }

    /// Equal weights and one `std`: a data set of points blurred by `std` (0 for the points
    /// themselves, the ideal denoiser of a finite data set).
    pub fn of_points(points: &Tensor, std: f64) -> Self {
        let k = points.size()[0] as usize;
        Self::new(&vec![1.0; k], points, &vec![std; k])
    }

    /// The data of these components alone: the class-conditional data, if a class is a group of
    /// components.
    ///
    /// # Panics
    /// When there is no such component, or none at all.
    pub fn given(&self, components: &[i64]) -> Self {
        assert!(!components.is_empty(), "a class has at least one component");
        let chosen = Tensor::from_slice(components);
        let log_weights = self.log_weights.index_select(1, &chosen);
        Self {
            log_weights: &log_weights - log_weights.logsumexp([1], true),
            means: self.means.index_select(0, &chosen),
            variances: self.variances.index_select(1, &chosen),
        }
    }

    /// `ln p(x_t)`, `[B]`, of the noised data at level `at`.
    pub fn log_density(&self, x_t: &Tensor, at: Level) -> Tensor {
        self.log_joint(&on_cpu(x_t), at).logsumexp([1], false)
    }

    /// `p(k | x_t)`, `[B, K]`: which component the sample came from.
    pub fn responsibilities(&self, x_t: &Tensor, at: Level) -> Tensor {
        self.log_joint(&on_cpu(x_t), at).softmax(1, None)
    }

    // ANCHOR: class_log_prob
    /// `ln p(y | x_t)`, `[B]`, of the class that these components make: what the best noised
    /// classifier says. Differentiable in `x_t`.
    pub fn class_log_prob(&self, components: &[i64], x_t: &Tensor, at: Level) -> Tensor {
        let joint = self.log_joint(&on_cpu(x_t), at); // [B, K]
        let of_class = joint.index_select(1, &Tensor::from_slice(components));
        of_class.logsumexp([1], false) - joint.logsumexp([1], false)
    }
    // ANCHOR_END: class_log_prob

    // ANCHOR: reverse
    /// `ln q(x_s | x_t)`, `[B]`: the true reverse step, by Bayes' rule
    /// `q(x_t | x_s) q(x_s) / q(x_t)`. A mixture, not a Gaussian; tractable only because the data
    /// are known.
    pub fn log_reverse(&self, x_s: &Tensor, x_t: &Tensor, t: Level, s: Level) -> Tensor {
        let step = transition(t, s);
        let gap = on_cpu(&(x_t - step.scale * x_s)).square();
        let dims = self.means.size()[1] as f64;
        let norm = dims * (std::f64::consts::TAU * step.var).ln();
        let up = -0.5 * (gap.sum_dim_intlist(1, false, None) / step.var + norm);
        up + self.log_density(x_s, s) - self.log_density(x_t, t)
    }
    // ANCHOR_END: reverse

    /// The exact per-coordinate variance `Var[x0 | x_t]`, averaged over the coordinates: `[B]`.
    pub fn x0_variance(&self, x_t: &Tensor, at: Level) -> Tensor {
        let x = on_cpu(x_t);
        let share = self.responsibilities(&x, at); // [B, K]
        let dims = self.means.size()[1] as f64;
        let gain = self.gain(at); // [1, K]
        let within = (1.0f64 - at.alpha * &gain) * &self.variances; // [1, K]
        // x0 given (x_t, k) has mean mu_k + gain_k (x_t - alpha mu_k).
        let mean = self.component_means(&x, at, &gain); // [B, K, D]
        let overall = (share.unsqueeze(2) * &mean).sum_dim_intlist(1, true, None);
        let between = (mean - overall).square().sum_dim_intlist(2, false, None) / dims;
        (share * (within + between)).sum_dim_intlist(1, false, None)
    }

    /// `ln w_k + ln N(x_t; alpha mu_k, v_k I)`: `[B, D] -> [B, K]`.
    fn log_joint(&self, x: &Tensor, at: Level) -> Tensor {
        let dims = self.means.size()[1];
        assert_eq!(x.size().get(1), Some(&dims), "x is {:?}, data are {dims}-D", x.size());
        let variance = self.variance_at(at);
        let gap = x.unsqueeze(1) - at.alpha * self.means.unsqueeze(0); // [B, K, D]
        let distance = gap.square().sum_dim_intlist(2, false, None); // [B, K]
        let norm: Tensor = (&variance * std::f64::consts::TAU).log() * dims as f64;
        &self.log_weights - 0.5 * (distance / &variance + norm)
    }

    /// `v_k = alpha^2 std_k^2 + sigma^2`, `[1, K]`.
    fn variance_at(&self, at: Level) -> Tensor {
        at.alpha.powi(2) * &self.variances + at.sigma.powi(2)
    }

    /// How far seeing `x_t` moves the mean of component `k`: `alpha std_k^2 / v_k`, `[1, K]`.
    fn gain(&self, at: Level) -> Tensor {
        at.alpha * &self.variances / self.variance_at(at)
    }

    /// `E[x0 | x_t, k]`: `[B, K, D]`.
    fn component_means(&self, x: &Tensor, at: Level, gain: &Tensor) -> Tensor {
        let means = self.means.unsqueeze(0); // [1, K, D]
        &means + gain.unsqueeze(2) * (x.unsqueeze(1) - at.alpha * &means)
    }
}

// ANCHOR: mixture
impl Denoiser for Mixture {
    /// `E[x0 | x_t] = sum_k p(k | x_t) E[x0 | x_t, k]`, computed in f64 on the CPU and returned as
    /// `x_t`'s kind on its device. Needs a noisy level (`sigma > 0`).
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let x = on_cpu(x_t);
        let share = self.responsibilities(&x, at); // [B, K]
        // Without a [B, K, D] table: sum_k p_k ((1 - alpha g_k) mu_k + g_k x_t).
        let gain = self.gain(at);
        let x0 = (&share * (1.0f64 - at.alpha * &gain)).matmul(&self.means) // [B, D]
            + (share * gain).sum_dim_intlist(1, true, None) * x;
        Denoised::from_x0(x_t, at, x0.to_kind(x_t.kind()).to_device(x_t.device()))
    }
}
// ANCHOR_END: mixture
