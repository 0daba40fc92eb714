//! Samplers: plain functions over a [`Denoiser`](crate::denoiser::Denoiser) and a path of
//! [`Level`](crate::schedule::Level)s, from noise to the clean level.
//!
//! Respacing is the choice of the path; clipping and guidance wrap the denoiser; watching is
//! [`Record`](crate::guide::Record). So each sampler is only its own few lines.

mod ddim;
mod ddpm;
mod dpm_solver;
mod heun;

pub use ddim::{ddim, ddim_step};
pub use ddpm::ddpm;
pub use dpm_solver::{Slow, dpm_solver};
pub use heun::heun;
