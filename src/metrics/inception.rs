//! The feature extractor of FID proper: Inception's last pool.

use super::{FeatureExtractor, Moments};
use crate::checkpoint::{CheckpointError, fingerprint, first_digits, load_published};
use crate::data::Dataset;
use crate::nn::Inception;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::Path;
use tch::{CModule, Device, IValue, Kind, Tensor, nn};

/// Inception as pytorch-fid or as StyleGAN has it, and the moments of the images that samples are
/// compared with.
///
/// Numbers are called FID only with the weights that pytorch-fid published,
/// `pt_inception-2015-12-05-6726825d.pth`. The same network as StyleGAN and EDM load it,
/// `inception-2015-12-05.pt`, resizes in another way and differs by a few tenths: FID-StyleGAN.
#[derive(Debug)]
pub struct InceptionNet {
    net: Net,
    device: Device,
    hash: String,
    shape: [i64; 3],
    reference: Option<Moments>,
}

#[derive(Debug)]
enum Net {
    Ours(Inception),
    /// A TorchScript program, which brings u8 pictures to its size itself.
    Script(CModule),
}

impl Net {
    /// How pictures are brought to the network: part of what statistics are of.
    fn preprocessing(&self) -> &'static str {
        match self {
            Net::Ours(_) => "u8 / 255, gray repeated, bilinear to 299 without antialias, 2x - 1",
            Net::Script(_) => "u8, gray repeated, the rest by the program",
        }
    }
}

/// Pictures of 299 x 299 at a time: each takes some 30 MB in the first layers.
const BATCH: i64 = 25;

impl InceptionNet {
    /// The hash of the published weights; the first eight digits end their name.
    pub const PUBLISHED: &str = "6726825d0af5";

    /// The SHA-256 of StyleGAN's `inception-2015-12-05.pt`.
    pub const STYLEGAN: &str = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4";

    /// Reads the weights, a `.pth` as published, a safetensors file with the same names or StyleGAN's
    /// `.pt`, to measure images of `shape: [C, H, W]`, C being 1 or 3.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another network; a TorchScript program, which is code,
    /// other than StyleGAN's.
    pub fn load(
        weights: impl AsRef<Path>,
        shape: [i64; 3],
        device: Device,
    ) -> Result<Self, CheckpointError> {
        let weights = weights.as_ref();
        if is_script(weights) {
            return Self::load_script(weights, Self::STYLEGAN, shape, device);
        }
        let mut vs = nn::VarStore::new(device);
        let net = Inception::new(&vs.root());
        // how many batches were seen in training: of no use, and not in every copy
        let used = |name: &str| !name.ends_with("num_batches_tracked");
        load_published(&vs, weights, |name| used(name).then(|| name.to_owned()))?;
        vs.freeze();
        let (net, hash) = (Net::Ours(net), fingerprint(weights)?);
        Ok(Self { net, device, hash, shape, reference: None })
    }

    /// The program in this file, if its SHA-256 is `trusted`.
    fn load_script(
        path: &Path,
        trusted: &str,
        shape: [i64; 3],
        device: Device,
    ) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(CheckpointError::io(path, "read the program"))?;
        let found = first_digits(&Sha256::digest(&bytes), 64);
        if found != trusted {
            let (path, trusted) = (path.into(), trusted.into());
            return Err(CheckpointError::Script { path, found, trusted });
        }
        // what was hashed is what runs
        let program = CModule::load_data_on_device(&mut bytes.as_slice(), device);
        let damaged = |why: tch::TchError| CheckpointError::Damaged {
            path: path.into(),
            why: why.to_string(),
        };
        let net = Net::Script(program.map_err(damaged)?);
        Ok(Self { net, device, hash: found[..12].to_owned(), shape, reference: None })
    }

    /// Whether papers give distances by this network: pytorch-fid's or StyleGAN's.
    pub fn is_published(&self) -> bool {
        matches!(self.net, Net::Script(_)) || self.hash == Self::PUBLISHED
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
            .chain_update(self.net.preprocessing())
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

    /// The name of the distance, and the end of the other scores' names: FID, and no end, are for
    /// the published weights alone.
    fn names(&self) -> [&'static str; 2] {
        match &self.net {
            Net::Script(_) => ["FID-StyleGAN", "-StyleGAN"],
            Net::Ours(_) if self.hash == Self::PUBLISHED => ["FID", ""],
            Net::Ours(_) => ["FD-Inception", "-of-other-weights"],
        }
    }
}

impl FeatureExtractor for InceptionNet {
    fn hash(&self) -> &str {
        &self.hash
    }

