//! The networks that inpaint, and which of them does it in which way.

use super::Config;
use anyhow::Result;
use from_noise::evaluate::{Inpainter, Inpainting, Known};
use from_noise::pretrained::Pretrained;

/// The networks that inpaint.
pub struct Networks {
    pub free: Pretrained,
    pub trained: Option<Pretrained>,
}

impl Networks {
    /// What completes `known` in one of the ways.
    pub fn inpainter(&self, config: &Config, way: Inpainting, known: Known) -> Result<Inpainter> {
        let by = match way {
            Inpainting::Trained => self.trained.as_ref().expect("a way of the configuration"),
            _ => &self.free,
        };
        Ok(Inpainter::new(by, config.sampling, way, known)?)
    }
}
