//! `from-noise score`: the Frechet distance between two sets of images, or of their statistics.

use super::score_input::{ScoreInput, Stats};
use super::{arrays, model};
use anyhow::{Result, anyhow, ensure};
use from_noise::metrics::{FeatureExtractor, frechet_of_gaussians};
use from_noise::say;
use from_noise::util::cli::PictureArgs;
use from_noise::util::device;
use from_noise::util::files::write_atomically;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Frechet distance between A and B.
///
/// Each is a folder of png or jpeg pictures (or of subfolders of them), a .npy or .npz of u8
/// images ([N, H, W], [N, H, W, C] or [N, C, H, W]), a .npz with mu and sigma as pytorch-fid writes
/// it (arrays beside them are passed over), or moments that this crate saved (.safetensors with n,
/// sum and outer). Images go through the classifier and have the shape that it reads; the one that
/// comes along reads grey ones of 28 x 28. Two files of mu and sigma need no classifier and may
/// have any number of features; what network they are from is yours to know.
///
/// Examples:
///   cargo from-noise score digits.npz weights/mnist-classifier/train-moments.safetensors
///   cargo from-noise score digits.npz pictures
///   cargo from-noise score few.npz pictures --force
///   cargo from-noise score pictures digits.npz --save pictures-stats.npz
///   cargo from-noise score ours.npz theirs.npz
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What is measured
    a: PathBuf,

    /// What it is compared with
    b: PathBuf,

    /// Run directory of the classifier whose features are compared [default:
    /// weights/mnist-classifier]
    #[arg(long, value_name = "DIR")]
    classifier: Option<PathBuf>,

    /// Measure although there are fewer images than twice the number of features
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Write the mean and covariance of A, as mu and sigma, and the number n of its images
    #[arg(long, value_name = "FILE.npz")]
    save: Option<PathBuf>,

    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, default_value = "auto")]
    device: device::Choice,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(path) = &args.save {
        let npz = path.extension().is_some_and(|ending| ending == "npz");
        ensure!(npz, "--save {} does not end in .npz: add it", path.display());
    }
    let read = |typed| ScoreInput::read(typed, &args.pictures);
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let usual = Path::new("weights/mnist-classifier");
    let net = match a.has_images() || b.has_images() {
        true => {
            let dir = args.classifier.as_deref().unwrap_or(usual);
            Some(model::classifier(dir, device::pick(args.device)?)?)
        }
        false => None,
    };
    ensure!(
        net.is_some() || args.classifier.is_none(),
        "--classifier means nothing where neither side has images: leave it out"
    );
    let a = a.stats(&args.a, net.as_ref(), args.force)?;
    let b = b.stats(&args.b, net.as_ref(), args.force)?;
    let (dim, other) = (a.mu.size()[0], b.mu.size()[0]);
    ensure!(
        dim == other,
        "{} has {dim} features and {} has {other}: only features of one network compare",
        args.a.display(),
        args.b.display()
    );
    let distance = frechet_of_gaussians(&a.mu, &a.sigma, &b.mu, &b.sigma);
    ensure!(distance.is_finite(), "the distance is no finite number: the statistics are too large");
    let distance = distance.max(0.0); // rounding may leave -1e-12
    let name = if net.is_some() { "FID-LeNet" } else { "Frechet distance" };
    let extractor = match &net {
        Some(net) => format!("feature net {}", net.hash()),
        None => "feature net not named in these files".into(),
    };
    say!(
        "{name} {distance:.6} (n = {} and {}, {dim} features, {extractor})",
        number(&a),
        number(&b)
    );
    if let Some(path) = &args.save {
        let n = a.n.map(|n| Tensor::from(n as i64));
        let n = n.iter().map(|n| ("n", n));
        let arrays: Vec<_> = [("mu", &a.mu), ("sigma", &a.sigma)].into_iter().chain(n).collect();
        save(path, &arrays::npz(&arrays)?)?;
        say!("wrote {}", path.display());
    }
    Ok(())
}

fn number(stats: &Stats) -> String {
    stats.n.map_or("unknown".into(), |n| n.to_string())
}

/// All of it or nothing, and the folders on the way.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes)
        .map_err(|e| anyhow!("cannot write {}: {e}; choose another --save", path.display()))
}
