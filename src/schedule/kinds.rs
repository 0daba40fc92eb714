//! The schedules that papers and their code use, each by its formula.

use super::{Schedule, ramp};

/// Every published `beta` of a bent schedule is clipped here (Improved DDPM, section 3.2).
const BETA_MAX: f64 = 0.999;

impl Schedule {
    /// From `alpha_bar(u)` for `u = t/T` in `[0, 1]`; each beta clipped to 0..=0.999.
    fn from_alpha_bar(steps: usize, alpha_bar: impl Fn(f64) -> f64) -> Self {
        let at = |t: usize| alpha_bar(t as f64 / steps as f64);
        let beta = |t| 1.0 - at(t) / at(t - 1); // NaN where nothing is left
        let clipped = |t| if beta(t) > 0.0 { beta(t).min(BETA_MAX) } else { 0.0 };
        Self::from_betas((1..=steps).map(clipped))
    }

    // ANCHOR: linear
    /// `beta` from `first` to `last` in equal steps (DDPM, section 4: `linear(1000, 1e-4, 0.02)`).
    pub fn linear(steps: usize, first: f64, last: f64) -> Self {
        Self::from_betas(ramp(steps, first, last))
    }
    // ANCHOR_END: linear

    /// DDPM's linear schedule at any `T`: both ends scale with `1000 / T` (Improved DDPM's code),
    /// clipped at 0.999, so that `alpha_bar` keeps its shape.
    pub fn ddpm(steps: usize) -> Self {
        let scale = 1000.0 / steps as f64;
        Self::from_betas(ramp(steps, 1e-4 * scale, 0.02 * scale).map(|b| b.min(BETA_MAX)))
    }

    // ANCHOR: cosine
    /// `alpha_bar` follows a squared cosine (Improved DDPM eq. 17, with its offset `s = 0.008`).
    pub fn cosine(steps: usize, s: f64) -> Self {
        let f = |u: f64| ((u + s) / (1.0 + s) * std::f64::consts::FRAC_PI_2).cos().powi(2);
        Self::from_alpha_bar(steps, |u| f(u) / f(0.0))
    }
    // ANCHOR_END: cosine

    /// `sqrt(beta)` in equal steps: "quad" of the DDIM code, "scaled linear" of latent diffusion.
    pub fn quadratic(steps: usize, first: f64, last: f64) -> Self {
        Self::from_betas(ramp(steps, first.sqrt(), last.sqrt()).map(|root| root * root))
    }

    /// `beta` rises along a sigmoid from `first` to `last`, seen on `[from, to]` (GeoDiff; the
    /// DDIM code uses `[-6, 6]`). Not to be confused with [`Schedule::sigmoid_alpha_bar`].
    pub fn sigmoid_beta(steps: usize, first: f64, last: f64, from: f64, to: f64) -> Self {
        Self::from_betas(ramp(steps, from, to).map(|x| first + (last - first) * sigmoid(x)))
    }

    /// `alpha_bar` falls along a sigmoid seen on `[start, end]` at temperature `tau` (Jabri et al.
    /// 2022), betas clipped at 0.999.
    pub fn sigmoid_alpha_bar(steps: usize, start: f64, end: f64, tau: f64) -> Self {
        let (top, bottom) = (sigmoid(-start / tau), sigmoid(-end / tau));
        let curve = move |u: f64| sigmoid(-(u * (end - start) + start) / tau);
        Self::from_alpha_bar(steps, |u| (curve(u) - bottom) / (top - bottom))
    }

    /// The same `beta` at every step.
    pub fn constant(steps: usize, beta: f64) -> Self {
        Self::from_betas(std::iter::repeat_n(beta, steps))
    }

    /// `beta_t = 1 / (T - t + 1)`, so that `alpha_bar_t = (T - t) / T` (Sohl-Dickstein et al.
    /// 2015, for binary data). `alpha_bar_T = 0`: no eps-prediction there.
    pub fn jsd(steps: usize) -> Self {
        Self::from_betas((1..=steps).map(|t| 1.0 / (steps - t + 1) as f64))
    }

    // ANCHOR: zero_terminal_snr
    /// Shifts and scales `sqrt(alpha_bar)` so that `alpha_bar_T = 0` and `alpha_bar_1` stays (Lin
    /// et al. 2023, Algorithm 1). At `T` the input is pure noise, so eps-prediction means nothing
    /// there: use [`Target::V`](crate::denoiser::Target) and [`Path::Trailing`](super::Path).
    pub fn zero_terminal_snr(&self) -> Self {
        let root = |t: usize| (0.5 * self.log_alpha_bar[t]).exp();
        let (first, last) = (root(1), root(self.steps()));
        let rescaled = |t: usize| 2.0 * ((root(t) - last) * (first / (first - last))).ln();
        let mut log_alpha_bar: Vec<f64> = (0..=self.steps()).map(rescaled).collect();
        (log_alpha_bar[0], log_alpha_bar[1]) = (0.0, self.log_alpha_bar[1]);
        Self::from_log_alpha_bar(log_alpha_bar)
    }
    // ANCHOR_END: zero_terminal_snr
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
