//! Chapter 6: quality against steps: the table of the DDIM paper, on digits.

use anyhow::Result;
use clap::Parser;
use from_noise::evaluate::{Generator, ImageSampler, Sampler, Sampling, Score, Sweep, SweepGrid};
use from_noise::forward::{Variance, posterior};
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Path;
use from_noise::util::cli::{self, Chapter, Common, TableArgs};
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::Tensor;

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
struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    table: TableArgs,

    /// Numbers of steps [default: by preset]
    #[arg(long, value_name = "S", value_delimiter = ',')]
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

/// Song et al. 2020 (DDIM), Table 1, CIFAR-10, n = 50,000: what the paper found, in the order of
/// `SAMPLERS`.
const PAPER: [(usize, [f64; 5]); 5] = [
    (10, [13.36, 14.04, 16.66, 41.07, 367.43]),
    (20, [6.84, 7.11, 8.35, 18.36, 133.37]),
    (50, [4.67, 4.77, 5.25, 8.01, 32.72]),
    (100, [4.16, 4.25, 4.46, 5.78, 9.99]),
    (1000, [4.04, 4.09, 4.29, 4.73, 3.17]),
];

/// Which lines the table has.
fn sweep(args: &Args) -> Sweep {
    let all = |steps: &[usize], path: Path, n: u64| SweepGrid {
        samplers: SAMPLERS.to_vec(),
        paths: vec![path],
        steps: steps.to_vec(),
        evaluations: Vec::new(),
        n,
    };
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
            trailing(few),
            trailing(many),
        ]
    };
    Sweep { seed: args.common.seed, grid }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let sweep = sweep(&args);
    let cost = args.table.cost(&sweep)?;
    let Some(mut chapter) = cli::start("ch06-fid-table", &args.common, &sweep, || cost)? else {
        return Ok(());
    };
    let (trained, _net, rows) = args.table.fill(&sweep, args.common.smoke, &mut chapter)?;
    if !rows.is_empty() {
        let (few, many) = if args.common.smoke { (2, 3) } else { (10, 100) };
        show(&rows, &trained, (few, many), &mut chapter)?;
    }
    chapter.results.finish();
    Ok(())
}

/// A row of the table as it is printed: the paper's turned on its side.
#[derive(Debug, Serialize)]
struct Row {
    steps: usize,
    path: String,
    n: u64,
    fid_real: String,
    eta_0: String,
    #[serde(rename = "eta_0.2")]
    eta_02: String,
    #[serde(rename = "eta_0.5")]
    eta_05: String,
    eta_1: String,
    sigma_hat: String,
}

impl Row {
    fn new(steps: usize, path: &str, n: u64, fid_real: String, fids: [String; 5]) -> Self {
        let [eta_0, eta_02, eta_05, eta_1, sigma_hat] = fids;
        Self { steps, path: path.into(), n, fid_real, eta_0, eta_02, eta_05, eta_1, sigma_hat }
    }
}

/// The complete rows, and whatever lines of the others there are.
fn printed(scores: &[Score]) -> Vec<Row> {
    let mut keys: Vec<(usize, &str, u64)> = Vec::new();
    for score in scores {
        let key = (score.steps, score.path.as_str(), score.n);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(steps, path, n)| (*n, *path != "uniform", *steps));
    let row = |&(steps, path, n): &(usize, &str, u64)| {
        let find = |sampler: &Sampler| {
            let name = sampler.to_string();
            scores.iter().find(|score| {
                (score.steps, score.path.as_str(), score.n, &score.sampler)
                    == (steps, path, n, &name)
            })
        };
        let fid_real = SAMPLERS.iter().find_map(&find);
        let fid_real = fid_real.map_or(String::new(), |score| format!("{:.2}", score.fid_real));
        let cell = |sampler: &Sampler| find(sampler).map_or(String::new(), Score::in_short);
        Row::new(steps, path, n, fid_real, SAMPLERS.each_ref().map(cell))
    };
    keys.iter().map(row).collect()
}

/// The table as printed, its curves, and pictures with `few` and with `many` steps.
fn show(
    scores: &[Score],
    trained: &Pretrained,
    (few, many): (usize, usize),
    chapter: &mut Chapter,
) -> Result<()> {
    let results = &mut chapter.results;
    results.table("fid.csv", &printed(scores))?;
    let paper = PAPER.map(|(steps, fids)| {
        Row::new(steps, "uniform", 50_000, String::new(), fids.map(|fid| fid.to_string()))
    });
    results.samples(50_000);
    results.table("paper.csv", &paper)?;
    if let Some(figure) = curves(scores) {
        results.samples(scores.iter().map(|score| score.n).min());
        results.figure("fid.png", &figure)?;
    }
    let noise = last_noise(trained, few, chapter)?;
    chapter.results.samples(64);
    chapter.results.table("last-noise.csv", &noise)?;
    let latents = same_latents(trained, (few, many), chapter)?;
    chapter.results.samples(8);
    Ok(chapter.results.figure("same-latents.png", &latents)?)
}

