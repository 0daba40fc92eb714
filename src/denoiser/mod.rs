//! What every sampler sees: a [`Denoiser`] turns a noisy sample into a prediction about the clean one.
//!
//! The prediction is a pair, the clean sample `x0` and the noise `eps`, always tied by
//! `x_t = alpha * x0 + sigma * eps`. Networks become denoisers in [`Model`]; data whose answer is
//! known in closed form are in [`exact`].

pub mod exact;
mod model;

pub use exact::{BestVariance, Gaussian, Mixture};
pub use model::{Given, Head, Model, Parameterization, Preconditioning, Target, TimeInput};

use crate::schedule::{Coefficient, Level};
use tch::Tensor;

// ANCHOR: denoised
/// One prediction, two views of it. The fields are private so that the tie
/// `x_t = alpha * x0 + sigma * eps` cannot break.
#[derive(Debug)]
pub struct Denoised {
    x0: Tensor,
    eps: Tensor,
    nu: Option<Tensor>,
}
// ANCHOR_END: denoised

impl Denoised {
    // ANCHOR: views
    /// The prediction with this noise: DDPM eq. 4 solved for `x0`, "predicted x0" of DDIM eq. 12.
    ///
    /// # Panics
    /// When `alpha = 0`: pure noise says nothing about the sample through its noise.
    pub fn from_eps<C: Coefficient>(x_t: &Tensor, at: Level<C>, eps: Tensor) -> Self {
        let signal = at.alpha.number().is_none_or(|alpha| alpha > 0.0);
        assert!(signal, "eps-prediction is meaningless at alpha = 0, where nothing is left of x0");
        same_shape("eps", &eps, x_t);
        let x0 = (x_t - at.sigma.tensor() * &eps) / at.alpha.tensor();
        Self { x0, eps, nu: None }
    }

    /// The prediction with this clean sample. At a clean level there is no noise to speak of: `eps` is then zero.
    pub fn from_x0<C: Coefficient>(x_t: &Tensor, at: Level<C>, x0: Tensor) -> Self {
        same_shape("x0", &x0, x_t);
        let eps = match at.sigma.number() {
            Some(0.0) => x_t.zeros_like(),
            _ => (x_t - at.alpha.tensor() * &x0) / at.sigma.tensor(),
        };
        Self { x0, eps, nu: None }
    }

    /// The prediction with this velocity, `v = alpha * eps - sigma * x0` (Salimans & Ho 2022, section 4), which
    /// determines both views even where `alpha` or `sigma` is 0.
    ///
    /// # Panics
    /// When `alpha^2 + sigma^2` is not 1.
    pub fn from_v<C: Coefficient>(x_t: &Tensor, at: Level<C>, v: Tensor) -> Self {
        if let (Some(alpha), Some(sigma)) = (at.alpha.number(), at.sigma.number()) {
            let total = alpha.powi(2) + sigma.powi(2);
            assert!((total - 1.0).abs() < 1e-9, "v needs alpha^2 + sigma^2 = 1, found {total}");
        }
        same_shape("v", &v, x_t);
        let (alpha, sigma) = (at.alpha.tensor(), at.sigma.tensor());
        let x0 = &alpha * x_t - &sigma * &v;
        Self { x0, eps: sigma * x_t + alpha * &v, nu: None }
    }
    // ANCHOR_END: views

    /// The clean sample, as predicted.
    pub fn x0(&self) -> &Tensor {
        &self.x0
    }

    /// All the noise in `x_t`, as predicted (not the last step's increment).
    pub fn eps(&self) -> &Tensor {
        &self.eps
    }

    /// The learned variance as a fraction between `beta_tilde` (0) and `beta` (1), in the log
    /// (Improved DDPM eq. 15). Nothing keeps the network inside of 0 and 1.
    pub fn nu(&self) -> Option<&Tensor> {
        self.nu.as_ref()
    }

