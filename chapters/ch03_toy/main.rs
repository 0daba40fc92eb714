//! Chapter 3: a network learns the way back in the plane; the worst idea first.

mod figures;
mod ideas;
mod learn;
mod page;
mod without_t;

use anyhow::Result;
use clap::Parser;
use from_noise::data::Toy;
use from_noise::denoiser::{Mixture, Model, Parameterization, Target};
use from_noise::nn::{Mlp, MlpConfig, Time};
use from_noise::schedule::ScheduleConfig;
use from_noise::train::{TrainConfig, Trainer};
use from_noise::util::cli::{self, Common, Cost, count};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// A toy in the plane, trained live: predict x0 in one step (the worst idea), in five, then the
/// noise; with and without t; trajectories; the learned field against the exact score.
///
/// Example: cargo chapter 03 --toy moons --out runs/moons
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: Common,

    /// The distribution to learn: one whose exact score is known
    #[arg(long, value_enum, default_value_t = Toy::SwissRoll)]
    toy: Toy,

    /// Optimizer steps of the two networks that predict noise; the worst idea gets two fifths
    /// [default: by preset]
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    steps: Option<u64>,

    /// Go on where an interrupted run stopped
    #[arg(long)]
    resume: bool,
}

/// What fixes a trained network; saved with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    toy: Toy,
    schedule: ScheduleConfig,
    batch: i64,
    network: MlpConfig,
    parameterization: Parameterization,
    train: TrainConfig,
}

/// The chapter's settings.
#[derive(Debug, Serialize)]
struct Plan {
    steps: u64,
    /// Points drawn for figures and distances.
    points: i64,
    toy: Config,
}

/// A network and the average of its weights.
type Net = Trainer<Model<Mlp>>;

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let plan = plan(&args);
    let cost = || cost(&plan);
    let Some(parts) = args.toy.mixture() else {
        anyhow::bail!("the {} has no exact score to compare with: choose another --toy", args.toy)
    };
    let Some(mut chapter) = cli::start("ch03-toy", &args.common, &plan, cost)? else {
        return Ok(());
    };
    let exact = Mixture::new(&parts.weights, &parts.means_tensor(), &parts.stds);
    let mut nets = BTreeMap::new();
    for (name, config, steps) in networks(&plan) {
        nets.insert(name, learn::learn(name, &config, steps, &chapter, args.resume)?);
    }
    let (net, blind) = (&nets["eps"], &nets["eps-without-t"]);
    chapter.results.samples(plan.points as u64);
    ideas::compare(&plan, &nets, &mut chapter)?;
    without_t::with_and_without_t(&plan, [net, blind], &exact, &mut chapter)?;
    figures::trajectories(&plan, net, &mut chapter)?;
    figures::field_against_score(&plan, net, &exact, &mut chapter)?;
    page::for_the_page(&plan, &nets["small"], &mut chapter)?;
    chapter.results.finish();
    Ok(())
}

fn plan(args: &Args) -> Plan {
    Plan {
        steps: args.steps.unwrap_or(args.common.choose(20, 2500, 10_000, 50_000)),
        points: args.common.choose(60, 2000, 4000, 4000),
        toy: Config {
            toy: args.toy,
            schedule: ScheduleConfig::default(),
            batch: args.common.choose(16, 512, 2048, 2048),
            network: MlpConfig::default(),
            parameterization: Parameterization::default(),
            train: TrainConfig { lr: 2e-3, seed: args.common.seed, ..TrainConfig::default() },
        },
    }
}

/// The networks by name, and for how many steps each learns.
fn networks(plan: &Plan) -> [(&'static str, Config, u64); 4] {
    let config = |target, network: MlpConfig| {
        let parameterization = Parameterization { target, ..plan.toy.parameterization };
        Config { network, parameterization, ..plan.toy.clone() }
    };
    let (net, steps) = (plan.toy.network.clone(), plan.steps);
    let without_time = MlpConfig { time: Time::Ignored, ..net.clone() };
    let few = MlpConfig { width: 48, depth: 2, embed: 32, ..net.clone() };
    [
        ("x0", config(Target::X0, net.clone()), steps * 2 / 5),
        ("eps", config(Target::Eps, net), steps),
        ("eps-without-t", config(Target::Eps, without_time), steps),
        ("small", config(Target::Eps, few), steps),
    ]
}

/// Four networks are trained; comparing the ideas takes nearly all other evaluations.
fn cost(plan: &Plan) -> Cost {
    let steps = ideas::ideas(plan).iter().map(|idea| idea.steps as u64).sum::<u64>();
    let points = plan.points as u64;
    let drawing = Cost::sampling(plan.toy.network.cost(), steps * points, points);
    let training = networks(plan).map(|(_, config, steps)| {
        Cost::training(config.network.cost(), steps, config.batch as u64)
    });
    training.into_iter().fold(Cost { parameters: 0, ..drawing }, |all, one| all + one)
}
