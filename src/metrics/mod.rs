//! Measures of what was sampled.

mod classes;
mod energy;
mod feature_net;
mod frechet;
mod jackknife;
mod spectrum;

pub use classes::{
    ClassHistogram, ClassifierConfig, accuracy, class_histogram, classification_accuracy_score,
    classifier_step,
};
pub use energy::energy_distance;
pub use feature_net::{FeatureExtractor, FeatureNet};
pub use frechet::{Moments, enough_images, frechet_distance, frechet_of_gaussians};
pub use jackknife::{GROUPS, Groups};
pub use spectrum::{Band, radial_spectrum};