    /// The score `grad log p(x_t) = -eps / sigma`.
    pub fn score(&self, at: Level) -> Tensor {
        -&self.eps / at.sigma
    }

    pub fn with_nu(self, nu: Option<Tensor>) -> Self {
        Self { nu, ..self }
    }

    /// Changes the clean sample and derives `eps` again. At a clean level nothing is in doubt, and
    /// the prediction stays as it is.
    pub fn map_x0(self, x_t: &Tensor, at: Level, f: impl FnOnce(&Tensor) -> Tensor) -> Self {
        if at.is_clean() {
            return self;
        }
        Self::from_x0(x_t, at, f(&self.x0)).with_nu(self.nu)
    }

    /// Takes this clean sample where `mask` (bool) is true, and derives `eps` there; elsewhere both
    /// stay as they are, to the last bit.
    pub fn with_x0_where(self, x_t: &Tensor, at: Level, mask: &Tensor, x0: &Tensor) -> Self {
        if at.is_clean() {
            return self;
        }
        let known = Self::from_x0(x_t, at, x0.expand_as(x_t));
        let pick = |theirs: &Tensor, ours: &Tensor| theirs.where_self(mask, ours);
        Self { x0: pick(&known.x0, &self.x0), eps: pick(&known.eps, &self.eps), nu: self.nu }
    }

    /// Changes the noise and derives `x0` again.
    pub fn map_eps(self, x_t: &Tensor, at: Level, f: impl FnOnce(&Tensor) -> Tensor) -> Self {
        Self::from_eps(x_t, at, f(&self.eps)).with_nu(self.nu)
    }

    /// The velocity `alpha * eps - sigma * x0` of the level scaled to `alpha^2 + sigma^2 = 1`.
    pub fn v(&self, at: Level) -> Tensor {
        let unit = at.of_unit_variance();
        unit.alpha * &self.eps - unit.sigma * &self.x0
    }

    /// Changes the velocity and derives `x0` and `eps` again.
    pub fn map_v(self, x_t: &Tensor, at: Level, f: impl FnOnce(&Tensor) -> Tensor) -> Self {
        let (unit, v) = (at.of_unit_variance(), f(&self.v(at)));
        Self::from_v(&(x_t / at.std()), unit, v).with_nu(self.nu)
    }

    // ANCHOR: lerp
    /// The prediction on the line from this one to another: `self + share (other - self)`, both
    /// views alike; the learned variance is the other's. The shares sum to 1, so that
    /// `x_t = alpha * x0 + sigma * eps` stays true.
    pub fn lerp(&self, other: &Self, share: f64) -> Self {
        let line = |from: &Tensor, to: &Tensor| from + share * (to - from);
        let nu = other.nu.as_ref().map(Tensor::shallow_clone);
        Self { x0: line(&self.x0, &other.x0), eps: line(&self.eps, &other.eps), nu }
    }
    // ANCHOR_END: lerp

    /// The predictions about the first and the second half of the batch.
    pub fn halves(&self) -> [Self; 2] {
        [0, 1].map(|half| {
            let half = |x: &Tensor| x.chunk(2, 0).swap_remove(half);
            let nu = self.nu.as_ref().map(half);
            Self { x0: half(&self.x0), eps: half(&self.eps), nu }
        })
    }
}

fn same_shape(name: &str, view: &Tensor, x_t: &Tensor) {
    assert_eq!(view.size(), x_t.size(), "{name} and x_t differ in shape");
}

// ANCHOR: denoiser
/// The one trait every sampler sees: no condition, no schedule, no training flag.
pub trait Denoiser {
    /// The prediction about `x_t` (`[B, ...]`), the whole batch at level `at`.
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised;
}
// ANCHOR_END: denoiser

impl<D: Denoiser + ?Sized> Denoiser for &D {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        (**self).denoise(x_t, at)
    }
}

impl<D: Denoiser + ?Sized> Denoiser for Box<D> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        (**self).denoise(x_t, at)
    }
}
