//! The networks that are compared, and how each is sampled.

use super::Args;
use anyhow::Result;
use from_noise::denoiser::Head;
use from_noise::evaluate::{CHUNK, Sampler, Sampling, Sweep};
use from_noise::forward::Variance;
use from_noise::guide::Guidance;
use from_noise::pretrained::ImageConfig;
use from_noise::util::cli::{Cost, TableArgs};
use serde::Serialize;
use std::path::PathBuf;

/// A network by the name of its folder, and how it is sampled.
#[derive(Debug, Serialize)]
pub struct Net {
    pub name: String,
    #[serde(skip)]
    pub dir: PathBuf,
    #[serde(skip)]
    pub config: ImageConfig,
    pub sweep: Sweep,
}

impl Net {
    /// As [`TableArgs`] of this network alone.
    pub fn table(&self, args: &Args) -> TableArgs {
        TableArgs { weights: self.dir.clone(), ..args.table.clone() }
    }

    pub fn cost(&self, args: &Args, images: usize) -> Result<Cost> {
        let evaluations = images as u64 * self.config.schedule.build().steps() as u64;
        let bound = Cost::sampling(self.config.network.cost()?, evaluations, CHUNK);
        Ok(self.table(args).cost(&self.sweep, &[Guidance::NONE])? + bound)
    }

    /// The sampling whose pictures are shown: the first sampler's.
    pub fn shown(&self, steps: usize) -> Sampling {
        let (sampling, _) = self.sweep.samplings()[0];
        Sampling { steps: steps.min(self.config.schedule.build().steps()), ..sampling }
    }
}

/// The variances that a network can be read with: a learned one, or the two fixed ones.
pub fn variances(head: Head) -> &'static [Variance] {
    match head {
        Head::MeanAndNu => &[Variance::Learned],
        Head::Mean => &[Variance::Small, Variance::Large],
    }
}

/// Ancestral sampling with each variance, and DDIM, which has none.
pub fn samplers(head: Head) -> Vec<Sampler> {
    let ancestral = variances(head).iter().map(|variance| Sampler::Ddpm(*variance));
    ancestral.chain([Sampler::Ddim(0.0)]).collect()
}
