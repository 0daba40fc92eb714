//! Chapter 6: quality against steps: the table of the DDIM paper, on digits.

mod figures;
mod last_noise;
mod model_error;

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::table1::{self, SAMPLERS};
use from_noise::evaluate::{Score, Sweep, SweepGrid};
use from_noise::guide::Guidance;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter, Common, TableArgs, count};
use from_noise::util::results::read_table;
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

/// The paths of our table, in its order.
const PATHS: [Path; 3] = [Path::Uniform, Path::Quadratic, Path::Trailing];

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
        let mut ends = [&steps[..2], &steps[steps.len() - 1..]].concat();
        ends.dedup();
        let trailing = |n| all(&steps[..1], Path::Trailing, n);
        vec![
            all(steps, Path::Uniform, few),
            all(cheap, Path::Uniform, many),
            all(&ends, Path::Uniform, fewest),
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
    let args = cli::parse::<Args>();
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
        let all = lines_like(&rows[0], &chapter)?;
        chapter.results.table("fid.csv", &table1::rows("MNIST", &PATHS, &all))?;
        chapter.results.samples(table1::IMAGES);
        chapter.results.table("paper.csv", &table1::papers("CIFAR-10", "CelebA"))?;
        figures::curves(&rows, &trained, &mut chapter)?;
        last_noise::table(&trained, few, &mut chapter)?;
        figures::same_latents(&trained, (few, many), &mut chapter)?;
        model_error::table(args.common.smoke, &mut chapter)?; // minutes
    }
    chapter.results.finish();
    Ok(())
}

/// All lines of `table.csv` that compare with this one, those of other sweeps among them: by the same
/// weights from the same seed, measured by the same network.
fn lines_like(known: &Score, chapter: &Chapter) -> Result<Vec<Score>> {
    let mut lines: Vec<Score> = read_table(&chapter.results.dir().join("table.csv"))?;
    lines.retain(|line| {
        line.weights == known.weights
            && line.condition == known.condition
            && line.seed == known.seed
            && line.feature_net == known.feature_net
    });
    Ok(lines)
}
