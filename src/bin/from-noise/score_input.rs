//! What can be compared: images, features and statistics, read by what they are.

use super::arrays::{self, Npz};
use anyhow::{Context, Result, bail, ensure};
use from_noise::data::{Color, Format, Source, Split};
use from_noise::metrics::{FeatureExtractor, Moments, enough_images};
use from_noise::util::cli::{self, PictureArgs};
use from_noise::util::device::{all_finite, on_cpu};
use from_noise::util::print;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const ACCEPTED: &str = "a folder of pictures, mnist:test or the like, a .npy or .npz of images or \
                        of features, a .npz with mu and sigma, or moments (.safetensors)";

/// One of the two that are compared.
pub enum ScoreInput {
    /// A folder of pictures.
    Folder(PathBuf, PictureArgs),
    /// Images, as a file holds them.
    Array(Tensor),
    /// What a network made of images elsewhere, `[N, D]`.
    Features(Tensor),
    Moments(Moments),
    Gaussian(Stats),
}

/// What is known of one of the two once its images have gone through the network.
pub enum Measured {
    /// Of every image, `[N, D]` on the CPU.
    Features(Tensor),
    /// Of all images together, and nothing of any single one.
    Moments(Moments),
    Gaussian(Stats),
}

/// A mean `[D]` and a covariance `[D, D]`, f64, and of how many images they are, if that is known.
pub struct Stats {
    pub mu: Tensor,
    pub sigma: Tensor,
    pub n: Option<u64>,
}

impl ScoreInput {
    /// Reads what was typed; a folder is read when the classifier is known.
    pub fn read(typed: &Path, pictures: &PictureArgs) -> Result<Self> {
        let (path, shown) = (cli::find(typed), typed.display());
        if let Some((source, format, split)) = data_set(typed) {
            return Ok(ScoreInput::Array(source.load(split, format)?.images));
        }
        ensure!(path.exists(), "there is no {shown}: give {ACCEPTED}");
        if path.is_dir() {
            return Ok(ScoreInput::Folder(path, pictures.clone()));
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("npy") => Ok(of_array(arrays::read_npy(&path)?)),
            Some("npz") => of_npz(typed, Npz::open(&path)?),
            Some("safetensors") => match Moments::load(&path) {
                Ok(moments) => Ok(ScoreInput::Moments(moments)),
                Err(why) => bail!("{shown} holds no moments that this crate saved: {why}"),
            },
            _ => bail!("{shown} is of no kind that is compared: give {ACCEPTED}"),
        }
    }

    /// `[C, H, W]` of the images of an array, for a network that reads any.
    pub fn shape(&self) -> Option<[i64; 3]> {
        let ScoreInput::Array(found) = self else { return None };
        match found.size()[..] {
            [_, h, w] => Some([1, h, w]),
            [_, c @ (1 | 3), h, w] | [_, h, w, c @ (1 | 3)] => Some([c, h, w]),
            _ => None,
        }
    }

    /// The side of a folder's pictures, as the first one by name has it; those in its subfolders come
    /// after its own.
    pub fn side(&self) -> Option<i64> {
        let ScoreInput::Folder(folder, _) = self else { return None };
        let within = |folder: &Path| -> Vec<PathBuf> {
            let entries = folder.read_dir().into_iter().flatten();
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            paths
        };
        let paths = within(folder);
        let below = paths.iter().filter(|path| path.is_dir()).flat_map(|path| within(path));
        let mut all = paths.iter().cloned().chain(below);
        let (wide, _) = all.find_map(|path| image::image_dimensions(path).ok())?;
        Some(wide.into())
    }

    pub fn is_folder(&self) -> bool {
        matches!(self, ScoreInput::Folder(..))
    }

    pub fn has_images(&self) -> bool {
        matches!(self, ScoreInput::Folder(..) | ScoreInput::Array(_))
    }

    /// With its images in memory, where it has any.
    pub fn loaded(self, typed: &Path, format: Format) -> Result<Self> {
        match self.has_images() {
            true => Ok(ScoreInput::Array(self.images(typed, format)?)),
            false => Ok(self),
        }
    }

