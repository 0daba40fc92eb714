//! The networks and the layers they are made of.
//!
//! [`mlp`] is for points in the plane, [`unet`] for images. Both implement
//! [`Network`](crate::network::Network) and can say what they cost before they are built; a
//! [`conditioned`] network has an encoder before it, such as [`class_embedding`] or [`text_encoder`]; [`conditions`] holds
//! all that an image model can be told.

pub mod attention;
pub mod attention_pool;
pub mod class_embedding;
pub mod clip;
pub mod conditioned;
pub mod conditions;
pub mod cost;
pub mod embedding;
pub mod inception;
mod layers;
pub mod lenet;
pub mod mlp;
pub mod resample;
pub mod resblock;
pub mod text_encoder;
pub mod transformer;
pub mod unet;

pub use class_embedding::{ClassEmbedding, ClassLabels};
pub use clip::ClipModel;
pub use conditioned::{Conditioned, Encode};
pub use conditions::{ConditioningImage, Conditions, ConditionsEncoder, ImageEncoder};
pub use inception::Inception;
pub use mlp::{Mlp, MlpConfig, Time};
pub use text_encoder::{Captions, TextConfig, TextEncoder, TextTransformer};
pub use unet::{Unet, UnetClassifier, UnetConfig};
