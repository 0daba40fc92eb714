//! The noise ladder: how much signal and how much noise there is at each step, and which steps a
//! sampler visits.
//!
//! `alpha_bar` is indexed `0..=T` with `alpha_bar(0) = 1`: the indices are the papers', and no
//! step is a special case. DDIM's paper writes `alpha` for what is `alpha_bar` here and in DDPM.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Tensor;

// ANCHOR: level
/// One rung of the ladder: `x_t = alpha * x0 + sigma * eps` (DDPM eq. 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The paper's 1..=T (0 is clean data); may lie between integers. Published code counts
    /// 0..T-1: `t` is the published index plus one.
    pub t: f64,
    /// How much of the clean sample is left: `sqrt(alpha_bar)`.
    pub alpha: f64,
    /// The standard deviation of the noise: `sqrt(1 - alpha_bar)`.
    pub sigma: f64,
}
// ANCHOR_END: level

impl Level {
    /// The level at time `t` with `ln(alpha_bar) = log_alpha_bar`; `expm1` keeps `sigma` exact
    /// where there is hardly any noise.
    pub fn variance_preserving(t: f64, log_alpha_bar: f64) -> Self {
        Self { t, alpha: (0.5 * log_alpha_bar).exp(), sigma: (-log_alpha_bar.exp_m1()).sqrt() }
    }

    /// The level of `x = x0 + sigma eps`, the signal left as it is (Karras et al. 2022, Table 1:
    /// `sigma(t) = t`).
    pub fn variance_exploding(sigma: f64) -> Self {
        Self { t: sigma, alpha: 1.0, sigma }
    }

    /// Signal-to-noise ratio `alpha^2 / sigma^2` (Kingma et al. 2021, eq. 2); infinite when clean.
    pub fn snr(&self) -> f64 {
        (self.alpha / self.sigma).powi(2)
    }

    /// `ln(snr)`: twice DPM-Solver's lambda.
    pub fn log_snr(&self) -> f64 {
        2.0 * (self.alpha / self.sigma).ln()
    }

    /// Nothing left to remove.
    pub fn is_clean(&self) -> bool {
        self.sigma == 0.0
    }
}

/// A variance-preserving noise schedule of `T` steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `ln(alpha_bar)`, from `t = 0` to `T`.
    log_alpha_bar: Vec<f64>,
}

/// Every published `beta` of a bent schedule is clipped here (Improved DDPM, section 3.2).
const BETA_MAX: f64 = 0.999;

impl Schedule {
    // ANCHOR: from_betas
    /// `alpha_bar_t` is the product of `1 - beta_i` up to `t` (DDPM, section 2).
    ///
    /// # Panics
    /// When there is no beta, or one outside `[0, 1]`.
    pub fn from_betas(betas: impl IntoIterator<Item = f64>) -> Self {
        let mut log_alpha_bar = vec![0.0];
        for beta in betas {
            assert!((0.0..=1.0).contains(&beta), "beta = {beta} lies outside [0, 1]");
            log_alpha_bar.push(log_alpha_bar[log_alpha_bar.len() - 1] + (-beta).ln_1p());
        }
        assert!(log_alpha_bar.len() > 1, "a schedule needs at least one step");
        Self { log_alpha_bar }
    }
    // ANCHOR_END: from_betas

