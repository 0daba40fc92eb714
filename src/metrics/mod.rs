//! Measures of what was sampled.

mod energy;
mod spectrum;

pub use energy::energy_distance;
pub use spectrum::{Band, radial_spectrum};
