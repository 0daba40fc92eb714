//! Noise schedules: how much signal and how much noise there is at each step, and which steps a
//! sampler visits.
//!
//! `alpha_bar` is indexed `0..=T` with `alpha_bar(0) = 1`: the indices are the papers', and no
//! step is a special case. DDIM's paper writes `alpha` for what is `alpha_bar` here and in DDPM.

mod config;
mod kinds;
mod level;
mod levels;
mod path;

pub use config::ScheduleConfig;
pub use level::{Coefficient, Level};
pub use levels::{Levels, per_sample};
pub use path::{Path, PathError, karras};

use levels::Columns;
use std::rc::Rc;

/// A variance-preserving noise schedule of `T` steps.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// `ln(alpha_bar)`, from `t = 0` to `T`.
    log_alpha_bar: Rc<[f64]>,
    columns: Columns,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.log_alpha_bar == other.log_alpha_bar
    }
}

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
        Self::from_log_alpha_bar(log_alpha_bar)
    }
    // ANCHOR_END: from_betas

    fn from_log_alpha_bar(log_alpha_bar: Vec<f64>) -> Self {
        Self { log_alpha_bar: log_alpha_bar.into(), columns: Columns::default() }
    }

    /// The number of noisy levels, `T`.
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

    /// The level `t` of `0..=T`.
    pub fn level(&self, t: usize) -> Level {
        Level::variance_preserving(self.log_alpha_bar[self.checked(t)])
    }

    // ANCHOR: at
    /// The level at a real `t` in `[0, T]`: `ln(alpha_bar)` is linear between the integers.
    ///
    /// # Panics
    /// When `t` lies outside `[0, T]`, or between the last two levels of a schedule whose
    /// `alpha_bar_T` is 0 (no line leads to minus infinity).
    pub fn at(&self, t: f64) -> Level {
        assert!(t >= 0.0, "t = {t} lies outside [0, T], T = {}", self.steps());
        let below = t.floor();
        let lower = self.log_alpha_bar[self.checked(below as usize)];
        if t == below {
            return Level::variance_preserving(lower);
        }
        let upper = self.log_alpha_bar[self.checked(below as usize + 1)];
        assert!(upper.is_finite(), "no level between {below} and T = {}", self.steps());
        Level::variance_preserving(lower + (upper - lower) * (t - below))
    }
    // ANCHOR_END: at

    // ANCHOR: t_of
    /// Which `t` in `[0, T]` this schedule calls a level: the inverse of [`Schedule::at`], by the
    /// level's SNR alone, so that it also serves variance-exploding levels (k-diffusion's
    /// `sigma_to_t`). A level with more noise than the last is called `T`.
    ///
    /// Published code counts the levels from 0 to `T - 1`: this `t` is its index plus one.
    pub fn t_of(&self, at: Level) -> f64 {
        let wanted = log_alpha_bar(at.log_snr());
        let above = self.log_alpha_bar.partition_point(|&level| level > wanted);
        if above == 0 || above > self.steps() {
            return above.min(self.steps()) as f64;
        }
        let (lower, upper) = (self.log_alpha_bar[above - 1], self.log_alpha_bar[above]);
        if !upper.is_finite() {
            return above as f64;
        }
        let t = (above - 1) as f64 + (wanted - lower) / (upper - lower);
        if (t - t.round()).abs() < 1e-6 { t.round() } else { t } // free of rounding errors
    }
    // ANCHOR_END: t_of

    /// The level whose `ln(alpha^2 / sigma^2)` is `log_snr`.
    ///
    /// # Panics
    /// When `log_snr` lies below that of the last level.
    pub fn at_log_snr(&self, log_snr: f64) -> Level {
        let wanted = log_alpha_bar(log_snr);
        let last = self.log_alpha_bar[self.steps()];
        if wanted >= last {
            return Level::variance_preserving(wanted);
        }
        let rounded = last <= wanted + 1e-12 * wanted.abs(); // the last level itself
        let level = self.level(self.steps());
        assert!(rounded, "log-SNR {log_snr} is below the last level's {}", level.log_snr());
        level
    }

    fn checked(&self, t: usize) -> usize {
        assert!(t <= self.steps(), "t = {t} lies beyond the last step T = {}", self.steps());
        t
    }
}

/// `ln(alpha_bar) = ln sigmoid(log_snr)`.
fn log_alpha_bar(log_snr: f64) -> f64 {
    -(-log_snr).exp().ln_1p()
}

/// `n` equally spaced numbers, both ends included (`first` alone when `n` is 1).
fn ramp(n: usize, first: f64, last: f64) -> impl Iterator<Item = f64> {
    let gaps = (n.max(2) - 1) as f64;
    (0..n).map(move |i| first + (last - first) * i as f64 / gaps)
}
