//! What is drawn for the tables: captions, guided by growing scales and away from two things.

use super::asked::{Asked, Which};
use anyhow::Result;
use from_noise::evaluate::{ImageSampler, Sampling, TableEntry};
use from_noise::guide::Guidance;
use from_noise::pretrained::Pretrained;
use serde::Serialize;

/// A line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    pub captions: Which,
    pub scale: f64,
    /// Away from the caption of the objects exchanged, not from the empty one.
    pub exchanged: bool,
}

impl Line {
    pub fn images(
        self,
        base: &Pretrained,
        sampling: Sampling,
        asked: &Asked,
    ) -> Result<ImageSampler> {
        let mut images = ImageSampler::new(base, sampling)?.prompted(asked.prompts()?)?;
        if self.exchanged {
            images = images.away_from(asked.exchanged()?)?;
        }
        Ok(images.guided(Guidance::scale(self.scale), None)?)
    }

    /// What guidance leads away from.
    pub fn away_from(self) -> &'static str {
        if self.exchanged { "the objects exchanged" } else { "no caption" }
    }

    /// As a table draws it, the images kept: the rule reads them.
    pub fn entry(self, base: &Pretrained, sampling: Sampling, asked: &Asked) -> Result<TableEntry> {
        let n = asked.facts.len() as u64;
        Ok(TableEntry::new(self.images(base, sampling, asked)?, n).keeping_images())
    }
}

/// The lines of both tables: captions by scale, and relations by what guidance leaves.
pub fn lines(scales: &[f64], of_relations: &[f64]) -> Vec<Line> {
    let plain =
        |captions| scales.iter().map(move |&scale| Line { captions, scale, exchanged: false });
    let related = |exchanged| {
        let captions = Which::Relations;
        of_relations.iter().map(move |&scale| Line { captions, scale, exchanged })
    };
    let mut lines: Vec<Line> = plain(Which::Seen).chain(plain(Which::HeldOut)).collect();
    lines.extend(related(false).chain(related(true)));
    lines
}
