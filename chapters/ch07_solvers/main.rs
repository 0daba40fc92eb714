//! Chapter 7: fast solvers: what is the best use of ten evaluations?

mod exact;
mod figures;
mod stopping;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Sampler, Sweep, SweepGrid};
use from_noise::guide::Guidance;
use from_noise::pretrained::Pretrained;
use from_noise::sample::Churn;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, TableArgs};
use std::process::ExitCode;

/// Solvers against evaluations: DDIM, DPM-Solver-3, DPM-Solver++(2M), UniPC, Heun and EDM, each
/// with as many steps as fit, with the digits that come with the crate. The table takes an hour or
/// more, can be stopped at any time, and goes on when the same command is typed again.
///
/// Examples: cargo chapter 07 --dry-run
///           cargo chapter 07 --samples 500
///           cargo chapter 07 --out runs/solvers --shard 1/2
///           cargo chapter 07 --out runs/solvers --collect
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
#[command(mut_arg("samples", |arg| arg.conflicts_with("preset")))]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    table: TableArgs,
}

/// Each with the path of its paper; DDIM with one that starts at `T`, like theirs.
const SOLVERS: [(Sampler, Path); 6] = [
    (Sampler::Ddim(0.0), Path::Trailing),
    (Sampler::DpmSolver3, Path::LogSnr),
    (Sampler::DpmSolverPlusPlus2M, Path::LogSnr),
    (Sampler::UniPc, Path::LogSnr),
    (Sampler::Heun, Path::Karras),
    (Sampler::Edm(Churn::DEFAULT), Path::Karras),
];

const PATHS: [Path; 5] =
    [Path::Uniform, Path::Quadratic, Path::Trailing, Path::LogSnr, Path::Karras];

/// Which lines the table has: every solver at every cost, and at ten evaluations on every path, as
/// far as a schedule of `most` steps goes.
fn sweep(args: &Args, most: usize) -> Sweep {
    let costs: &[usize] =
        if args.common.smoke { &[3, 5] } else { &[5, 8, 10, 15, 20, 35, 50, 100] };
    let costs: Vec<usize> = costs.iter().copied().filter(|cost| *cost <= most).collect();
    let n = args.table.samples.unwrap_or(args.common.choose(40, 5000, 10_000, 50_000));
    let line = |sampler: Sampler, path: Path, evaluations: Vec<usize>| SweepGrid {
        samplers: vec![sampler],
        paths: vec![path],
        steps: Vec::new(),
        evaluations,
        n,
    };
    let by_cost = SOLVERS.iter().map(|(sampler, path)| line(*sampler, *path, costs.clone()));
    let mut grid: Vec<SweepGrid> = by_cost.collect();
    if !args.common.smoke && most >= 10 {
        let anywhere =
            SOLVERS[..5].iter().flat_map(|(sampler, _)| PATHS.map(|path| (*sampler, path)));
        grid.extend(anywhere.map(|(sampler, path)| line(sampler, path, vec![10])));
    }
    Sweep { seed: args.common.seed, grid }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = cli::parse::<Args>();
    let config = Pretrained::config(cli::find(&args.table.weights))?;
    config.needs_no_caption()?;
    let sweep = sweep(&args, config.schedule.build().steps());
    let cost = args.table.cost(&sweep, &[Guidance::NONE])?;
    let Some(mut chapter) = cli::start("ch07-solvers", &args.common, &sweep, || cost)? else {
        return Ok(());
    };
    let (trained, net, rows) =
        args.table.fill(&sweep, &[Guidance::NONE], args.common.smoke, &mut chapter)?;
    if !rows.is_empty() {
        let evaluations = if args.common.smoke { [3, 5] } else { [10, 35] };
        let evaluations = evaluations.map(|most| most.min(trained.schedule.steps()));
        exact::table(&mut chapter)?;
        figures::curves(&rows, &trained, &mut chapter)?;
        figures::table_of_paths(&rows, &mut chapter)?;
        figures::same_latents(&trained, evaluations, &mut chapter)?;
        stopping::table(&trained, &net, args.common.smoke, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}