    /// From `alpha_bar(u)` for `u = t/T` in `[0, 1]`; each beta clipped at 0.999.
    fn from_alpha_bar(steps: usize, alpha_bar: impl Fn(f64) -> f64) -> Self {
        let at = |t: usize| alpha_bar(t as f64 / steps as f64);
        Self::from_betas((1..=steps).map(|t| (1.0 - at(t) / at(t - 1)).min(BETA_MAX)))
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
    /// there: use [`Target::V`](crate::denoiser::Target) and [`Path::Trailing`].
    pub fn zero_terminal_snr(&self) -> Self {
        let root = |t: usize| (0.5 * self.log_alpha_bar[t]).exp();
        let (first, last) = (root(1), root(self.steps()));
        let rescaled = |t: usize| 2.0 * ((root(t) - last) * (first / (first - last))).ln();
        let mut log_alpha_bar: Vec<f64> = (0..=self.steps()).map(rescaled).collect();
        (log_alpha_bar[0], log_alpha_bar[1]) = (0.0, self.log_alpha_bar[1]);
        Self { log_alpha_bar }
    }
    // ANCHOR_END: zero_terminal_snr

    /// `T`.
    pub fn steps(&self) -> usize {
        self.log_alpha_bar.len() - 1
    }

    /// `alpha_bar_t`; 1 at `t = 0`.
    ///
    /// # Panics
    /// When `t > T`, like every function of `t` here.
    pub fn alpha_bar(&self, t: usize) -> f64 {
        self.log_alpha_bar[self.checked(t)].exp()
    }

    /// `beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}`, for `t` in `1..=T`.
    pub fn beta(&self, t: usize) -> f64 {
        assert!(t >= 1, "beta_0 does not exist: nothing comes before the clean sample");
        -(self.log_alpha_bar[self.checked(t)] - self.log_alpha_bar[t - 1]).exp_m1()
    }

    /// The rung `t` of `0..=T`.
    pub fn level(&self, t: usize) -> Level {
        Level::variance_preserving(t as f64, self.log_alpha_bar[self.checked(t)])
    }

    // ANCHOR: at
    /// The level at a real `t` in `[0, T]`: `ln(alpha_bar)` is linear between the rungs.
    ///
    /// # Panics
    /// When `t` lies outside `[0, T]`, or between the last two rungs of a schedule whose
    /// `alpha_bar_T` is 0 (no line leads to minus infinity).
    pub fn at(&self, t: f64) -> Level {
        let below = t.floor();
        let lower = self.log_alpha_bar[self.checked(below as usize)];
        let log_alpha_bar = if t == below {
            lower
        } else {
            let upper = self.log_alpha_bar[self.checked(below as usize + 1)];
            assert!(upper.is_finite(), "no level between {below} and T = {}", self.steps());
            lower + (upper - lower) * (t - below)
        };
        Level::variance_preserving(t, log_alpha_bar)
    }
    // ANCHOR_END: at

    /// The level whose `ln(alpha^2 / sigma^2)` is `log_snr`: the inverse of
    /// `self.at(t).log_snr()`, exact within each straight piece of [`Schedule::at`].
    ///
    /// # Panics
    /// When `log_snr` lies below the ladder's last rung.
    pub fn at_log_snr(&self, log_snr: f64) -> Level {
        let wanted = -(-log_snr).exp().ln_1p(); // ln(alpha_bar) = ln sigmoid(log_snr)
        let above = self.log_alpha_bar.partition_point(|&rung| rung > wanted);
        let slack = 1e-12 * wanted.abs(); // log_snr of the last rung itself, rounded
        if above > self.steps() {
            let last = self.level(self.steps());
            let reachable = self.log_alpha_bar[self.steps()] <= wanted + slack;
            assert!(reachable, "log-SNR {log_snr} is below the last rung's {}", last.log_snr());
            return last;
        }
        let (upper, lower) = (self.log_alpha_bar[above], self.log_alpha_bar[above.max(1) - 1]);
        assert!(upper.is_finite(), "no level between {} and T = {}", above - 1, self.steps());
        let within = if upper == lower { 0.0 } else { (wanted - lower) / (upper - lower) };
        Level::variance_preserving((above.max(1) - 1) as f64 + within, wanted)
    }

    /// The levels a sampler visits: `n` noisy rungs in falling order, then the clean level.
    ///
    /// # Panics
    /// When `n` is not in `1..=T`.
    pub fn path(&self, path: Path, n: usize) -> Vec<Level> {
        assert!(
            (1..=self.steps()).contains(&n),
            "{n} steps do not fit a schedule of {}",
            self.steps()
        );
        // Between the rungs the ends are the first and the last rung themselves.
        let (top, bottom) = (self.level(self.steps()), self.level(1));
        let rising = |log_snr: f64| self.at_log_snr(log_snr.clamp(top.log_snr(), bottom.log_snr()));
        let noisy: Vec<Level> = match path {
            Path::LogSnr => ramp(n, top.log_snr(), bottom.log_snr()).map(rising).collect(),
            Path::Karras => {
                let sigmas = karras(n, bottom.sigma / bottom.alpha, top.sigma / top.alpha);
                sigmas.map(|sigma| rising(-2.0 * sigma.ln())).collect()
            }
            _ => path.times(self.steps(), n).into_iter().map(|t| self.level(t)).collect(),
        };
        noisy.into_iter().chain([self.level(0)]).collect()
    }

    /// One `t` a sample, uniform over `1..=T`, both ends included (DDPM, Algorithm 1, line 3):
    /// `[batch]`, int64, on the CPU, from libtorch's generator.
    pub fn draw_t(&self, batch: i64) -> Tensor {
        let past_the_end = self.steps() as i64 + 1;
        Tensor::randint_low(1, past_the_end, [batch], (tch::Kind::Int64, tch::Device::Cpu))
    }

    /// Per-sample numbers for training: `f(level)` for each `t` of `[B]`, shaped `[B, 1, ..., 1]`
    /// to multiply `like`, on its device and of its kind. Computed on the CPU in f64 by the same
    /// scalar formulas that sampling uses.
    ///
    /// # Panics
    /// When `t` and `like` differ in batch size.
    pub fn per_sample(&self, t: &Tensor, like: &Tensor, f: impl Fn(Level) -> f64) -> Tensor {
        let times = Vec::<i64>::try_from(t).expect("t must be one integer a sample");
        let mut shape = vec![1; like.dim()];
        shape[0] = like.size()[0];
        assert_eq!(times.len() as i64, shape[0], "t is {:?}, x is {:?}", t.size(), like.size());
        let values: Vec<f64> = times.iter().map(|&t| f(self.level(t as usize))).collect();
        Tensor::from_slice(&values).view(&shape[..]).to_kind(like.kind()).to_device(like.device())
    }

    fn checked(&self, t: usize) -> usize {
        assert!(t <= self.steps(), "t = {t} lies beyond the last step T = {}", self.steps());
        t
    }
}

/// Which rungs a sampler of `n` steps visits; the choice decides the result, so every table names
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// 1, 101, ..., 901 for 10 of 1000: the DDIM code's default, "leading" elsewhere. Starts well
    /// below `T`.
    Uniform,
    /// Squares of an even grid up to `0.8 T`: 1, 10, 40, ..., 801. DDIM's choice for CIFAR-10.
    /// Where squares fall on the same rung the rung is visited once, since a step from `t` to `t`
    /// changes nothing: such paths have fewer than `n` steps.
    Quadratic,
    /// Evenly from 1 to `T`, both visited (Improved DDPM).
    Linspace,
    /// Evenly down from `T`: 1000, 900, ..., 100 (Lin et al. 2023, Table 2).
    Trailing,
    /// Evenly in the log SNR from `T` to 1, both visited, between the rungs (DPM-Solver, section
    /// 3.4).
    LogSnr,
    /// Evenly in the seventh root of sigma / alpha from `T` to 1, between the rungs (Karras et al.
    /// 2022, eq. 5): most of them where there is little noise.
    Karras,
}