/// Ours beside the paper's, on the path both share.
fn curves(scores: &[Score]) -> Option<Figure> {
    let few = scores.iter().map(|score| score.n).min()?;
    let ours = scores.iter().filter(|score| score.path == "uniform" && score.n == few);
    let ours: Vec<&Score> = ours.collect();
    let title = format!("FID-LeNet, digits, n = {few}");
    let mut left = Curves::new(title, "steps", "FID-LeNet").log_x().log_y().size(430.0, 330.0);
    for sampler in SAMPLERS {
        let name = sampler.to_string();
        let mut mine: Vec<&&Score> = ours.iter().filter(|score| score.sampler == name).collect();
        mine.sort_by_key(|score| score.steps);
        let point = |score: &&&Score| (score.steps as f64, score.fid_lenet);
        let line: Vec<(f64, f64)> = mine.iter().map(point).collect();
        let spread = |score: &&&Score| {
            let two = 2.0 * score.error.unwrap_or(0.0);
            (score.steps as f64, score.fid_lenet - two, score.fid_lenet + two)
        };
        let band: Vec<(f64, f64, f64)> = mine.iter().map(spread).collect();
        left = left.band(&name, &band).line(&name, &line).points(&name, &line);
    }
    let left = left.hline(ours.first()?.fid_real, "test images");
    let title = "The paper's FID, CIFAR-10, n = 50000";
    let mut right = Curves::new(title, "steps", "FID").log_x().log_y().size(430.0, 330.0);
    for (i, sampler) in SAMPLERS.iter().enumerate() {
        let line = PAPER.map(|(steps, fids)| (steps as f64, fids[i]));
        right = right.line(sampler.to_string(), &line).points(sampler.to_string(), &line);
    }
    Some(Figure::row(&[left.draw(), right.draw()]))
}

/// What the last noise does, path by path.
#[derive(Debug, Serialize)]
struct LastNoise {
    path: String,
    sampler: String,
    /// The level at which the sampler evaluates last.
    last_t: f64,
    /// The noise that level has by definition.
    sigma: f64,
    /// The standard deviation of the noise added on arrival there.
    added: f64,
    /// The standard deviation of the samples where digits have no ink: the outermost pixels.
    border: f64,
}

/// Why sigma-hat fails on one path and not on the other: the noise of the second-last step.
fn last_noise(trained: &Pretrained, steps: usize, chapter: &Chapter) -> Result<Vec<LastNoise>> {
    let mut rows = Vec::new();
    for path in [Path::Uniform, Path::Trailing] {
        let levels = trained.schedule.path(path, steps);
        let (t, s) = (levels[steps - 2], levels[steps - 1]);
        let q = posterior(t, s);
        for (sampler, added) in [(SAMPLERS[3], q.var_small), (SAMPLERS[4], q.var_large)] {
            let sampling = Sampling { sampler, path, steps, seed: chapter.seed };
            let x0 = ImageSampler::new(trained, sampling)?.draw(0, 64, &mut |_| {});
            rows.push(LastNoise {
                path: path.to_string(),
                sampler: sampler.to_string(),
                last_t: trained.schedule.t_of(s),
                sigma: s.sigma,
                added: added.sqrt(),
                border: border_std(&x0),
            });
        }
    }
    Ok(rows)
}

fn border_std(x0: &Tensor) -> f64 {
    let last = x0.size()[3] - 1;
    let columns = Tensor::cat(&[x0.select(3, 0), x0.select(3, last)], 2);
    let rows = Tensor::cat(&[x0.select(2, 0), x0.select(2, last)], 2);
    on_cpu(&Tensor::cat(&[columns, rows], 2)).std(false).double_value(&[])
}

/// Eight latents drawn by each sampler, with few steps on either path and with many.
fn same_latents(
    trained: &Pretrained,
    (few, many): (usize, usize),
    chapter: &Chapter,
) -> Result<Figure> {
    let column = |path: Path, steps: usize| {
        let draw = |sampler: &Sampler| {
            let sampling = Sampling { sampler: *sampler, path, steps, seed: chapter.seed };
            anyhow::Ok(ImageSampler::new(trained, sampling)?.draw(0, 8, &mut |_| {}))
        };
        let images = SAMPLERS.iter().map(draw).collect::<Result<Vec<Tensor>>>()?;
        let names = SAMPLERS.map(|sampler| sampler.to_string());
        let grid = Grid::new(&Tensor::cat(&images, 0), 8).scale(1).row_labels(&names);
        anyhow::Ok(grid.title(format!("{steps} steps, {path}")).draw())
    };
    let panels =
        [column(Path::Uniform, few)?, column(Path::Trailing, few)?, column(Path::Uniform, many)?];
    Ok(Figure::column(&panels))
}
