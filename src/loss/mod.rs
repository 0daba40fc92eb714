//! What training minimises: the simple loss, and the variational bound it stands for.

mod simple;
mod vlb;

pub use simple::{Weighting, l_simple};
pub use vlb::{Decoder, Vlb, discretised_log_likelihood, kl, l_0, l_T, l_t, l_vlb};

use tch::{Kind, Tensor};

/// The mean over all but the batch: `[B, ...] -> [B]`.
fn per_image(x: &Tensor) -> Tensor {
    x.flatten(1, -1).mean_dim(1, false, Kind::Double)
}
