//! What is drawn for the table: two networks, unguided and guided in several ways.

use anyhow::Result;
use from_noise::checkpoint::{load_tensors, save_tensors};
use from_noise::data::to_u8;
use from_noise::evaluate::{Generator, ImageSampler, Sampling};
use from_noise::guide::Guidance;
use from_noise::pretrained::{Pretrained, PretrainedClassifier};
use from_noise::util::cli;
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::path::Path;
use tch::{Device, Tensor};

/// The networks that draw, and the classifiers that guide.
pub struct Nets {
    pub unconditional: Pretrained,
    pub conditional: Pretrained,
    pub noised: PretrainedClassifier,
    pub clean: PretrainedClassifier,
}

/// What guides, and how much: the `s` of Dhariwal and Nichol, by which `gamma` grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guide {
    Nothing,
    /// The classifier that was taught at all levels of noise.
    Noised(f64),
    /// The one that was taught by clean images.
    Clean(f64),
    /// No classifier.
    Free(f64),
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    pub conditional: bool,
    pub guide: Guide,
}

impl Cell {
    pub fn images(self, nets: &Nets, sampling: Sampling) -> Result<ImageSampler> {
        let net = if self.conditional { &nets.conditional } else { &nets.unconditional };
        let images = ImageSampler::new(net, sampling)?;
        Ok(match self.guide {
            Guide::Nothing => images,
            Guide::Noised(s) => images.guided_by(&nets.noised, s)?,
            Guide::Clean(s) => images.guided_by(&nets.clean, s)?,
            Guide::Free(s) => images.guided(Guidance::scale(1.0 + s), None)?,
        })
    }

    pub fn network(self) -> &'static str {
        if self.conditional { "conditional" } else { "unconditional" }
    }

    /// The name of what guides.
    pub fn guided(self) -> &'static str {
        match self.guide {
            Guide::Nothing => "nothing",
            Guide::Noised(_) => "noised classifier",
            Guide::Clean(_) => "clean classifier",
            Guide::Free(_) => "classifier-free",
        }
    }

    /// How often the gradient of `log p(y | x_t)` is in the score: once by itself if the network is
    /// told the class.
    pub fn gamma(self) -> f64 {
        let told = if self.conditional { 1.0 } else { 0.0 };
        told + match self.guide {
            Guide::Nothing => 0.0,
            Guide::Noised(s) | Guide::Clean(s) | Guide::Free(s) => s,
        }
    }
}

/// The scales of the sweep.
const SCALES: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// The lines of the table: those of the two by two first.
pub fn cells() -> Vec<Cell> {
    let cell = |conditional, guide| Cell { conditional, guide };
    let mut cells = vec![
        cell(false, Guide::Nothing),
        cell(true, Guide::Nothing),
        cell(false, Guide::Noised(5.0)),
        cell(true, Guide::Noised(1.0)),
        cell(true, Guide::Free(1.0)),
        cell(false, Guide::Clean(1.0)),
        cell(false, Guide::Clean(5.0)),
    ];
    let sweep = SCALES.map(|s| cell(false, Guide::Noised(s)));
    cells.extend(sweep.into_iter().filter(|cell| *cell != cells[2]).collect::<Vec<_>>());
    cells
}

/// Images that are drawn, and saved, together.
pub const PART: u64 = 100;

/// The first `n` images as pixels, `[n, C, H, W]` in u8. Each part is saved below `dir` when it is
/// drawn and read from there ever after; an interruption ends the process.
pub fn draw(images: &ImageSampler, n: u64, dir: &Path, progress: &mut Progress) -> Result<Tensor> {
    let recipe = images.recipe();
    let words = [&recipe.sampler, &recipe.path, &recipe.condition, &recipe.hash];
    let name = words.map(|word| word.replace([' ', ','], "-")).join("-");
    let dir = dir.join("parts").join(format!("{name}-{}-{}", recipe.steps, recipe.seed));
    let _held = cli::hold_interrupts()?;
    let mut parts = Vec::new();
    for first in (0..n).step_by(PART as usize) {
        let count = PART.min(n - first);
        let file = dir.join(format!("{first:06}-{count}.safetensors"));
        let looks = images.looks();
        if !file.exists() {
            cli::stop_if_interrupted();
            let x0 = images.draw(first, count, &mut |_| progress.tick(""));
            save_tensors([("pixels", to_u8(&x0).to_device(Device::Cpu))], &file)?;
        } else {
            (0..looks).for_each(|_| progress.tick(""));
        }
        parts.extend(load_tensors(&file)?.remove("pixels"));
    }
    Ok(Tensor::cat(&parts, 0))
}

/// How often [`draw`] reports progress.
pub fn looks(images: &ImageSampler, n: u64) -> u64 {
    n.div_ceil(PART) * images.looks() as u64
}
