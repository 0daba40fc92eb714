//! Every equation so far against independent truth: exact denoisers, identities, quadrature.
//!
//! The names (A1, B3, ...) number the facts; the book quotes them.

mod cascade;
mod classifier_guidance;
mod clip;
mod conditions;
mod guidance;
mod inpainting;
mod joints;
mod learned_variance;
mod levels;
mod metrics;
mod objectives;
mod peers;
mod samplers;
mod schedules;
mod scores;
mod solvers;
mod support;
mod tables;
mod text;
