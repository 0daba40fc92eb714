//! Diffusion models, one concept a module: to read them, run them, and trust what was run.
//!
//! Data flows one way, and a module uses only what stands to its left:
//!
//! ```text
//! data > schedule > forward > conditioning > network > nn > denoiser > loss > train > checkpoint
//!      > pretrained > guide > sample > metrics > evaluate > plot
//! ```
//!
//! ([`noise`] stands before all of them, and so does most of [`util`], which holds what any program
//! needs: devices, files, progress. Only its results and its command line stand at the end.)
//!
//! - The papers' mathematics is plain numbers and tensors: [`schedule`], [`forward`], [`loss`].
//! - A [`network`] answers; a [`Model`](denoiser::Model) knows what the answer means; a
//!   [`Denoiser`](denoiser::Denoiser) is all that a sampler sees.
//! - A sampler is a plain function from a denoiser and a path of levels to samples: [`sample`].
//! - What changes or watches a denoiser wraps it: [`guide`].
//!
//! # Symbols
//!
//! | paper | Rust | meaning |
//! |---|---|---|
//! | $x_0$ | `x0` | clean sample |
//! | $x_t$ | `x_t` | sample at noise level `t` |
//! | $x_T$ | `x_T` | where sampling starts: pure noise |
//! | $\epsilon$ | `eps` | all the noise in `x_t`, standard normal |
//! | $T$ | `steps()` | number of noisy levels of the schedule |
//! | $t$, $s$ | `t`, `s` | a level and its destination, `s < t`; `t = 0` is clean |
//! | $\beta_t$ | `beta` | variance added by step `t` |
//! | $\bar\alpha_t$ | `alpha_bar` | signal variance left at `t`; DDIM's paper writes $\alpha_t$ |
//! | $\sqrt{\bar\alpha_t}$, $\sqrt{1-\bar\alpha_t}$ | `alpha`, `sigma` | `x_t = alpha x0 + sigma eps` |
//! | $\tilde\beta_t$ | `var_small` | posterior variance |
//! | $\eta$ | `eta` | DDIM's share of fresh noise: 0 deterministic, 1 DDPM |
//! | $\nu$ | `nu` | learned variance as a fraction between $\tilde\beta$ (0) and $\beta$ (1) |
//! | $v$ | `v` | velocity, $\alpha\epsilon - \sigma x_0$ |

pub mod checkpoint;
pub mod conditioning;
pub mod data;
pub mod denoiser;
pub mod evaluate;
pub mod forward;
pub mod guide;
pub mod loss;
pub mod metrics;
pub mod network;
pub mod nn;
pub mod noise;
pub mod plot;
pub mod pretrained;
pub mod sample;
pub mod schedule;
pub mod train;
pub mod util;

/// What a notebook's first cell wants: `use from_noise::prelude::*;`.
pub mod prelude {
    pub use crate::conditioning::{Condition, Conditioning};
    pub use crate::data::Toy;
    pub use crate::denoiser::{
        BestVariance, Denoised, Denoiser, Gaussian, Head, Mixture, Model, Parameterization, Target,
        TimeInput,
    };
    pub use crate::evaluate::{Classes, Generator, ImageSampler, Sampler, Sampling, score};
    pub use crate::forward::{Variance, posterior, q_sample};
    pub use crate::guide::{ClassifierFree, DenoiserExt, Guidance, OnePass, log_prob_gradient};
    pub use crate::loss::{
        Decoder, LossSecondMoment, Objective, Weighting, l_hybrid, l_simple, l_target, l_vlb,
    };
    pub use crate::metrics::{FeatureExtractor, FeatureNet};
    pub use crate::nn::{ClassLabels, Mlp, MlpConfig};
    pub use crate::noise::{Seeded, gaussian};
    pub use crate::plot::{Curves, Density, Figure, Gif, Grid, Scatter, Trajectories};
    pub use crate::pretrained::{Pretrained, PretrainedClassifier};
    pub use crate::sample::{
        Churn, GradientAt, MeanShift, Prediction, ddim, ddim_invert, ddpm, ddpm_guided, dpm_solver,
        dpm_solver_2, dpm_solver_3, dpm_solver_sde, edm, heun, slerp, unipc,
    };
    pub use crate::schedule::{Level, Path, Schedule};
    pub use crate::train::{TrainConfig, Trainer};
    pub use tch::{self, Device, Kind, Tensor};
}

/// The README's listing is compiled and run like any other example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