    /// Images by their features, everything else as it is.
    pub fn measure(self, typed: &Path, net: Option<&dyn FeatureExtractor>) -> Result<Measured> {
        let features = match self {
            ScoreInput::Gaussian(stats) => return Ok(Measured::Gaussian(stats)),
            ScoreInput::Moments(moments) => return Ok(Measured::Moments(moments)),
            ScoreInput::Features(features) => features,
            ScoreInput::Folder(..) | ScoreInput::Array(_) => {
                let net = net.with_context(|| format!("{} needs a classifier", typed.display()))?;
                let images = self.images(typed, format_of(net.shape()))?;
                net.features(&images).to_device(Device::Cpu)
            }
        };
        ensure!(all_finite(&features), "{}: these features are not finite", typed.display());
        Ok(Measured::Features(features))
    }

    /// `[N, C, H, W]`, u8, of the shape that the classifier reads.
    pub fn images(&self, typed: &Path, format: Format) -> Result<Tensor> {
        match self {
            ScoreInput::Folder(path, pictures) => pictures.load_folder(path, format),
            ScoreInput::Array(found) => images(typed, found, format),
            _ => bail!("{} has no images", typed.display()),
        }
    }
}

impl Measured {
    /// Length of a feature vector.
    pub fn dim(&self) -> i64 {
        match self {
            Measured::Features(features) => features.size()[1],
            Measured::Moments(moments) => moments.mean().size()[0],
            Measured::Gaussian(stats) => stats.mu.size()[0],
        }
    }

    /// The features of the images one by one; `what` needs `least` of them.
    pub fn features(&self, typed: &Path, what: &str, least: usize) -> Result<&Tensor> {
        let shown = typed.display();
        let Measured::Features(features) = self else {
            bail!(
                "{shown} holds a mean and a covariance alone, and {what} needs single images: give \
                 the images or their features"
            )
        };
        let n = features.size()[0];
        ensure!(
            n >= least as i64,
            "{shown} has {n} images, and {what} needs at least {least}: give more"
        );
        Ok(features)
    }

    /// Mean and covariance, once there are images enough.
    pub fn stats(&self, typed: &Path, force: bool) -> Result<Stats> {
        let stats = |moments: &Moments| {
            enough(typed, moments.n(), self.dim(), force)?;
            let (mu, sigma) = (moments.mean(), moments.covariance());
            ensure!(all_finite(&sigma), "{}: these moments are not finite", typed.display());
            Ok(Stats { mu, sigma, n: Some(moments.n()) })
        };
        match self {
            Measured::Features(features) => {
                stats(&Moments::of(self.dim(), features, Tensor::shallow_clone))
            }
            Measured::Moments(moments) => stats(moments),
            Measured::Gaussian(Stats { mu, sigma, n }) => {
                if let Some(n) = n {
                    enough(typed, *n, self.dim(), force)?;
                }
                Ok(Stats { mu: mu.shallow_clone(), sigma: sigma.shallow_clone(), n: *n })
            }
        }
    }
}

/// `mnist:train`: a data set and which of its images.
fn data_set(typed: &Path) -> Option<(Source, Format, Split)> {
    let (name, split) = typed.to_str()?.split_once(':')?;
    let source: Source = name.parse().ok()?;
    let split = match split {
        "train" => Split::Train,
        "test" => Split::Test,
        _ => return None,
    };
    let format = source.format()?;
    Some((source, format, split))
}

/// What square images of `[C, H, W]` are.
pub fn format_of([c, h, _]: [i64; 3]) -> Format {
    Format { color: if c == 1 { Color::Gray } else { Color::Rgb }, size: h as u32 }
}

/// Rows of floats are features, anything else is taken for images.
fn of_array(found: Tensor) -> ScoreInput {
    let features = found.is_floating_point() && found.dim() == 2 && found.numel() > 0;
    if features { ScoreInput::Features(found) } else { ScoreInput::Array(found) }
}

