//! `from-noise score`: metrics of two sets of images, of their features, or of their statistics.

use super::score_input::{Measured, ScoreInput, format_of};
use super::{arrays, captions, command_line, model};
use anyhow::{Context, Result, anyhow, ensure};
use from_noise::data::captions::{Facts, Reader};
use from_noise::data::{batch_indices, from_u8};
use from_noise::evaluate::Quality;
use from_noise::metrics::{
    FeatureExtractor, KidConfig, Memorization, alignment, frechet_of_gaussians, inception_score,
    kid, memorization, precision_recall,
};
use from_noise::plot::{Figure, Grid};
use from_noise::say;
use from_noise::util::cli::{self, PictureArgs};
use from_noise::util::device::{self, on_cpu};
use from_noise::util::files::write_atomically;
use from_noise::util::results::Results;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Metrics of A, compared with B.
///
/// Each is a folder of png or jpeg pictures (or of subfolders of them), a data set that is on this
/// machine (mnist:train or mnist:test, fashion and cifar10 alike), a .npy or .npz of u8 images
/// ([N, H, W], [N, H, W, C] or [N, C, H, W]), a .npy or .npz of features ([N, D], floats), a .npz
/// with mu and sigma as pytorch-fid writes it (arrays beside them are passed over), or moments that
/// this crate saved (.safetensors with n, sum and outer). Images go through the classifier and have
/// the shape that it reads; the one that comes along reads grey ones of 28 x 28. Two files of
/// features, or of mu and sigma, need no classifier and may have any number of features; what
/// network they are from is yours to know. Every metric but fid looks at single images or their
/// features; is needs the images. With --inception images of any size go through the network behind
/// FID itself (`cargo xtask weights fid-inception`), as pytorch-fid does it. For memorization B holds
/// the training images of the model that drew A. For alignment it holds the captions that A was drawn
/// by, in turn: a text file, a caption a line, or captions:test or captions:held-out.
///
/// Examples:
///   cargo from-noise score digits.npz weights/mnist-classifier/train-moments.safetensors
///   cargo from-noise score digits.npz pictures
///   cargo from-noise score few.npz pictures --force
///   cargo from-noise score pictures digits.npz --save pictures-stats.npz
///   cargo from-noise score digits.npz pictures --metrics fid,kid,is,pr
///   cargo from-noise score few.npz pictures --metrics memorization --held-out digits.npz --nearest nearest.png
///   cargo from-noise score drawn.npz captions:test --metrics alignment
///   cargo from-noise score ours.npz theirs.npz
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What is measured
    a: PathBuf,

    /// What it is compared with
    b: PathBuf,

    /// What to compute, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_value = "fid", value_name = "LIST")]
    metrics: Vec<Metric>,

    /// For pr: an image's ball reaches to its K-th nearest neighbour [default: 3]
    #[arg(long, value_name = "K", value_parser = cli::count::<usize>())]
    neighbors: Option<usize>,

    /// For memorization: images like the training images B that the model never saw, to compare with
    #[arg(long, value_name = "C")]
    held_out: Option<PathBuf>,

    /// For memorization: draw the images of A that lie nearest to one of B, each above that one
    #[arg(long, value_name = "FILE.png", requires = "held_out")]
    nearest: Option<PathBuf>,

    /// Run directory of the classifier whose features are compared [default:
    /// weights/mnist-classifier]
    #[arg(long, value_name = "DIR")]
    classifier: Option<PathBuf>,

    /// Weights of Inception, whose features are compared instead: real FID, KID and IS
    #[arg(long, value_name = "FILE.pth", conflicts_with = "classifier")]
    inception: Option<PathBuf>,

    /// With --inception, where neither side is an array or a data set: the side of the pictures
    #[arg(long, value_name = "PIXELS", requires = "inception", conflicts_with = "classifier", value_parser = cli::count::<u32>())]
    size: Option<u32>,

    /// Measure fid although there are fewer images than twice the number of features
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Write the mean and covariance of A, as mu and sigma, and the number n of its images
    #[arg(long, value_name = "FILE.npz")]
    save: Option<PathBuf>,

    /// Where the classifier computes: auto, cpu, cuda:N or mps [default: auto]
    #[arg(long)]
    device: Option<device::Choice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Metric {
    /// Does A show what the captions B state? Colours, shapes, sizes and relations, read by rule
    Alignment,
    /// Frechet distance
    Fid,
    /// Kernel Inception Distance, which few images do not bias
    Kid,
    /// Inception Score by the classes of the classifier, of A and, if it has images, of B
    Is,
    /// Was B, the training images, learned by heart? How often an image of A lies farther from its
    /// nearest one than an image of --held-out does: 0 for copies, 1/2 for images like unseen ones
    Memorization,
    /// Improved precision (are the images of A like some of B?) and recall (those of B like A's?)
    Pr,
}

