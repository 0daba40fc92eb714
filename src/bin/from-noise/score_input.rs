//! What can be compared: images and statistics, read by what they are.

use super::arrays::{self, Npz};
use anyhow::{Context, Result, bail, ensure};
use from_noise::data::{Color, Format};
use from_noise::metrics::{FeatureExtractor, FeatureNet, Moments, enough_images};
use from_noise::util::cli::{self, PictureArgs};
use from_noise::util::device::on_cpu;
use from_noise::util::print;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

const ACCEPTED: &str = "a folder of pictures, a .npy or .npz of images, a .npz with mu and sigma, \
                        or moments (.safetensors)";

/// One of the two that are compared.
pub enum ScoreInput {
    /// A folder of pictures.
    Folder(PathBuf, PictureArgs),
    /// Images, as a file holds them.
    Array(Tensor),
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
        ensure!(path.exists(), "there is no {shown}: give {ACCEPTED}");
        if path.is_dir() {
            return Ok(ScoreInput::Folder(path, pictures.clone()));
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("npy") => Ok(ScoreInput::Array(arrays::read_npy(&path)?)),
            Some("npz") => of_npz(typed, Npz::open(&path)?),
            Some("safetensors") => match Moments::load(&path) {
                Ok(moments) => Ok(ScoreInput::Moments(moments)),
                Err(why) => bail!("{shown} holds no moments that this crate saved: {why}"),
            },
            _ => bail!("{shown} is of no kind that is compared: give {ACCEPTED}"),
        }
    }

    pub fn has_images(&self) -> bool {
        matches!(self, ScoreInput::Folder(..) | ScoreInput::Array(_))
    }

    /// Mean and covariance, once there are images enough.
    pub fn stats(self, typed: &Path, net: Option<&FeatureNet>, force: bool) -> Result<Stats> {
        let moments = match self {
            ScoreInput::Gaussian(stats) => {
                if let Some(n) = stats.n {
                    enough(typed, n, stats.mu.size()[0], force)?;
                }
                return Ok(stats);
            }
            ScoreInput::Moments(moments) => moments,
            ScoreInput::Folder(..) | ScoreInput::Array(_) => {
                let net = net.with_context(|| format!("{} needs a classifier", typed.display()))?;
                let images = self.images(typed, net.config.format)?;
                enough(typed, images.size()[0] as u64, net.dim(), force)?;
                Moments::of(net.dim(), &images, |pixels| net.features(pixels))
            }
        };
        let (mu, sigma, n) = (moments.mean(), moments.covariance(), moments.n());
        enough(typed, n, mu.size()[0], force)?;
        ensure!(finite(&sigma), "{}: these moments are not finite", typed.display());
        Ok(Stats { mu, sigma, n: Some(n) })
    }

    /// `[N, C, H, W]`, u8, of the shape that the classifier reads.
    fn images(&self, typed: &Path, format: Format) -> Result<Tensor> {
        match self {
            ScoreInput::Folder(path, pictures) => pictures.load_folder(path, format),
            ScoreInput::Array(found) => images(typed, found, format),
            ScoreInput::Moments(_) | ScoreInput::Gaussian(_) => {
                bail!("{} has no images", typed.display())
            }
        }
    }
}

/// Mean and covariance if they are there, else images; what lies beside them is not looked at.
fn of_npz(typed: &Path, mut file: Npz) -> Result<ScoreInput> {
    let names = file.names();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let statistics = has("mu") && has("sigma");
    let images = names.first().filter(|_| names.len() == 1).map_or("arr_0", String::as_str);
    let (shown, list) = (typed.display(), names.join(", "));
    ensure!(
        statistics || has(images),
        "{shown}: expected arrays mu and sigma, or images in arr_0, found [{list}]"
    );
    let wanted = if statistics { &["mu", "sigma", "n"][..] } else { &[images][..] };
    let others = names.iter().filter(|name| !wanted.contains(&name.as_str()));
    let others: Vec<&str> = others.map(String::as_str).collect();
    if !others.is_empty() {
        print::err(format_args!("{shown}: passed over what lies beside: {}", others.join(", ")));
    }
    if !statistics {
        return Ok(ScoreInput::Array(file.read(images)?));
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
    let sound =
        finite(&mu) && finite(&sigma) && uneven <= 1e-6 * sigma.abs().max().double_value(&[]);
    ensure!(
        sound,
        "{shown}: mu and sigma are no mean and covariance (not finite, or not symmetric)"
    );
    let n = n.filter(|n| n.size().is_empty()).map(|n| n.int64_value(&[]));
    Ok(ScoreInput::Gaussian(Stats { mu, sigma, n: n.and_then(|n| u64::try_from(n).ok()) }))
}

fn finite(x: &Tensor) -> bool {
    x.isfinite().all().int64_value(&[]) == 1
}

/// Images of any of the three layouts as `[N, C, H, W]`.
fn images(typed: &Path, found: &Tensor, format: Format) -> Result<Tensor> {
    let (shape, shown) = (found.size(), typed.display());
    let [c, h, w] = format.shape();
    ensure!(
        found.kind() == Kind::Uint8,
        "{shown}: expected pixels 0 to 255 as u8, found {:?} of shape {shape:?}",
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
