//! The networks and the layers they are made of.
//!
//! [`mlp`] is for points in the plane, [`unet`] for images. Both implement
//! [`Network`](crate::network::Network) and can say what they cost before they are built.

pub mod attention;
pub mod cost;
pub mod embedding;
mod layers;
pub mod lenet;
pub mod mlp;
pub mod resample;
pub mod resblock;
pub mod unet;

pub use mlp::{Mlp, MlpConfig, Time};
pub use unet::{Unet, UnetConfig};