    fn suffix(&self) -> &str {
        self.names()[1]
    }

    fn metric(&self) -> String {
        self.names()[0].into()
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
            match &self.net {
                Net::Ours(net) => net.features(&(x.to_kind(Kind::Float) / 255.0)),
                Net::Script(program) => features_of(program, x),
            }
        };
        let parts: Vec<_> = pixels.split(BATCH, 0).iter().map(some).collect();
        Tensor::cat(&parts, 0)
    }

    /// # Panics
    /// Before [`compared_with`](InceptionNet::compared_with).
    fn reference(&self) -> &Moments {
        self.reference.as_ref().expect("no images to compare with: see InceptionNet::compared_with")
    }

    /// None by StyleGAN's program, which gives features or probabilities.
    fn logits(&self, features: &Tensor) -> Option<Tensor> {
        let _guard = tch::no_grad_guard();
        match &self.net {
            Net::Ours(net) => Some(net.logits(&features.to_device(self.device))),
            Net::Script(_) => None,
        }
    }

    fn classes(&self) -> usize {
        Inception::CLASSES as usize
    }
}

/// `x: [B, 3, H, W]`, u8 -> `[B, 2048]`. The second argument asks for features in place of
/// probabilities.
fn features_of(program: &CModule, x: Tensor) -> Tensor {
    match program.method_is("forward", &[IValue::Tensor(x), IValue::Bool(true)]) {
        Ok(IValue::Tensor(features)) => features,
        other => panic!("the program of this hash returns a tensor, not {other:?}"),
    }
}

/// Whether a file is an archive of TorchScript.
fn is_script(path: &Path) -> bool {
    let archive = File::open(path).ok().and_then(|file| zip::ZipArchive::new(file).ok());
    archive.is_some_and(|archive| archive.file_names().any(|name| name.contains("/code/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::path::PathBuf;

    /// A program like StyleGAN's, whose features are the first 2048 bytes of a picture of 32 x 32.
    fn program(dir: &Path) -> PathBuf {
        let (traced, path) = (dir.join("traced.pt"), dir.join("program.pt"));
        let x = Tensor::zeros([2, 3, 32, 32], (Kind::Uint8, Device::Cpu));
        let mut first = |x: &[Tensor]| {
            vec![x[0].to_kind(Kind::Float).flatten(1, -1).narrow(1, 0, Inception::FEATURES)]
        };
        let module = CModule::create_by_tracing("Detector", "forward", &[x], &mut first).unwrap();
        module.save(&traced).unwrap();
        // tracing knows tensors alone: the flag is written into the program
        let mut from = zip::ZipArchive::new(File::open(traced).unwrap()).unwrap();
        let mut to = zip::ZipWriter::new(File::create(&path).unwrap());
        let stored =
            zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for i in 0..from.len() {
            let mut part = from.by_index(i).unwrap();
            let (name, mut bytes) = (part.name().to_owned(), Vec::new());
            part.read_to_end(&mut bytes).unwrap();
            if name.ends_with(".py") {
                let text = String::from_utf8(bytes).unwrap();
                let flagged =
                    text.replacen("Tensor) -> Tensor", "Tensor,\n    flag: bool) -> Tensor", 1);
                assert_ne!(text, flagged, "{text}");
                bytes = flagged.into_bytes();
            }
            to.start_file(name, stored).unwrap();
            to.write_all(&bytes).unwrap();
        }
        to.finish().unwrap();
        path
    }

    #[test]
    fn a_torch_script_runs_only_if_its_hash_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path());
        let hash = first_digits(&Sha256::digest(std::fs::read(&path).unwrap()), 64);
        let refused = InceptionNet::load(&path, [3, 32, 32], Device::Cpu).unwrap_err().to_string();
        assert!(refused.contains(&hash) && refused.contains(InceptionNet::STYLEGAN), "{refused}");

        let net = InceptionNet::load_script(&path, &hash, [1, 32, 32], Device::Cpu).unwrap();
        let pixels = Tensor::arange(60 * 1024, (Kind::Int64, Device::Cpu)).remainder(251);
        let pixels = pixels.to_kind(Kind::Uint8).view([60, 1, 32, 32]);
        let gray = pixels.flatten(1, -1).repeat([1, 2]).to_kind(Kind::Float);
        assert_eq!(net.features(&pixels), gray);
        assert_eq!((net.metric().as_str(), net.suffix()), ("FID-StyleGAN", "-StyleGAN"));
        assert_eq!(net.hash(), &hash[..12]);
        assert!(net.logits(&gray).is_none());
    }
}
