//! The second stage: a network that reads the same captions makes the pictures larger.

use super::Config;
use super::asked::{Asked, Which};
use anyhow::Result;
use from_noise::data::captions::{Part, Scene};
use from_noise::data::{Interpolation, from_u8, reduce, to_u8};
use from_noise::evaluate::{Generator, ImageSampler, Shown};
use from_noise::guide::Guidance;
use from_noise::metrics::{alignment, psnr, ssim};
use from_noise::plot::Grid;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::Tensor;

/// Guidance of the base, whose pictures are enlarged.
const SCALE: f64 = 3.0;
/// Columns of the picture.
const SHOWN: i64 = 8;

#[derive(Debug, Serialize)]
struct Row {
    way: &'static str,
    n: u64,
    /// Of real scenes that were made small: decibels, and structural similarity.
    psnr: f64,
    ssim: f64,
    /// Of what the base drew: everything that is stated, before and after.
    all: f64,
    unreadable: f64,
}

/// `enlarged.csv` and `enlarged.png`: bicubic interpolation and the upsampler, of real scenes and of
/// what the base draws.
pub fn show(
    config: &Config,
    base: &Pretrained,
    upper: &Pretrained,
    chapter: &mut Chapter,
) -> Result<()> {
    let n = config.n.min(100);
    let asked = Asked::new(Which::Seen, n);
    let draw = |images: &ImageSampler| on_cpu(&images.draw(0, n, &mut |_| {}));
    let enlarged = |small: &Tensor, name: &str| -> Result<Tensor> {
        let images = upper.low_res(small, 0, &mut |x| x.zeros_like())?; // level 0: no noise is added
        let shown = Shown { images, name: name.into(), classes: None };
        let images = ImageSampler::seeing(upper, config.sampling, shown)?;
        Ok(draw(&images.prompted(asked.prompts()?)?))
    };
    let images = ImageSampler::new(base, config.sampling)?.prompted(asked.prompts()?)?;
    let base_drew = draw(&images.guided(Guidance::scale(SCALE), None)?);
    let of_drawn = enlarged(&base_drew, "what the base drew")?;
    let side = i64::from(upper.config.format.size);
    let factor = side / base_drew.size()[2];
    let real = (0..n).map(|i| Scene::draw(0, i, Part::Test).render(side)).collect::<Vec<_>>();
    let real = Tensor::stack(&real, 0);
    let small = reduce(&from_u8(&real), factor);
    let of_real = enlarged(&small, "test scenes made small")?;
    let bicubic = |x: &Tensor| Interpolation::Bicubic.enlarge(&from_u8(&to_u8(x)), factor);
    let (mut rows, mut pictures) = (Vec::new(), Vec::new());
    for (way, of_real, of_drawn) in [
        ("bicubic interpolation", bicubic(&small), bicubic(&base_drew)),
        ("upsampler", of_real, of_drawn),
    ] {
        let mean = |x: Tensor| x.mean(None).double_value(&[]);
        let pixels = to_u8(&of_real);
        let found = alignment(&to_u8(&of_drawn), &asked.facts);
        rows.push(Row {
            way,
            n,
            psnr: mean(psnr(&pixels, &real)),
            ssim: mean(ssim(&pixels, &real)),
            all: found.all.rate(),
            unreadable: found.unreadable.rate(),
        });
        pictures.push(of_drawn);
    }
    let few: Vec<Tensor> =
        pictures.iter().map(|x: &Tensor| x.narrow(0, 0, SHOWN.min(n as i64))).collect();
    let across = few[0].size()[0] as usize;
    chapter.results.samples(n);
    chapter.results.table("enlarged.csv", &rows)?;
    let names = ["bicubic", "upsampler"].map(String::from);
    let grid = Grid::new(&Tensor::cat(&few, 0), across).scale(2).row_labels(&names);
    Ok(chapter.results.figure("enlarged.png", &grid.draw())?)
}
