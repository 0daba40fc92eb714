//! What chapter 9 is asked for, from its flags, and what it costs.

use super::Args;
use super::lines::{self, Guide, Line};
use anyhow::Result;
use from_noise::evaluate::CHUNK;
use from_noise::nn::UnetClassifier;
use from_noise::pretrained::{NoisedClassifierConfig, Pretrained};
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Cost};
use serde::Serialize;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { steps: u64, classifier: Box<NoisedClassifierConfig> },
    Guide { samples: u64, lines: Vec<Line> },
}

pub fn plan(args: &Args) -> Result<Plan> {
    let common = &args.common;
    if args.train {
        let steps = args.steps.unwrap_or(common.choose(4, 2500, 10_000, 100_000));
        let mut classifier = Box::new(NoisedClassifierConfig::mnist());
        let cooldown = Some([steps * 3 / 5, steps]);
        classifier.train = TrainConfig { seed: common.seed, cooldown, ..classifier.train };
        args.table.pictures.check(&classifier.data)?;
        return Ok(Plan::Train { steps, classifier });
    }
    let (steps, fewer) = if common.smoke { (2, &[][..]) } else { (50, &[5, 10, 20][..]) };
    let samples = args.table.samples.unwrap_or(common.choose(20, 500, 10_000, 50_000));
    Ok(Plan::Guide { samples, lines: lines::lines(steps, fewer, common.seed) })
}

/// The classifiers that guide cost a small share of the network that draws; they are left out.
pub fn cost(plan: &Plan, args: &Args) -> Result<Cost> {
    Ok(match plan {
        Plan::Train { steps, classifier } => {
            let net = UnetClassifier::cost(&classifier.network)?;
            Cost::training(net, 2 * steps, classifier.batch as u64)
        }
        Plan::Guide { samples, lines } => {
            let net = Pretrained::config(cli::find(&args.table.weights))?.network.cost()?;
            let evaluations = |line: &Line| {
                let each = if matches!(line.guide, Guide::Free(_)) { 2 } else { 1 };
                each * line.sampling.steps as u64
            };
            Cost::sampling(net, samples * lines.iter().map(evaluations).sum::<u64>(), CHUNK)
        }
    })
}
