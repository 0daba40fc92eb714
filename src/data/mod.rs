//! Data: points in the plane with a known density, and images that stay `u8` until they are used.
//!
//! Every random choice here depends on a seed and an index, never on how many were drawn before:
//! point `i` of a toy distribution and the batch of step `k` are the same in a resumed run, in
//! larger batches and on every platform.

pub mod captions;
pub mod cifar10;
pub mod dataset;
pub mod error;
mod format;
pub mod idx;
pub mod image_folder;
pub mod indices;
pub mod mask;
pub mod mnist;
pub mod picture;
pub mod resize;
pub mod sample;
pub mod source;
pub mod toy2d;

pub use dataset::{Dataset, from_u8, to_u8};
pub use error::{BadPicture, Error, Result};
pub use format::{Color, Format, Split};
pub use image_folder::{BadPictures, PassedOver, load_pictures};
pub use indices::batch_indices;
pub use mask::Mask;
pub use picture::load_picture;
pub use resize::{Interpolation, reduce};
pub use source::{Source, data_dir};
pub use toy2d::Toy;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// The stream of random numbers that belongs to (`seed`, `purpose`, `index`).
///
/// `purpose` keeps data, shuffling and noise unrelated under one seed: without it, the same
/// numbers could place a point and later noise it.
fn stream(seed: u64, purpose: &[u8; 8], index: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(purpose);
    let mut rng = ChaCha12Rng::from_seed(key);
    rng.set_stream(index);
    rng
}
