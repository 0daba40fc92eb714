//! Diffusion models, one concept a module.

pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod denoiser;
pub mod device;
pub mod forward;
pub mod guide;
pub mod loss;
pub mod malloc;
pub mod metrics;
pub mod network;
pub mod nn;
pub mod noise;
pub mod plot;
pub mod progress;
pub mod results;
pub mod sample;
pub mod schedule;
pub mod train;
