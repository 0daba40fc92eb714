//! Chapter 7: fast solvers: what is the best use of ten evaluations?

use anyhow::Result;
use clap::Parser;
use from_noise::data::to_u8;
use from_noise::denoiser::Mixture;
use from_noise::evaluate::{
    FeatureStats, Generator, ImageSampler, Sampler, Sampling, Score, Sweep, SweepGrid,
};
use from_noise::guide::DenoiserExt;
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::{Churn, dpm_solver_3};
use from_noise::schedule::{Level, Path, Schedule};
use from_noise::util::cli::{self, Chapter, Common, TableArgs};
use from_noise::util::progress::Progress;
use serde::Serialize;
use tch::Tensor;

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

/// Which lines the table has: every solver at every cost, and at ten evaluations on every path.
fn sweep(args: &Args) -> Sweep {
    let costs = if args.common.smoke { vec![3, 5] } else { vec![5, 8, 10, 15, 20, 35, 50, 100] };
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
    if !args.common.smoke {
        let anywhere =
            SOLVERS[..5].iter().flat_map(|(sampler, _)| PATHS.map(|path| (*sampler, path)));
        grid.extend(anywhere.map(|(sampler, path)| line(sampler, path, vec![10])));
    }
    Sweep { seed: args.common.seed, grid }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let sweep = sweep(&args);
    let cost = args.table.cost(&sweep)?;
    let Some(mut chapter) = cli::start("ch07-solvers", &args.common, &sweep, || cost)? else {
        return Ok(());
    };
    let (trained, net, rows) = args.table.fill(&sweep, args.common.smoke, &mut chapter)?;
    if !rows.is_empty() {
        exact(&mut chapter)?;
        let pair = if args.common.smoke { [3, 5] } else { [10, 35] };
        show(&rows, &trained, pair, &mut chapter)?;
        stopping(&trained, &net, args.common.smoke, &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}

#[derive(Debug, Serialize)]
struct Exact {
    solver: String,
    evaluations: usize,
    /// Root mean square distance from the ODE's own end points.
    error: f64,
}

/// Where nothing was learned, the error of a solver is its own.
fn exact(chapter: &mut Chapter) -> Result<()> {
    let means = Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]);
    let data = Mixture::new(&[0.3, 0.7], &means, &[0.15, 0.25]);
    let schedule = Schedule::ddpm(1000);
    let ends = |sampler: Sampler, path: Path, steps: usize| {
        let start = Tensor::linspace(-2.0, 2.0, 41, tch::kind::DOUBLE_CPU).view([41, 1]);
        let sampling = Sampling { sampler, path, steps, seed: 0 };
        sampling.run(&data, &schedule, start, &mut |_| unreachable!("these draw no noise"))
    };
    let truth = ends(Sampler::DpmSolver3, Path::LogSnr, 900);
    let mut rows = Vec::new();
    let mut curves =
        Curves::new("Exact denoiser: distance from the solution", "evaluations", "rms error");
    for sampler in [
        SOLVERS[0].0,
        Sampler::Heun,
        Sampler::DpmSolver2,
        Sampler::DpmSolverPlusPlus2M,
        Sampler::UniPc,
        Sampler::DpmSolver3,
    ] {
        let mut points = Vec::new();
        for most in [5, 10, 20, 40, 80, 160, 320] {
            let Some(steps) = sampler.steps_within(most) else { continue };
            let gap = ends(sampler, Path::LogSnr, steps) - &truth;
            let error = gap.square().mean(None).sqrt().double_value(&[]);
            let evaluations = sampler.evaluations(steps);
            points.push((evaluations as f64, error));
            rows.push(Exact { solver: sampler.to_string(), evaluations, error });
        }
        curves = curves.line(sampler.to_string(), &points).points(sampler.to_string(), &points);
    }
    chapter.results.samples(41);
    chapter.results.table("exact.csv", &rows)?;
    Ok(chapter.results.figure("exact.png", &curves.log_x().log_y().size(520.0, 340.0).draw())?)
}

/// A line of the table of paths, at ten evaluations.
#[derive(Debug, Serialize)]
struct ByPath {
    solver: String,
    nfe: usize,
    uniform: String,
    quadratic: String,
    trailing: String,
    log_snr: String,
    karras: String,
}

