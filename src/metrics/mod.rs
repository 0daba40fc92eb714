//! Measures of what was sampled.

mod alignment;
mod classes;
mod energy;
mod feature_net;
mod frechet;
mod inception;
mod inception_score;
mod jackknife;
mod kid;
mod mean_std;
mod memorization;
mod neighbors;
mod precision_recall;
mod seam;
mod similarity;
mod spectrum;

pub use alignment::{Alignment, Share, Shown, alignment};
pub use classes::{
    ClassHistogram, ClassifierConfig, accuracy, class_histogram, classification_accuracy_score,
    classifier_step, confident_share,
};
pub use energy::energy_distance;
pub use feature_net::{FeatureExtractor, FeatureNet, TEST_MOMENTS, TRAIN_MOMENTS};
pub use frechet::{Moments, enough_images, frechet_distance, frechet_of_gaussians};
pub use inception::InceptionNet;
pub use inception_score::inception_score;
pub use jackknife::{GROUPS, Groups};
pub use kid::{KidConfig, kid, squared_mmd};
pub use mean_std::MeanStd;
pub use memorization::{Memorization, memorization};
pub use neighbors::{Neighbors, nearest_neighbors};
pub use precision_recall::{PrecisionRecall, precision_recall};
pub use seam::seam;
pub use similarity::{psnr, ssim};
pub use spectrum::{Band, radial_spectrum};
