//! The upsampler alone: real images made small, enlarged, and compared with what they were.

use super::Config;
use super::page::larger;
use anyhow::{Result, bail};
use from_noise::data::{Dataset, Interpolation, from_u8, reduce, to_u8};
use from_noise::evaluate::{CHUNK, Generator, ImageSampler, Sampling, Shown};
use from_noise::metrics::{psnr, ssim};
use from_noise::noise::Seeded;
use from_noise::plot::Grid;
use from_noise::pretrained::{ImageCondition, LowRes, Pretrained};
use from_noise::util::cli::Chapter;
use from_noise::util::progress::Progress;
use serde::Serialize;
use tch::{Device, Tensor};

/// A way to enlarge.
#[derive(Debug, Serialize)]
struct Row {
    way: String,
    /// Steps that the network was trained for.
    trained: Option<u64>,
    /// How far the low-res image was noised; none for interpolation.
    noise_level: Option<usize>,
    /// Evaluations of the network per image.
    nfe: usize,
    n: u64,
    /// Decibels, mean over the images.
    psnr: f64,
    ssim: f64,
}

/// Digits in the picture.
const SHOWN: i64 = 10;

/// `upsampling.csv` and `upsampling.png`: interpolation, the networks, and more and more noise.
pub fn show(
    config: &Config,
    uppers: &[Pretrained],
    test: &Dataset,
    chapter: &mut Chapter,
) -> Result<()> {
    let few = test.first(config.n as usize);
    let real = from_u8(&few.images);
    let n = few.len() as u64;
    let shown = SHOWN.min(n as i64);
    let one = Sampling { steps: 1, ..config.stage };
    let levels = config.noise_levels.iter().skip(1).map(|level| (&uppers[0], config.stage, *level));
    let drawn: Vec<(&Pretrained, Sampling, usize)> =
        uppers.iter().map(|upper| (upper, config.stage, 0)).collect();
    let drawn = [(&uppers[0], one, 0)].into_iter().chain(drawn).chain(levels);
    let looks = n.div_ceil(CHUNK) * config.evaluations(uppers.len(), true);
    let mut progress = Progress::new("enlarging", looks);
    let (mut rows, mut pictures) = (Vec::new(), Vec::new());
    let low = reduce(&real, low_res(&uppers[0])?.factor);
    let mut row = |way: String, trained, noise_level, nfe, x: Tensor| {
        let (pixels, mean) = (to_u8(&x), |x: Tensor| x.mean(None).double_value(&[]));
        let (psnr, ssim) = (mean(psnr(&pixels, &few.images)), mean(ssim(&pixels, &few.images)));
        rows.push(Row { way, trained, noise_level, nfe, n, psnr, ssim });
        pictures.push(x.narrow(0, 0, shown));
    };
    for how in [Interpolation::Bilinear, Interpolation::Bicubic] {
        let pixels = from_u8(&to_u8(&low));
        let x = how.enlarge(&pixels, low_res(&uppers[0])?.factor);
        row(format!("{how:?}").to_lowercase(), None, None, 0, x);
    }
    for (upper, sampling, level) in drawn {
        let how = format!("{:?}", low_res(upper)?.interpolation).to_lowercase();
        let images = enlarging((&low, &few.labels), upper, sampling, level, chapter.seed)?;
        let mut tick = |_: &_| progress.tick("");
        let parts = (0..n).step_by(CHUNK as usize);
        let parts: Vec<Tensor> =
            parts.map(|first| images.draw(first, CHUNK.min(n - first), &mut tick)).collect();
        let x = Tensor::cat(&parts, 0).to_device(Device::Cpu);
        let way = match sampling.steps {
            1 => format!("network shown {how}, one step"),
            _ => format!("network shown {how}"),
        };
        row(way, Some(upper.step), Some(level), images.recipe().nfe, x);
    }
    progress.finish("");
    chapter.results.samples(n);
    chapter.results.table("upsampling.csv", &rows)?;
    let small = larger(&low.narrow(0, 0, shown), real.size()[2]);
    let [_bilinear, bicubic, mean, sample] = [0, 1, 2, 3].map(|i| pictures[i].shallow_clone());
    let all = [small, bicubic, mean, sample, real.narrow(0, 0, shown)];
    let names = ["small", "bicubic", "one step", "drawn", "real"];
    let grid = Grid::new(&Tensor::cat(&all, 0), shown as usize).scale(3);
    chapter.results.samples(shown as u64);
    Ok(chapter.results.figure("upsampling.png", &grid.row_labels(&names).draw())?)
}

/// What the network makes of the small test images, of these labels.
pub fn enlarging(
    (low, labels): (&Tensor, &Tensor),
    upper: &Pretrained,
    sampling: Sampling,
    level: usize,
    seed: u64,
) -> Result<ImageSampler> {
    let mut noise = Seeded::new(seed, 1 << 33);
    let images = upper.low_res(low, level, &mut |x| noise.draw(x))?;
    let (name, classes) = ("test images".into(), Some(labels.shallow_clone()));
    Ok(ImageSampler::seeing(upper, sampling, Shown { images, name, classes })?)
}

/// How the network is shown small images.
pub fn low_res(upper: &Pretrained) -> Result<LowRes> {
    let Some(ImageCondition::LowRes(low_res)) = upper.config.image_condition else {
        bail!("the network of --upsampler was not trained to enlarge images");
    };
    Ok(low_res)
}
