//! What chapter 13 is asked for, from its flags.

use super::{Args, learn};
use anyhow::Result;
use from_noise::evaluate::table1::SAMPLERS;
use from_noise::evaluate::{CHUNK, Sweep, SweepGrid};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Cost};
use serde::Serialize;
use std::path::PathBuf;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { until: u64, image: Box<ImageConfig> },
    Draw { run: PathBuf, sweep: Sweep },
}

impl Args {
    pub fn plan(&self) -> Result<Plan> {
        if self.train {
            let (until, image) = learn::recipe(self)?;
            return Ok(Plan::Train { until, image: Box::new(image) });
        }
        let (few, all) = (vec![10, 20, 50], vec![10, 20, 50, 100, 1000]);
        let steps = self.common.choose(vec![2, 3], few, all.clone(), all);
        let grid = SweepGrid {
            samplers: SAMPLERS.to_vec(),
            paths: vec![Path::Quadratic], // the paper's for CIFAR-10: appendix D.2
            steps: if self.steps.is_empty() { steps } else { self.steps.clone() },
            evaluations: Vec::new(),
            n: self.samples.unwrap_or(self.common.choose(40, 500, 10_000, 50_000)),
        };
        let sweep = Sweep { seed: self.common.seed, grid: vec![grid] };
        Ok(Plan::Draw { run: self.run.clone(), sweep })
    }
}

impl Plan {
    /// What it costs; refused if the run cannot be sampled so.
    pub fn cost(&self) -> Result<Cost> {
        let (run, sweep) = match self {
            Plan::Train { until, image } => {
                return Ok(Cost::training(image.network.cost()?, *until, image.batch as u64));
            }
            Plan::Draw { run, sweep } => (run, sweep),
        };
        let image = Pretrained::config(cli::find(run))?;
        image.needs_no_image()?;
        let schedule = image.schedule.build();
        for (sampling, _) in sweep.samplings() {
            sampling.check(&schedule, image.parameterization)?;
        }
        Ok(Cost::sampling(image.network.cost()?, sweep.evaluations(&schedule), CHUNK))
    }
}