/// The curves, the table of paths, and the same latents with two numbers of evaluations.
fn show(
    scores: &[Score],
    trained: &Pretrained,
    evaluations: [usize; 2],
    chapter: &mut Chapter,
) -> Result<()> {
    let Some(n) = scores.iter().map(|score| score.n).max() else { return Ok(()) };
    let results = &mut chapter.results;
    results.samples(n);
    let mut curves = Curves::new(format!("Digits, n = {n}"), "evaluations", "FID-LeNet");
    for (sampler, path) in SOLVERS {
        let mine = scores.iter().filter(|score| score.is_by(sampler, path));
        let mut points: Vec<(f64, f64)> =
            mine.map(|score| (score.nfe as f64, score.fid_lenet)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves = curves.line(sampler.to_string(), &points).points(sampler.to_string(), &points);
    }
    let curves = curves.hline(scores[0].fid_real, "test images").log_x().log_y();
    results.figure("fid.png", &curves.size(560.0, 380.0).draw())?;
    let by_path = SOLVERS[..5].iter().map(|(sampler, _)| {
        let steps = sampler.steps_within(10).unwrap_or(1);
        let cell = |path: Path| {
            let found = scores.iter().find(|s| s.is_by(*sampler, path) && s.steps == steps);
            found.map_or(String::new(), Score::in_short)
        };
        let [uniform, quadratic, trailing, log_snr, karras] = PATHS.map(cell);
        let (solver, nfe) = (sampler.to_string(), sampler.evaluations(steps));
        ByPath { solver, nfe, uniform, quadratic, trailing, log_snr, karras }
    });
    results.table("paths.csv", &by_path.collect::<Vec<_>>())?;
    let figure = same_latents(trained, evaluations, chapter)?;
    chapter.results.samples(8);
    Ok(chapter.results.figure("same-latents.png", &figure)?)
}

/// What is left of the network's own error when the last levels are not visited.
#[derive(Debug, Serialize)]
struct Stop {
    /// The last level at which the network is asked.
    last_t: f64,
    sigma: f64,
    nfe: usize,
    n: i64,
    fid_lenet: f64,
    error: Option<f64>,
}

/// Solves the equation finely down to a level, and leaves from there for the clean one in one step.
fn stopping(
    trained: &Pretrained,
    net: &FeatureNet,
    smoke: bool,
    chapter: &mut Chapter,
) -> Result<()> {
    let (n, steps) = if smoke { (40, 2) } else { (500, 10) };
    let schedule = &trained.schedule;
    let top = schedule.level(schedule.steps());
    let model = trained.model.given(None).clip(1.0);
    let start = Seeded::new(chapter.seed, 0).start(&trained.config.shape(n));
    let start = start.to_device(chapter.device);
    let mut rows = Vec::new();
    let mut progress = Progress::new("stopping early", 7);
    for share in [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3] {
        let last = schedule.level(((share * schedule.steps() as f64) as usize).max(1));
        let level = |i| top.towards(last, i as f64 / steps as f64);
        let path: Vec<Level> = (0..=steps).map(level).chain([Level::CLEAN]).collect();
        let x0 = dpm_solver_3(&model, &path, start.shallow_clone());
        let mut stats = FeatureStats::new(net.dim());
        let _labels = stats.add(net, &net.features(&to_u8(&x0)));
        let (fid_lenet, error) = stats.distance(net);
        rows.push(Stop {
            last_t: schedule.t_of(last),
            sigma: last.sigma,
            nfe: Sampler::DpmSolver3.evaluations(steps + 1),
            n,
            fid_lenet,
            error,
        });
        progress.tick("");
    }
    progress.finish("");
    chapter.results.samples(n as u64);
    Ok(chapter.results.table("stopping.csv", &rows)?)
}

/// Eight latents, every solver, with two numbers of evaluations.
fn same_latents(
    trained: &Pretrained,
    evaluations: [usize; 2],
    chapter: &Chapter,
) -> Result<Figure> {
    let panel = |most: usize| {
        let draw = |(sampler, path): (Sampler, Path)| {
            let steps = sampler.steps_within(most).unwrap_or(1);
            let sampling = Sampling { sampler, path, steps, seed: chapter.seed };
            anyhow::Ok(ImageSampler::new(trained, sampling)?.draw(0, 8, &mut |_| {}))
        };
        let images = SOLVERS.into_iter().map(draw).collect::<Result<Vec<Tensor>>>()?;
        let name = |(sampler, _): (Sampler, Path)| {
            let nfe = sampler.evaluations(sampler.steps_within(most).unwrap_or(1));
            format!("{sampler}, {nfe}")
        };
        anyhow::Ok(Grid::new(&Tensor::cat(&images, 0), 8).row_labels(&SOLVERS.map(name)).draw())
    };
    let [few, many] = evaluations;
    Ok(Figure::row(&[panel(few)?, panel(many)?]))
}