/// Splits of the Inception Score, as published.
const SPLITS: usize = 10;

pub fn run(args: &Args) -> Result<()> {
    if let Some(path) = &args.save {
        let npz = path.extension().is_some_and(|ending| ending == "npz");
        ensure!(npz, "--save {} does not end in .npz: add it", path.display());
    }
    let wants = |metric| args.metrics.contains(&metric);
    ensure!(
        wants(Metric::Pr) || args.neighbors.is_none(),
        "--neighbors means nothing without the metric pr: leave it out, or add pr to --metrics"
    );
    ensure!(
        wants(Metric::Fid) || args.save.is_some() || !args.force,
        "--force means nothing without the metric fid or --save: leave it out"
    );
    ensure!(
        wants(Metric::Memorization) || args.held_out.is_none(),
        "--held-out means nothing without the metric memorization: leave it out, or add it to \
         --metrics"
    );
    ensure!(
        !wants(Metric::Memorization) || args.held_out.is_some(),
        "the metric memorization needs images that the model never saw, to compare with: name \
         them with --held-out, such as mnist:test"
    );
    if let Some(path) = &args.nearest {
        let png = path.extension().is_some_and(|ending| ending == "png");
        ensure!(png, "--nearest {} does not end in .png: add it", path.display());
    }
    if wants(Metric::Alignment) {
        return align(args);
    }
    let read = |typed: &Path| ScoreInput::read(typed, &args.pictures);
    let (mut a, mut b) = (read(&args.a)?, read(&args.b)?);
    let held_out = match args.held_out.as_deref() {
        Some(typed) => Some((typed, read(typed)?)),
        None => None,
    };
    let (a_images, b_images) = (a.has_images(), b.has_images());
    let third_images = held_out.as_ref().is_some_and(|(_, input)| input.has_images());
    let images = a_images || b_images || third_images;
    ensure!(
        args.nearest.is_none() || (a_images && b_images),
        "--nearest draws images, and one side has none: give the images of both"
    );
    for (flag, given) in [
        ("--classifier", args.classifier.is_some()),
        ("--inception", args.inception.is_some()),
        ("--device", args.device.is_some()),
    ] {
        ensure!(
            images || !given,
            "{flag} means nothing where neither side has images: leave it out"
        );
    }
    ensure!(
        a.is_folder()
            || b.is_folder()
            || held_out.as_ref().is_some_and(|(_, input)| input.is_folder())
            || !args.pictures.skip_bad,
        "--skip-bad means nothing where neither side is a folder of pictures: leave it out"
    );
    let net = match images {
        true => Some(network(args, &[Some(&a), Some(&b), held_out.as_ref().map(|(_, c)| c)])?),
        false => None,
    };
    let mut pixels = None;
    if let (Some(_), Some(net)) = (&args.nearest, &net) {
        let format = format_of(net.shape());
        (a, b) = (a.loaded(&args.a, format)?, b.loaded(&args.b, format)?);
        pixels = Some([a.images(&args.a, format)?, b.images(&args.b, format)?]);
    }
    let third = match held_out {
        Some((typed, input)) => Some((typed, input.measure(typed, net.as_deref())?)),
        None => None,
    };
    let sides = Sides {
        a: a.measure(&args.a, net.as_deref())?,
        b: b.measure(&args.b, net.as_deref())?,
        held_out: third,
        pixels,
        net,
        args,
    };
    let dim = sides.a.dim();
    let third = sides.held_out.as_ref().map(|(typed, third)| (*typed, third));
    for (typed, other) in [(args.b.as_path(), &sides.b)].into_iter().chain(third) {
        ensure!(
            dim == other.dim(),
            "{} has {dim} features and {} has {}: only features of one network compare",
            args.a.display(),
            typed.display(),
            other.dim()
        );
    }
    let mut lines = Vec::new();
    for metric in &args.metrics {
        match metric {
            Metric::Fid => lines.push(sides.fid()?),
            Metric::Kid => lines.push(sides.kid()?),
            Metric::Pr => lines.push(sides.precision_recall()?),
            Metric::Memorization => lines.push(sides.memorization()?),
            Metric::Alignment => unreachable!("it stands alone"),
            Metric::Is => {
                ensure!(
                    a_images,
                    "{} has no images, and an Inception Score needs what the classifier says to \
                     each: give the images",
                    args.a.display()
                );
                lines.push(sides.inception_score(&args.a, &sides.a)?);
                if b_images {
                    lines.push(sides.inception_score(&args.b, &sides.b)?);
                }
            }
        }
    }
    lines.iter().for_each(|line| say!("{line}"));
    if let Some(path) = &args.save {
        let a = sides.a.stats(&args.a, args.force)?;
        let n = a.n.map(|n| Tensor::from(n as i64));
        let n = n.iter().map(|n| ("n", n));
        let arrays: Vec<_> = [("mu", &a.mu), ("sigma", &a.sigma)].into_iter().chain(n).collect();
        save(path, &arrays::npz(&arrays)?)?;
        say!("wrote {}", path.display());
    }
    Ok(())
}