/// Mean and covariance if they are there, else images or features; what lies beside them is not
/// looked at.
fn of_npz(typed: &Path, mut file: Npz) -> Result<ScoreInput> {
    let names = file.names();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let statistics = has("mu") && has("sigma");
    let images = names.first().filter(|_| names.len() == 1).map_or("arr_0", String::as_str);
    let (shown, list) = (typed.display(), names.join(", "));
    ensure!(
        statistics || has(images),
        "{shown}: expected arrays mu and sigma, or images or features in arr_0, found [{list}]"
    );
    let wanted = if statistics { &["mu", "sigma", "n"][..] } else { &[images][..] };
    let others = names.iter().filter(|name| !wanted.contains(&name.as_str()));
    let others: Vec<&str> = others.map(String::as_str).collect();
    if !others.is_empty() {
        print::err(format_args!("{shown}: passed over what lies beside: {}", others.join(", ")));
    }
    if !statistics {
        return Ok(of_array(file.read(images)?));
    }
    let n = if has("n") { file.read("n").ok() } else { None };
    gaussian(typed, file.read("mu")?, file.read("sigma")?, n)
}

fn gaussian(typed: &Path, mu: Tensor, sigma: Tensor, n: Option<Tensor>) -> Result<ScoreInput> {
    let (shown, found) = (typed.display(), (mu.size(), sigma.size()));
    let fits = found.0.len() == 1 && found.0[0] > 0 && found.1 == [found.0[0]; 2];
    ensure!(
        fits,
        "{shown}: expected mu of shape [D] and sigma of shape [D, D], found {:?} and {:?}",
        found.0,
        found.1
    );
    let [mu, sigma] = [mu, sigma].map(|x| on_cpu(&x));
    let uneven = (&sigma - sigma.tr()).abs().max().double_value(&[]);
    let sound = all_finite(&mu)
        && all_finite(&sigma)
        && uneven <= 1e-6 * sigma.abs().max().double_value(&[]);
    ensure!(
        sound,
        "{shown}: mu and sigma are no mean and covariance (not finite, or not symmetric)"
    );
    let spread = sigma.linalg_eigvalsh("L"); // in ascending order
    let [least, most] = [0, found.0[0] - 1].map(|i| spread.double_value(&[i]));
    ensure!(
        least >= -1e-6 * most.abs(),
        "{shown}: sigma is no covariance (its variance along some direction is {least:.3})"
    );
    let n = n.filter(|n| n.size().is_empty()).map(|n| n.int64_value(&[]));
    Ok(ScoreInput::Gaussian(Stats { mu, sigma, n: n.and_then(|n| u64::try_from(n).ok()) }))
}

/// Images of any of the three layouts as `[N, C, H, W]`.
fn images(typed: &Path, found: &Tensor, format: Format) -> Result<Tensor> {
    let (shape, shown) = (found.size(), typed.display());
    let [c, h, w] = format.shape();
    ensure!(
        found.kind() == Kind::Uint8,
        "{shown}: expected pixels 0 to 255 as u8, or features as floats of shape [N, D], found {:?} \
         of shape {shape:?}",
        found.kind()
    );
    let some = shape.first().is_some_and(|n| *n > 0);
    let gray = format.color == Color::Gray;
    match shape.get(1..) {
        Some(one) if some && one == [c, h, w] => Ok(found.shallow_clone()),
        Some(one) if some && one == [h, w, c] => Ok(found.permute([0, 3, 1, 2]).contiguous()),
        Some(one) if some && gray && one == [h, w] => Ok(found.unsqueeze(1)),
        _ => {
            let flat = if gray { format!("[N, {h}, {w}], ") } else { String::new() };
            bail!(
                "{shown}: expected images of shape {flat}[N, {h}, {w}, {c}] or [N, {c}, {h}, {w}], \
                 which the classifier reads, found {shape:?}"
            )
        }
    }
}

fn enough(typed: &Path, n: u64, dim: i64, force: bool) -> Result<()> {
    let shown = typed.display();
    ensure!(n >= 2, "{shown}: a covariance needs at least two images, found {n}");
    ensure!(
        force || n >= enough_images(dim),
        "{shown} has {n} images, and a covariance of {dim} features from so few is mostly bias: \
         take at least {}, or --force",
        enough_images(dim)
    );
    Ok(())
}
