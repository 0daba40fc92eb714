//! What chapter 9 is asked for, from its flags, and what it costs.

use super::Args;
use super::cells::{self, Cell, PART};
use anyhow::Result;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::nn::UnetClassifier;
use from_noise::pretrained::{NoisedClassifierConfig, Pretrained};
use from_noise::schedule::Path;
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Cost};
use serde::Serialize;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { steps: u64, classifier: Box<NoisedClassifierConfig> },
    Guide { sampling: Sampling, samples: u64, cells: Vec<Cell> },
}

pub fn plan(args: &Args) -> Plan {
    let common = &args.common;
    if args.train {
        let steps = args.steps.unwrap_or(common.choose(4, 2500, 10_000, 100_000));
        let mut classifier = Box::new(NoisedClassifierConfig::mnist());
        let cooldown = Some([steps * 3 / 5, steps]);
        classifier.train = TrainConfig { seed: common.seed, cooldown, ..classifier.train };
        return Plan::Train { steps, classifier };
    }
    let steps = if common.smoke { 2 } else { 20 };
    let (sampler, path) = (Sampler::Ddim(0.0), Path::Trailing);
    let samples = args.samples.unwrap_or(common.choose(20, 300, 10_000, 50_000));
    let sampling = Sampling { sampler, path, steps, seed: common.seed };
    Plan::Guide { sampling, samples, cells: cells::cells() }
}

/// The classifiers that guide cost a twentieth of the network that draws; they are left out.
pub fn cost(plan: &Plan, args: &Args) -> Result<Cost> {
    Ok(match plan {
        Plan::Train { steps, classifier } => {
            let net = UnetClassifier::cost(&classifier.network)?;
            Cost::training(net, 2 * steps, classifier.batch as u64)
        }
        Plan::Guide { sampling, samples, cells } => {
            let net = Pretrained::config(cli::find(&args.weights))?.network.cost()?;
            let passes = samples * sampling.steps as u64 * cells.len() as u64;
            Cost::sampling(net, passes, PART)
        }
    })
}