/// How well the images A agree with the captions B.
fn align(args: &Args) -> Result<()> {
    ensure!(
        args.metrics == [Metric::Alignment],
        "the metric alignment compares images with captions, and every other one with images: \
         measure it by itself"
    );
    for (flag, given) in [
        ("--classifier", args.classifier.is_some()),
        ("--inception", args.inception.is_some()),
        ("--device", args.device.is_some()),
        ("--save", args.save.is_some()),
    ] {
        ensure!(
            !given,
            "{flag} means nothing for alignment, which no network measures: leave it out"
        );
    }
    let captions = captions::read(&args.b)?;
    let facts =
        captions.iter().map(|caption| Facts::parse(caption)).collect::<Result<Vec<_>, _>>()?;
    let a = ScoreInput::read(&args.a, &args.pictures)?;
    ensure!(
        !args.pictures.skip_bad,
        "--skip-bad would leave captions without their pictures: repair the pictures instead"
    );
    let shape = a.shape().or_else(|| a.side().map(|side| [3, side, side]));
    let shape = shape.with_context(|| format!("{} holds no images", args.a.display()))?;
    let images = a.images(&args.a, format_of(shape))?;
    let [n, channels, side] = [0, 1, 2].map(|dim| images.size()[dim]);
    let (shown, least) = (args.a.display(), Reader::LEAST_SIDE);
    ensure!(
        channels == 3,
        "{shown} holds grey images, and captions name colours: give them in colour"
    );
    ensure!(side >= least, "{shown}: expected {least} pixels a side or more, found {side}");
    let in_turn: Vec<Facts> = facts.iter().cycle().take(n as usize).cloned().collect();
    say!("{} (n = {n}, of {} captions, read by rule)", alignment(&images, &in_turn), facts.len());
    Ok(())
}

/// The network whose features are compared.
fn network(args: &Args, sides: &[Option<&ScoreInput>]) -> Result<Box<dyn FeatureExtractor>> {
    let device = device::pick(args.device.unwrap_or_default())?;
    let Some(weights) = &args.inception else {
        let usual = Path::new("weights/mnist-classifier");
        let dir = args.classifier.as_deref().unwrap_or(usual);
        return Ok(Box::new(model::classifier(dir, device)?));
    };
    let own = sides.iter().flatten().find_map(|side| side.shape());
    let typed = args.size.map(|side| [3, i64::from(side), i64::from(side)]);
    ensure!(
        own.is_none() || typed.is_none(),
        "--size is for folders of pictures alone: an array has its size, leave it out"
    );
    let shape = own.or(typed).context(
        "--inception reads pictures of any size: say of which these are (--size 32), they are \
         brought to it",
    )?;
    Ok(Box::new(cli::inception(weights, shape, device)?))
}

/// Both, measured by one network.
struct Sides<'a> {
    a: Measured,
    b: Measured,
    /// Beside them, what the model never saw.
    held_out: Option<(&'a Path, Measured)>,
    /// The images of both, where they are drawn.
    pixels: Option<[Tensor; 2]>,
    net: Option<Box<dyn FeatureExtractor>>,
    args: &'a Args,
}

