//! What chapter 4 is asked for, from its flags.

use super::variants::{self, Length};
use super::{Args, compare, draw, levels, recipe};
use anyhow::{Context, Result, ensure};
use from_noise::evaluate::{CHUNK, Sampler, Sampling};
use from_noise::forward::Variance;
use from_noise::nn::{UnetConfig, cost};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::say;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Cost};
use serde::Serialize;
use std::path::PathBuf;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    Train { steps: u64, image: Box<ImageConfig> },
    Draw { weights: PathBuf, samples: u64, steps: usize },
    Score { weights: PathBuf, samples: u64, sampling: Sampling },
    Levels { weights: Vec<PathBuf>, samples: u64 },
    Variants { length: Length, samples: u64 },
}

impl Plan {
    /// What it costs; says how large the network is.
    pub fn cost(&self, args: &Args) -> Result<Cost> {
        let count = |network: &UnetConfig| -> Result<cost::Cost> {
            let net = network.cost()?;
            say!("{:.1} MFLOP per sample and forward pass", net.flops as f64 / 1e6);
            Ok(net)
        };
        let of = |weights: &PathBuf| count(&Pretrained::config(cli::find(weights))?.network);
        Ok(match self {
            Plan::Train { steps, image } => {
                Cost::training(count(&image.network)?, *steps, image.batch as u64)
            }
            Plan::Draw { weights, samples, steps } => {
                Cost::sampling(of(weights)?, samples * *steps as u64, draw::BATCH)
            }
            Plan::Score { weights, samples, sampling } => {
                Cost::sampling(of(weights)?, samples * sampling.steps as u64, CHUNK)
            }
            Plan::Levels { weights, samples } => {
                let costs = weights.iter().map(|weights| {
                    Ok(Cost::sampling(of(weights)?, samples * levels::evaluations(), CHUNK))
                });
                costs.reduce(|a: Result<Cost>, b| Ok(a? + b?)).expect("at least one network")?
            }
            Plan::Variants { length, samples } => {
                let evaluations = samples * compare::sampling(args).steps as u64;
                variants::cost(*length, args.common.smoke, evaluations)?
            }
        })
    }
}

impl Args {
    /// Refuses a flag that would mean nothing here.
    fn check(&self) -> Result<()> {
        for (flag, given) in [
            ("--data", self.data.data.is_some()),
            ("--size", self.data.size.is_some()),
            ("--rgb", self.data.rgb),
            ("--config", self.config.is_some()),
            ("--start-from", self.start_from.is_some()),
            ("--score-every", self.score_every.is_some()),
            ("--steps", self.steps.is_some() && self.variants.is_none()),
            ("--resume", self.resume),
            ("--precision", self.precision.is_some()),
        ] {
            ensure!(self.train || !given, "{flag} is about learning: add --train, or leave it out");
        }
        let scored = [self.score, self.from_levels, self.score_every, self.variants];
        ensure!(
            scored.iter().any(Option::is_some) || self.classifier.is_none(),
            "--classifier is about scores: add --score, or --score-every with --train"
        );
        Ok(())
    }
}

pub fn plan(args: &Args) -> Result<Plan> {
    args.check()?;
    let common = &args.common;
    let weights = args.weights.clone().unwrap_or_else(|| "weights/mnist-unet-v".into());
    // On the path uniform, in at most this many steps; refused if the weights cannot be sampled so.
    let sampling = |sampler: Sampler, most: usize| -> Result<Sampling> {
        let config = Pretrained::config(cli::find(&weights))?;
        let schedule = config.schedule.build();
        let steps = most.min(schedule.steps());
        let sampling = Sampling { sampler, path: Path::Uniform, steps, seed: common.seed };
        config.needs_no_image()?;
        sampling.check(&schedule, config.parameterization)?;
        args.data.pictures.check(&config.data)?;
        Ok(sampling)
    };
    Ok(if args.train {
        let (steps, mut image) = match &args.config {
            Some(dir) => {
                let mut image = Pretrained::config(cli::find(dir))?;
                let end = image.train.cooldown.map(|[_, end]| end);
                let steps = args.steps.or(common.smoke.then_some(4)).or(end);
                let steps = steps.context(
                    "this config.json does not say where its training ends (train.cooldown): add \
                     --steps",
                )?;
                image.train = image.train.lasting(steps);
                image.batch = if common.smoke { image.batch.min(8) } else { image.batch };
                (steps, image)
            }
            None => recipe::recipe(args)?,
        };
        image.precision = args.precision.unwrap_or(image.precision);
        args.data.pictures.check(&image.data)?;
        Plan::Train { steps, image: Box::new(image) }
    } else if let Some(samples) = args.score {
        let sampling =
            sampling(Sampler::Ddim(args.eta.unwrap_or(0.0)), if common.smoke { 2 } else { 100 })?;
        Plan::Score { weights, samples, sampling }
    } else if let Some(samples) = args.variants {
        let steps = args.steps.unwrap_or(common.choose(4, 1500, 5000, 5000));
        let batch = common.choose(4, 64, 128, 128);
        args.data.pictures.check(&ImageConfig::mnist().data)?;
        Plan::Variants { length: Length { steps, batch, seed: common.seed }, samples }
    } else if let Some(samples) = args.from_levels {
        let all = ["weights/mnist-ddpm", "weights/mnist-unet-eps", "weights/mnist-unet-v"];
        let given = args.weights.clone().map(|weights| vec![weights]);
        Plan::Levels { weights: given.unwrap_or(all.map(PathBuf::from).to_vec()), samples }
    } else {
        let samples = args.samples.unwrap_or(common.choose(4, 64, 256, 1024));
        let most = if common.smoke { 10 } else { usize::MAX };
        let Sampling { steps, .. } = sampling(Sampler::Ddpm(Variance::Small), most)?;
        Pretrained::config(cli::find(&weights))?.needs_no_caption()?;
        Plan::Draw { weights, samples, steps }
    })
}
