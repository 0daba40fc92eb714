//! Samplers: plain functions over a [`Denoiser`](crate::denoiser::Denoiser) and a path of
//! [`Level`](crate::schedule::Level)s, from noise to the clean level.
//!
//! Respacing is the choice of the path; clipping and guidance wrap the denoiser; watching is
//! [`Record`](crate::guide::Record). So each sampler is only its own few lines.
//!
//! Under other names: DPM-Solver-1 and Euler's method in `sigma / alpha` are [`ddim`] with
//! `eta = 0`, and ancestral Euler is [`ddim`] with `eta = 1`, which is [`ddpm`] with the small
//! variance.

mod ddim;
mod ddpm;
mod ddpm_guided;
mod dpm_solver;
mod heun;
mod interpolate;
mod repaint;
mod unipc;

pub use ddim::{ddim, ddim_invert, ddim_step};
pub use ddpm::ddpm;
pub use ddpm_guided::{GradientAt, MeanShift, ddpm_guided};
pub use dpm_solver::{Prediction, dpm_solver, dpm_solver_2, dpm_solver_3, dpm_solver_sde};
pub use heun::{Churn, edm, heun};
pub use interpolate::slerp;
pub use repaint::{Resampling, repaint};
pub use unipc::unipc;
