//! What the book's page of chapter 12 fills holes with: a small network, to be computed there.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use from_noise::checkpoint::load_weights;
use from_noise::data::{Dataset, Mask, from_u8};
use from_noise::denoiser::Denoiser;
use from_noise::guide::DenoiserExt;
use from_noise::nn::UnetConfig;
use from_noise::noise::Seeded;
use from_noise::pretrained::{Pretrained, masked};
use from_noise::sample::ddim;
use from_noise::schedule::Path;
use from_noise::util::cli::{Chapter, find};
use serde::Serialize;
use std::collections::BTreeMap;
use tch::{Device, Tensor, nn};

/// Of 0.2 million parameters: the large networks would take too long in a page.
const WEIGHTS: &str = "weights/mnist-inpainting";

/// The small network, digits to fill, and answers to check the page's own by.
#[derive(Debug, Serialize)]
struct Page {
    network: UnetConfig,
    /// By name: the numbers of a tensor in f16, in Base64.
    weights: BTreeMap<String, String>,
    /// `alpha_bar` for t = 0 to T.
    alpha_bar: Vec<f64>,
    /// A test digit of each class, as bytes.
    digits: Vec<Vec<u8>>,
    check: Check,
}

/// An image; the noise that the network predicts in it at a level, seeing the upper half of the first
/// digit; and what it is drawn down to in three steps of DDIM by projection of that half, seeing
/// nothing.
#[derive(Debug, Serialize)]
struct Check {
    x: Vec<f32>,
    t: usize,
    eps: Vec<f32>,
    filled: Vec<f32>,
}

/// `page.json` holds the small network, digits, and its answers; there is none for other images than
/// it draws.
pub fn for_the_page(test: &Dataset, chapter: &mut Chapter) -> Result<()> {
    let dir = find(std::path::Path::new(WEIGHTS));
    let config = Pretrained::config(&dir)?;
    if test.images.size()[1..] != config.shape(1)[1..] {
        return Ok(());
    }
    let mut vs = nn::VarStore::new(Device::Cpu);
    let model = config.build(&vs.root());
    load_weights(&vs, dir.join("ema.safetensors"))?;
    vs.half();
    let encode = |x: &Tensor| {
        let mut bytes = vec![0; 2 * x.numel()];
        x.copy_data_u8(&mut bytes, x.numel());
        BASE64_STANDARD.encode(bytes)
    };
    let weights = vs.variables().into_iter().map(|(name, x)| (name, encode(&x))).collect();
    vs.float(); // rounded, as in the page

    let (labels, pixels) = (Vec::<i64>::try_from(&test.labels)?, &test.images);
    let of_class = |class| labels.iter().position(|label| *label == class);
    let places: Vec<i64> = (0..10).filter_map(of_class).map(|place| place as i64).collect();
    let digits = pixels.index_select(0, &Tensor::from_slice(&places)); // [classes, 1, 28, 28]

    let (schedule, t) = (config.schedule.build(), 500);
    let x = Seeded::new(chapter.seed, 0).start(&config.shape(1));
    let known = from_u8(&digits.narrow(0, 0, 1));
    let mask = Mask::Half.of(config.format.size as i64);
    let seeing = |mask: &Tensor| model.given(masked(&known, mask));
    let eps = seeing(&mask).denoise(&x, schedule.level(t)).eps().shallow_clone();
    let blind = seeing(&mask.zeros_like()).clip(1.0);
    let (path, start) = (schedule.path(Path::Trailing, 3), x.shallow_clone());
    let blind = blind.project(known.shallow_clone(), mask);
    let filled = ddim(&blind, &path, start, 0.0, &mut |x| x.zeros_like());

    let flat = |x: &Tensor| Vec::<f32>::try_from(x.flatten(0, -1));
    let page = Page {
        network: config.network,
        weights,
        alpha_bar: (0..=schedule.steps()).map(|t| schedule.alpha_bar(t)).collect(),
        digits: digits
            .unbind(0)
            .iter()
            .map(|x| Vec::try_from(x.flatten(0, -1)))
            .collect::<Result<_, _>>()?,
        check: Check { x: flat(&x)?, t, eps: flat(&eps)?, filled: flat(&filled)? },
    };
    Ok(chapter.results.json("page.json", &page)?)
}
