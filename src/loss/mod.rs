//! What training minimises: the simple loss and its kin, and the variational bound they stand for.

mod hybrid;
mod schedule_sampler;
mod simple;
mod vlb;

pub use hybrid::{LAMBDA, Objective, l_hybrid, l_vlb_t};
pub use schedule_sampler::{LossSecondMoment, ScheduleSampler, TimeSampler};
pub use simple::{Weighting, draw_lognormal, l_simple, l_target};
pub use vlb::{
    Decoder, Vlb, discretised_log_likelihood, kl, kl_term, l_0, l_T, l_t, l_vlb, nll_term,
    reverse_steps, vlb_term,
};

use tch::Tensor;

/// The mean over all but the batch: `[B, ...] -> [B]`.
fn per_image(x: &Tensor) -> Tensor {
    x.flatten(1, -1).mean_dim(1, false, None)
}