impl Sides<'_> {
    fn fid(&self) -> Result<String> {
        let Args { a, b, force, .. } = self.args;
        let (a, b) = (self.a.stats(a, *force)?, self.b.stats(b, *force)?);
        let distance = frechet_of_gaussians(&a.mu, &a.sigma, &b.mu, &b.sigma);
        ensure!(
            distance.is_finite(),
            "the distance is no finite number: the statistics are too large"
        );
        let distance = distance.max(0.0); // rounding may leave -1e-12
        let name = match &self.net {
            Some(net) => net.metric(),
            None => "Frechet distance".into(),
        };
        let [a, b] = [a.n, b.n].map(|n| n.map_or("unknown".into(), |n| n.to_string()));
        Ok(format!("{name} {distance:.6} (n = {a} and {b}, {})", self.features()))
    }

    fn kid(&self) -> Result<String> {
        let (a, b) = self.both("KID", 4)?;
        let (n, m) = (a.size()[0], b.size()[0]);
        let published = KidConfig::default();
        // Subsets of all images are one and the same: those of half tell how they scatter.
        let size = published.size.min(n.min(m) as usize / 2);
        let found = kid(a, b, KidConfig { size, ..published });
        let name = format!("KID{}", self.net.as_ref().map_or("", |net| net.suffix()));
        let subsets = format!("{} subsets of {size}", published.subsets);
        Ok(format!("{name} {found} (n = {n} and {m}, {subsets}, {})", self.features()))
    }

    fn precision_recall(&self) -> Result<String> {
        let k = self.args.neighbors.unwrap_or(Quality::NEIGHBORS);
        let (a, b) = self.both(&format!("pr with k = {k} (--neighbors)"), k + 1)?;
        let found = precision_recall(a, b, k);
        let (n, m) = (a.size()[0], b.size()[0]);
        Ok(format!(
            "precision {:.6}, recall {:.6} (k = {k}, n = {n} and {m}, {})",
            found.precision,
            found.recall,
            self.features()
        ))
    }

    fn memorization(&self) -> Result<String> {
        let (a, b) = self.both("memorization", 1)?;
        let (typed, third) = self.held_out.as_ref().context("memorization needs --held-out")?;
        let third = third.features(typed, "memorization", 1)?;
        let found = memorization(a, third, b);
        if let (Some(path), Some([a, b])) = (&self.args.nearest, &self.pixels) {
            let (name, seen) = (path.display().to_string(), [&*self.args.a, &*self.args.b, *typed]);
            let mut results = Results::create("", command_line(), &seen, 0, Device::Cpu)?;
            results.samples(a.size()[0] as u64);
            results.figure(&name, &nearest(&found, a, b))?;
            results.finish();
        }
        let [n, m, held_out] = [a, b, third].map(|x| x.size()[0]);
        Ok(format!(
            "memorization {:.6} (the share of pairs in which A is farther from its nearest training \
             image than a held-out one; n = {n}, of {m}, {held_out} held out, {})",
            found.farther_than_held_out(),
            self.features()
        ))
    }

    /// Of one side's images.
    fn inception_score(&self, typed: &Path, side: &Measured) -> Result<String> {
        let what = format!("an Inception Score in {SPLITS} splits");
        let features = side.features(typed, &what, SPLITS)?;
        let (n, shown) = (features.size()[0] as usize, typed.display());
        let net = self.net.as_ref().context("an Inception Score needs a classifier")?;
        let logits = net.logits(features).context("this network does not classify")?;
        let shuffled = batch_indices(0, 0, n, n); // folders are often sorted by class
        let p = on_cpu(&logits).index_select(0, &shuffled).softmax(-1, None::<Kind>);
        Ok(format!(
            "IS{} of {shown} {} (n = {n}, {SPLITS} splits, {} classes, feature net {})",
            net.suffix(),
            inception_score(&p, SPLITS),
            net.classes(),
            net.hash()
        ))
    }

    /// The features of both, image by image; `what` needs `least` images.
    fn both(&self, what: &str, least: usize) -> Result<(&Tensor, &Tensor)> {
        let Args { a, b, .. } = self.args;
        Ok((self.a.features(a, what, least)?, self.b.features(b, what, least)?))
    }

    /// What every number depends on.
    fn features(&self) -> String {
        let dim = self.a.dim();
        match &self.net {
            Some(net) => format!("{dim} features, feature net {}", net.hash()),
            None => format!("{dim} features, feature net not named in these files"),
        }
    }
}

/// The images of `a` that lie nearest to one of `b`, each above that one.
fn nearest(found: &Memorization, a: &Tensor, b: &Tensor) -> Figure {
    let title = format!("memorization {:.3}", found.farther_than_held_out());
    let found = &found.samples;
    let n = found.distances.size()[0].min(10);
    let first = found.distances.view([-1]).argsort(0, false).narrow(0, 0, n);
    let theirs = found.indices.view([-1]).index_select(0, &first);
    let pairs = Tensor::cat(&[a.index_select(0, &first), b.index_select(0, &theirs)], 0);
    let names = ["drawn", "trained on"];
    Grid::new(&from_u8(&pairs), n as usize).scale(3).title(title).row_labels(&names).draw()
}

/// All of it or nothing, and the folders on the way.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes)
        .map_err(|e| anyhow!("cannot write {}: {e}; choose another --save", path.display()))
}
