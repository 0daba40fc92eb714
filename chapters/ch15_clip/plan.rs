//! What chapter 15 is asked for, from its flags, and what it costs.

use super::Args;
use super::lines::{self, Line};
use anyhow::Result;
use from_noise::evaluate::CHUNK;
use from_noise::nn::UnetClassifier;
use from_noise::pretrained::{ClipConfig, Pretrained};
use from_noise::train::TrainConfig;
use from_noise::util::cli::{self, Cost};
use serde::Serialize;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { steps: u64, clip: Box<ClipConfig> },
    Guide { samples: u64, lines: Vec<Line> },
}

pub fn plan(args: &Args) -> Plan {
    let common = &args.common;
    if args.train {
        let steps = args.steps.unwrap_or(common.choose(4, 1500, 10_000, 100_000));
        let mut clip = Box::new(ClipConfig::captions());
        let cooldown = Some([steps / 2, steps]);
        clip.train = TrainConfig { seed: common.seed, cooldown, ..clip.train };
        if common.smoke {
            clip.batch = 8;
        }
        return Plan::Train { steps, clip };
    }
    let samples = args.samples.unwrap_or(common.choose(4, 200, 2000, 10_000));
    Plan::Guide { samples, lines: lines::lines(common.smoke, common.seed) }
}

/// The CLIPs that guide cost a small share of the network that draws; they are left out.
pub fn cost(plan: &Plan, args: &Args) -> Result<Cost> {
    Ok(match plan {
        Plan::Train { steps, clip } => {
            let tower = UnetClassifier::cost(&clip.image)?;
            Cost::training(tower, 3 * steps, clip.batch as u64)
        }
        Plan::Guide { samples, lines } => {
            let net = Pretrained::config(cli::find(&args.base))?.network.cost()?;
            let evaluations = lines.iter().map(Line::evaluations).sum::<u64>();
            Cost::sampling(net, samples * evaluations, CHUNK)
        }
    })
}
