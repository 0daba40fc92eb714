//! Chapter 6: quality against steps: the table of the DDIM paper, on digits.

mod figures;
mod last_noise;
mod model_error;
mod printed;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Sampler, Sweep, SweepGrid};
use from_noise::forward::Variance;
use from_noise::guide::Guidance;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Common, TableArgs, count};
use std::process::ExitCode;

/// FID against steps: S in {10, 20, 50, 100, 1000} times eta in {0, 0.2, 0.5, 1, sigma-hat}, the
/// table of the DDIM paper, with the digits that come with the crate. It takes hours, can be
/// stopped at any time, and goes on when the same command is typed again.
///
/// Examples: cargo chapter 06 --dry-run
///           cargo chapter 06 --samples 500 --steps 10,20
///           cargo chapter 06 --out runs/fid
///           cargo chapter 06 --out runs/fid --shard 3/8
///           cargo chapter 06 --out runs/fid --collect
///           cargo chapter 06 --weights runs/mine --preset paper --device cuda:0
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
#[command(mut_arg("samples", |arg| arg.conflicts_with("preset")))]
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    table: TableArgs,

    /// Numbers of steps [default: by preset]
    #[arg(long, value_name = "S", value_delimiter = ',', value_parser = count::<usize>())]
    steps: Vec<usize>,
}

/// The five rows of the paper's table.
const SAMPLERS: [Sampler; 5] = [
    Sampler::Ddim(0.0),
    Sampler::Ddim(0.2),
    Sampler::Ddim(0.5),
    Sampler::Ddim(1.0),
    Sampler::Ddpm(Variance::Large),
];

/// The paths of our table, in its order.
const PATHS: [Path; 3] = [Path::Uniform, Path::Quadratic, Path::Trailing];

/// Song et al. 2020 (DDIM), Table 1, CIFAR-10, n = 50,000, on the quadratic path (section D.2): what
/// the paper found, in the order of `SAMPLERS`.
const CIFAR10: Printed = [
    (10, [13.36, 14.04, 16.66, 41.07, 367.43]),
    (20, [6.84, 7.11, 8.35, 18.36, 133.37]),
    (50, [4.67, 4.77, 5.25, 8.01, 32.72]),
    (100, [4.16, 4.25, 4.46, 5.78, 9.99]),
    (1000, [4.04, 4.09, 4.29, 4.73, 3.17]),
];

/// The other half of the same table, CelebA 64 x 64, on the uniform path.
const CELEBA: Printed = [
    (10, [17.33, 17.66, 19.86, 33.12, 299.71]),
    (20, [13.73, 14.11, 16.06, 26.03, 183.83]),
    (50, [9.17, 9.51, 11.01, 18.48, 71.71]),
    (100, [6.53, 6.79, 8.09, 13.93, 45.20]),
    (1000, [3.51, 3.64, 4.28, 5.98, 3.26]),
];

/// Steps, and the distances of the five samplers.
type Printed = [(usize, [f64; 5]); 5];

/// Which lines the table has.
fn sweep(args: &Args) -> Sweep {
    let all = |steps: &[usize], path: Path, n: u64| SweepGrid {
        samplers: SAMPLERS.to_vec(),
        paths: vec![path],
        steps: steps.to_vec(),
        evaluations: Vec::new(),
        n,
    };
    let fewest = args.common.choose(40, 500, 10_000, 50_000);
    let (few, many) =
        args.common.choose((40, 40), (2000, 10_000), (10_000, 50_000), (50_000, 50_000));
    let steps: &[usize] = if args.common.smoke { &[2, 3] } else { &[10, 20, 50, 100, 1000] };
    let grid = if args.table.samples.is_some() || !args.steps.is_empty() {
        let steps = if args.steps.is_empty() { steps } else { &args.steps };
        vec![all(steps, Path::Uniform, args.table.samples.unwrap_or(few))]
    } else {
        let cheap = &steps[..steps.len() - 1];
        let trailing = |n| all(&steps[..1], Path::Trailing, n);
        vec![
            all(steps, Path::Uniform, few),
            all(cheap, Path::Uniform, many),
            all(&steps[..2], Path::Uniform, fewest),
            all(&steps[..2], Path::Quadratic, fewest),
            trailing(few),
            trailing(many),
        ]
    };
    Sweep { seed: args.common.seed, grid }
}

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<()> {
    let args = Args::parse();
    let sweep = sweep(&args);
    let cost = args.table.cost(&sweep, &[Guidance::NONE])?;
    let Some(mut chapter) = cli::start("ch06-fid-table", &args.common, &sweep, || cost)? else {
        return Ok(());
    };
    let (trained, _net, rows) =
        args.table.fill(&sweep, &[Guidance::NONE], args.common.smoke, &mut chapter)?;
    if !rows.is_empty() {
        let (few, many) = if args.common.smoke { (2, 3) } else { (10, 100) };
        let most = trained.schedule.steps();
        let (few, many) = (few.min(most), many.min(most));
        printed::tables(&rows, &mut chapter)?;
        figures::curves(&rows, &trained, &mut chapter)?;
        last_noise::table(&trained, few, &mut chapter)?;
        figures::same_latents(&trained, (few, many), &mut chapter)?;
        model_error::table(args.common.smoke, &mut chapter)?; // minutes
    }
    chapter.results.finish();
    Ok(())
}
