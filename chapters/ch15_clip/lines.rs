//! What is drawn for the tables: captions, guided without a classifier and by two CLIPs.

use anyhow::Result;
use from_noise::data::captions::{Facts, Part, Scene};
use from_noise::evaluate::{ImageSampler, Prompts, Sampler, Sampling, TableEntry};
use from_noise::guide::Guidance;
use from_noise::pretrained::{Pretrained, PretrainedClip};
use from_noise::schedule::{Level, Path};
use serde::Serialize;

/// Seed of the scenes and their captions.
const SEED: u64 = 0;

/// The network that draws, the CLIPs that guide, and one that only scores.
pub struct Nets {
    pub base: Pretrained,
    pub noised: PretrainedClip,
    pub clean: PretrainedClip,
    pub held_out: PretrainedClip,
}

/// What guides, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guide {
    Nothing,
    /// The network itself, which is told the caption.
    Free(f64),
    /// The CLIP that was taught in noise; the network is told no caption.
    Noised(f64),
    /// The CLIP that was taught by clean images.
    Clean(f64),
}

impl Guide {
    pub fn name(self) -> &'static str {
        match self {
            Guide::Nothing => "nothing",
            Guide::Free(_) => "classifier-free",
            Guide::Noised(_) => "noised CLIP",
            Guide::Clean(_) => "clean CLIP",
        }
    }

    pub fn scale(self) -> f64 {
        match self {
            Guide::Nothing => 0.0,
            Guide::Free(s) | Guide::Noised(s) | Guide::Clean(s) => s,
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    pub guide: Guide,
    pub sampling: Sampling,
}

/// The first `n` captions of scenes that training has not seen, and what they state.
pub fn captions(n: u64) -> (Vec<Facts>, Vec<String>) {
    let stated = |i| (Scene::draw(SEED, i, Part::Test).facts(SEED, i), i);
    (0..n).map(stated).map(|(facts, i)| (facts.clone(), facts.caption(SEED, i))).unzip()
}

impl Line {
    pub fn images(self, nets: &Nets, captions: &[String]) -> Result<ImageSampler> {
        let images = ImageSampler::new(&nets.base, self.sampling)?;
        let prompts = Prompts::new(captions)?;
        Ok(match self.guide {
            Guide::Nothing => images,
            Guide::Free(s) => images.prompted(prompts)?.guided(Guidance::scale(s), None)?,
            Guide::Noised(s) => images.guided_by_clip(&nets.noised, s, prompts)?,
            Guide::Clean(s) => images.guided_by_clip(&nets.clean, s, prompts)?,
        })
    }

    /// As a table draws it, the images kept: the rule and the CLIPs read them.
    pub fn entry(self, nets: &Nets, captions: &[String]) -> Result<TableEntry> {
        let n = captions.len() as u64;
        Ok(TableEntry::new(self.images(nets, captions)?, n).keeping_images())
    }

    /// Of the network that draws, per image.
    pub fn evaluations(&self) -> u64 {
        let each = match self.guide {
            Guide::Free(s) => Guidance::scale(s).evaluations(Level::CLEAN),
            _ => 1,
        };
        (each * self.sampling.steps) as u64
    }
}

/// Each way to guide by growing scales; and the best of two with fewer and with more steps, so that
/// they can be compared at equal seconds.
pub fn lines(smoke: bool, seed: u64) -> Vec<Line> {
    let line = |guide, steps| {
        let (sampler, path) = (Sampler::Ddim(0.0), Path::Trailing);
        Line { guide, sampling: Sampling { sampler, path, steps, seed } }
    };
    if smoke {
        let all = [Guide::Nothing, Guide::Free(2.0), Guide::Noised(1.0), Guide::Clean(1.0)];
        return all.map(|guide| line(guide, 2)).to_vec();
    }
    let mut lines = vec![line(Guide::Nothing, STEPS)];
    lines.extend([1.0, 2.0, 3.0, 5.0].map(|s| line(Guide::Free(s), STEPS)));
    lines.extend([1.0, 2.0, 4.0, 8.0].map(|s| line(Guide::Noised(s), STEPS)));
    lines.extend([1.0, 4.0].map(|s| line(Guide::Clean(s), STEPS)));
    for steps in [STEPS / 2, 2 * STEPS] {
        lines.extend([Guide::Free(3.0), Guide::Noised(4.0)].map(|guide| line(guide, steps)));
    }
    lines
}

/// Of most lines.
const STEPS: usize = 20;