impl fmt::Display for Path {
    /// As flags and files spell it: `log-snr`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no path is hidden").get_name())
    }
}

impl Path {
    /// The paper's indices `t` in falling order, without the final 0. Rounds half to even, as
    /// numpy and so the published code does.
    fn times(self, steps: usize, n: usize) -> Vec<usize> {
        let (t_max, count) = (steps as f64, n as f64);
        // numpy's linspace to the last bit: multiples of a step, then the end itself.
        let even = |end: f64, i: usize| match i {
            0 => 0.0,
            _ if i == n - 1 => end,
            _ => i as f64 * (end / (count - 1.0)),
        };
        let time = |i: usize| match self {
            Path::Uniform => i * (steps / n) + 1,
            Path::Quadratic => even((t_max * 0.8).sqrt(), i).powi(2) as usize + 1,
            Path::Linspace => even(t_max - 1.0, i).round_ties_even() as usize + 1,
            Path::Trailing => (t_max * (i as f64 + 1.0) / count).round_ties_even() as usize,
            Path::LogSnr | Path::Karras => unreachable!("these lie between the rungs"),
        };
        let mut times: Vec<usize> = (0..n).rev().map(time).collect();
        times.dedup();
        times
    }
}

/// A schedule as it stands in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    Linear { steps: usize, first: f64, last: f64 },
    Cosine { steps: usize, s: f64 },
    Quadratic { steps: usize, first: f64, last: f64 },
    SigmoidBeta { steps: usize, first: f64, last: f64, from: f64, to: f64 },
    SigmoidAlphaBar { steps: usize, start: f64, end: f64, tau: f64 },
}

impl Default for ScheduleConfig {
    /// The paper's: linear, 1000 steps from 1e-4 to 0.02.
    fn default() -> Self {
        Self::Linear { steps: 1000, first: 1e-4, last: 0.02 }
    }
}

impl ScheduleConfig {
    pub fn build(self) -> Schedule {
        match self {
            Self::Linear { steps, first, last } => Schedule::linear(steps, first, last),
            Self::Cosine { steps, s } => Schedule::cosine(steps, s),
            Self::Quadratic { steps, first, last } => Schedule::quadratic(steps, first, last),
            Self::SigmoidBeta { steps, first, last, from, to } => {
                Schedule::sigmoid_beta(steps, first, last, from, to)
            }
            Self::SigmoidAlphaBar { steps, start, end, tau } => {
                Schedule::sigmoid_alpha_bar(steps, start, end, tau)
            }
        }
    }
}

/// `n` values of `sigma / alpha` from `max` down to `min`, equally spaced in their seventh root
/// (Karras et al. 2022, eq. 5 with `rho = 7`): most of them where there is little noise.
pub fn karras(n: usize, min: f64, max: f64) -> impl Iterator<Item = f64> {
    ramp(n, max.powf(1.0 / RHO), min.powf(1.0 / RHO)).map(|root| root.powf(RHO))
}

const RHO: f64 = 7.0;

/// `n` equally spaced numbers, both ends included (`first` alone when `n` is 1).
fn ramp(n: usize, first: f64, last: f64) -> impl Iterator<Item = f64> {
    let gaps = (n.max(2) - 1) as f64;
    (0..n).map(move |i| first + (last - first) * i as f64 / gaps)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
