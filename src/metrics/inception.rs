//! The feature extractor of FID proper: Inception's last pool.

use super::{FeatureExtractor, Moments};
use crate::checkpoint::{CheckpointError, fingerprint, first_digits, load_published};
use crate::data::Dataset;
use crate::nn::Inception;
use sha2::{Digest, Sha256};
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// pytorch-fid's Inception, and the moments of the images that samples are compared with.
///
/// Numbers are called FID only with the published weights,
/// `pt_inception-2015-12-05-6726825d.pth`, and are then those of pytorch-fid: Inception as StyleGAN
/// and EDM load it resizes in another way and differs by a few tenths.
#[derive(Debug)]
pub struct InceptionNet {
    net: Inception,
    device: Device,
    hash: String,
    shape: [i64; 3],
    reference: Option<Moments>,
}

/// How pictures are brought to the network: part of what statistics are of.
const PREPROCESSING: &str = "u8 / 255, gray repeated, bilinear to 299 without antialias, 2x - 1";

/// Pictures of 299 x 299 at a time: each takes some 30 MB in the first layers.
const BATCH: i64 = 25;

impl InceptionNet {
    /// The hash of the published weights; the first eight digits end their name.
    pub const PUBLISHED: &str = "6726825d0af5";

    /// Reads the weights, a `.pth` as published or a safetensors file with the same names, to
    /// measure images of `shape: [C, H, W]`, C being 1 or 3.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another network.
    pub fn load(
        weights: impl AsRef<Path>,
        shape: [i64; 3],
        device: Device,
    ) -> Result<Self, CheckpointError> {
        let weights = weights.as_ref();
        let mut vs = nn::VarStore::new(device);
        let net = Inception::new(&vs.root());
        // how many batches were seen in training: of no use, and not in every copy
        let used = |name: &str| !name.ends_with("num_batches_tracked");
        load_published(&vs, weights, |name| used(name).then(|| name.to_owned()))?;
        vs.freeze();
        Ok(Self { net, device, hash: fingerprint(weights)?, shape, reference: None })
    }

    /// Compares samples with these images. Their moments are kept in the folder `cache`, by the
    /// weights, the images, their number and how they are brought to the network, and found there
    /// the next time.
    ///
    /// # Errors
    /// A cache that cannot be read or written.
    pub fn compared_with(self, data: &Dataset, cache: &Path) -> Result<Self, CheckpointError> {
        let images = data.images.to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0; images.numel()];
        images.copy_data_u8(&mut bytes, images.numel());
        let key = Sha256::new()
            .chain_update(&self.hash)
            .chain_update(PREPROCESSING)
            .chain_update(format!("{:?}", images.size()))
            .chain_update(&bytes)
            .finalize();
        let path = cache.join(format!("inception-{}.safetensors", first_digits(&key, 16)));
        let moments = match path.exists() {
            true => Moments::load(&path)?,
            false => {
                let moments = Moments::of(self.dim(), &data.images, |pixels| self.features(pixels));
                moments.save(&path)?;
                moments
            }
        };
        Ok(Self { reference: Some(moments), ..self })
    }
}

impl FeatureExtractor for InceptionNet {
    fn hash(&self) -> &str {
        &self.hash
    }

    /// None with the published weights.
    fn suffix(&self) -> &str {
        match self.hash == Self::PUBLISHED {
            true => "",
            false => "-of-other-weights",
        }
    }

    /// FID with the published weights alone.
    fn metric(&self) -> String {
        let name = if self.hash == Self::PUBLISHED { "FID" } else { "FD-Inception" };
        name.into()
    }

    fn shape(&self) -> [i64; 3] {
        self.shape
    }

    fn dim(&self) -> i64 {
        Inception::FEATURES
    }

    fn features(&self, pixels: &Tensor) -> Tensor {
        assert_eq!(pixels.kind(), Kind::Uint8, "scores are of u8 pictures: see data::to_u8");
        let _guard = tch::no_grad_guard();
        let some = |pixels: &Tensor| {
            let x = pixels.to_device(self.device).expand([-1, 3, -1, -1], false);
            self.net.features(&(x.to_kind(Kind::Float) / 255.0))
        };
        let parts: Vec<_> = pixels.split(BATCH, 0).iter().map(some).collect();
        Tensor::cat(&parts, 0)
    }

    /// # Panics
    /// Before [`compared_with`](InceptionNet::compared_with).
    fn reference(&self) -> &Moments {
        self.reference.as_ref().expect("no images to compare with: see InceptionNet::compared_with")
    }

    fn logits(&self, features: &Tensor) -> Option<Tensor> {
        let _guard = tch::no_grad_guard();
        Some(self.net.logits(&features.to_device(self.device)))
    }

    fn classes(&self) -> usize {
        Inception::CLASSES as usize
    }
}
