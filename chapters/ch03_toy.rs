//! Chapter 3: a network learns the way back in the plane; the worst idea first.

use anyhow::Result;
use clap::Parser;
use from_noise::checkpoint::Run;
use from_noise::data::Toy;
use from_noise::denoiser::{Denoiser, Mixture, Model, Parameterization, Target};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::DenoiserExt;
use from_noise::loss::{l_simple, l_x0};
use from_noise::metrics::energy_distance;
use from_noise::nn::{Mlp, MlpConfig, Time};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure, Gif, Scatter, Trajectories, VectorField};
use from_noise::sample::{ddim, ddpm};
use from_noise::schedule::{Path, ScheduleConfig};
use from_noise::train::{TrainConfig, Trainer};
use from_noise::util::cli::{self, Chapter, Common, Cost};
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

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
    #[arg(long)]
    steps: Option<u64>,
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

type Net = Trainer<Model<Mlp>>;

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = Plan {
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
    };
    let net = plan.toy.network.cost();
    let cost = Cost {
        parameters: 3 * net.params as u64,
        // 2.4 networks (and a small one), forward and backward (twice a forward); then about 1300 evaluations of every point
        flops: net.flops as f64 * 7.2 * (plan.steps * plan.toy.batch as u64) as f64
            + net.flops as f64 * 1300.0 * plan.points as f64,
        memory: 4.0 * (plan.toy.batch * plan.toy.network.width * 40) as f64,
    };
    let Some(mut chapter) = cli::start("ch03-toy", &args.common, &plan, cost)? else {
        return Ok(());
    };
    let Some(parts) = args.toy.mixture() else {
        anyhow::bail!("the {} has no exact score to compare with: choose another --toy", args.toy)
    };
    let exact = Mixture::new(&parts.weights, &parts.means_tensor(), &parts.stds);
    let learner = |name, target, network: MlpConfig, steps| {
        let parameterization = Parameterization { target, ..plan.toy.parameterization };
        let config = Config { network, parameterization, ..plan.toy.clone() };
        learn(name, config, steps, &chapter, args.common.resume)
    };
    let net = plan.toy.network.clone();
    let by_x0 = learner("x0", Target::X0, net.clone(), plan.steps * 2 / 5)?;
    let by_eps = learner("eps", Target::Eps, net.clone(), plan.steps)?;
    let told_nothing = MlpConfig { time: Time::Ignored, ..net.clone() };
    let blind = learner("eps-without-t", Target::Eps, told_nothing, plan.steps)?;
    let few = MlpConfig { width: 48, depth: 2, embed: 32, ..net };
    let small = learner("small", Target::Eps, few, plan.steps)?;
    chapter.results.samples(plan.points as u64);
    ideas(&plan, [&by_x0, &by_eps, &blind, &small], &mut chapter)?;
    with_and_without_t(&plan, [&by_eps, &blind], &exact, &mut chapter)?;
    trajectories(&plan, &by_eps, &mut chapter)?;
    field_against_score(&plan, &by_eps, &exact, &mut chapter)?;
    for_the_page(&plan, &small, &mut chapter)?;
    chapter.results.finish();
    Ok(())
}

/// Algorithm 1: train one network, resumably, in its own run directory.
fn learn(name: &str, config: Config, steps: u64, chapter: &Chapter, resume: bool) -> Result<Net> {
    let schedule = config.schedule.build();
    let build = |vs: &nn::Path| {
        Model::new(Mlp::new(vs, &config.network), config.parameterization, config.schedule.build())
    };
    let mut trainer = Trainer::new(chapter.device, config.train.clone(), build);
    let dir = chapter.results.dir().join(name);
    let resume = resume && dir.exists(); // an earlier network may have been interrupted
    let mut run = Run::create_or_resume(dir, &config, resume, &mut trainer)?;
    let title = format!("training {name}");
    let mut progress = Progress::new(title, steps).starting_at(trainer.step);
    // ANCHOR: train
    while trainer.step < steps && !cli::interrupted() {
        let loss = trainer.step(|model, batch| {
            let first = batch * config.batch as u64;
            let x0 = config.toy.sample_from(first, config.batch as usize, chapter.seed);
            let x0 = x0.to_device(chapter.device);
            let levels = schedule.levels(&schedule.draw_t(config.batch));
            let eps = x0.randn_like();
            let loss = match config.parameterization.target {
                Target::X0 => l_x0(model, &levels, &x0, &(), &eps),
                _ => l_simple(model, &levels, &x0, &(), &eps),
            };
            loss.mean(Kind::Float)
        })?;
        run.log(trainer.step, &[("loss", loss)])?;
        progress.tick(format!("loss {loss:.3}"));
    }
    // ANCHOR_END: train
    run.save(&trainer)?;
    progress.finish(format!("{} steps", trainer.step));
    cli::stop_if_interrupted()?;
    Ok(trainer)
}

#[derive(Debug, Serialize)]
struct Idea {
    idea: String,
    evaluations: usize,
    energy_distance: f64,
}

/// From the worst idea to the good one: the same start, ever better ends.
fn ideas(
    plan: &Plan,
    [by_x0, by_eps, blind, small]: [&Net; 4],
    chapter: &mut Chapter,
) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let data = |seed| plan.toy.toy.sample(plan.points as usize, seed);
    let truth = data(chapter.seed + 1);
    let run = |net: &Net, n: usize, eta: f64| {
        let mut noise = Seeded::new(chapter.seed, 0);
        let start = noise.start(&[plan.points, 2]).to_device(chapter.device);
        let model = net.ema.model.given(());
        let path = schedule.path(Path::Trailing, n);
        ddim(&model, &path, start, eta, &mut |x| noise.draw(x)).to_device(tch::Device::Cpu)
    };
    let all = if plan.points < 100 { 50 } else { schedule.steps() }; // fewer in a smoke run
    let samples = [
        ("data", 0, data(chapter.seed + 2)),
        ("x0 in one step", 1, run(by_x0, 1, 0.0)),
        ("x0 in five steps", 5, run(by_x0, 5, 0.0)),
        ("noise, five steps", 5, run(by_eps, 5, 0.0)),
        ("noise, 50 steps", 50, run(by_eps, 50, 0.0)),
        ("noise, all steps, eta = 1", all, run(by_eps, all, 1.0)),
        ("noise without t, 50 steps", 50, run(blind, 50, 0.0)),
        ("a small network, 50 steps", 50, run(small, 50, 0.0)),
    ];
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for (idea, evaluations, x) in samples {
        let energy_distance = energy_distance(&x, &truth);
        println!("{idea:>26}: energy distance {energy_distance:.4}");
        panels.push(Scatter::new(idea, 1.3).points("", &x).bare().side(200.0).draw());
        rows.push(Idea { idea: idea.into(), evaluations, energy_distance });
    }
    chapter.results.table("ideas.csv", &rows)?;
    Ok(chapter.results.figure("ideas.png", &Figure::tiled(&panels, 4))?)
}

#[derive(Debug, Serialize)]
struct Floor {
    denoiser: &'static str,
    mean_squared_error: f64,
}

/// What not knowing t costs: the loss of the exact denoiser and of the exact blind one, which
/// must average over the levels that x_t could come from, beside the two networks'.
fn with_and_without_t(
    plan: &Plan,
    [net, blind]: [&Net; 2],
    exact: &Mixture,
    chapter: &mut Chapter,
) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let levels: Vec<_> = (1..=20).map(|i| schedule.level(i * schedule.steps() / 20)).collect();
    let n = plan.points.min(500);
    let mut noise = Seeded::new(chapter.seed, 1 << 32);
    let (net, blind) = (net.ema.model.given(()), blind.ema.model.given(()));
    let (mut curves, mut sums) = (vec![Vec::new(); 4], [0.0; 4]);
    let _guard = tch::no_grad_guard();
    for at in &levels {
        let x0 = on_cpu(&plan.toy.toy.sample(n as usize, chapter.seed + 3));
        let eps = noise.draw(&x0);
        let x_t = q_sample(&x0, &eps, *at);
        // ANCHOR: blind
        let log_p = levels.iter().map(|u| exact.log_density(&x_t, *u)).collect::<Vec<_>>();
        let share = Tensor::stack(&log_p, 0).softmax(0, None); // p(t | x_t): [levels, n]
        let each = levels.iter().map(|u| exact.denoise(&x_t, *u).eps().shallow_clone());
        let guesses = Tensor::stack(&each.collect::<Vec<_>>(), 0); // [levels, n, 2]
        let averaged = (share.unsqueeze(2) * guesses).sum_dim_intlist(0, false, None);
        // ANCHOR_END: blind
        let x_f32 = x_t.to_kind(Kind::Float).to_device(chapter.device);
        let learned =
            |model: &dyn Denoiser| model.denoise(&x_f32, *at).eps().to_device(eps.device());
        let exactly = exact.denoise(&x_t, *at).eps().shallow_clone();
        let predictions = [exactly, learned(&net), averaged, learned(&blind)];
        for (i, prediction) in predictions.into_iter().enumerate() {
            let error = (prediction - &eps).square().mean(None).double_value(&[]);
            curves[i].push((schedule.t_of(*at), error));
            sums[i] += error / levels.len() as f64;
        }
    }
    let names = ["exact, knows t", "network, knows t", "exact, blind", "network, blind"];
    let mut figure = Curves::new("What not knowing t costs", "t", "squared error of eps").log_y();
    for ((i, name), curve) in names.into_iter().enumerate().zip(&curves) {
        figure = if i % 2 == 0 { figure.line(name, curve) } else { figure.points(name, curve) };
        println!("{name:>26}: squared error of eps {:.4}", sums[i]);
    }
    let rows: Vec<Floor> = names
        .into_iter()
        .zip(sums)
        .map(|(denoiser, mean_squared_error)| Floor { denoiser, mean_squared_error })
        .collect();
    chapter.results.table("with-and-without-t.csv", &rows)?;
    Ok(chapter.results.figure("with-and-without-t.png", &figure.draw())?)
}

/// The same points on their way, deterministic beside ancestral.
fn trajectories(plan: &Plan, net: &Net, chapter: &mut Chapter) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let path = schedule.path(Path::Trailing, if plan.points < 100 { 10 } else { 50 });
    let n = plan.points.min(400);
    let walk = |title: &str, stochastic: bool| {
        let mut noise = Seeded::new(chapter.seed, 0);
        let start = noise.start(&[n, 2]).to_device(chapter.device);
        // ANCHOR: watch
        let watched = net.ema.model.given(()).recorded();
        let end = if stochastic {
            ddpm(&watched, &path, start, Variance::Small, &mut |x| noise.draw(x))
        } else {
            ddim(&watched, &path, start, 0.0, &mut |x| noise.draw(x))
        };
        let mut points: Vec<Tensor> = watched.take().into_iter().map(|seen| seen.x_t).collect();
        points.push(end);
        // ANCHOR_END: watch
        let few: Vec<Tensor> = points.iter().map(|x| x.narrow(0, 0, n.min(60))).collect();
        (Trajectories::new(title, 2.5).steps(&few).draw(), points)
    };
    let (smooth, points) = walk("eta = 0: one smooth path a point", false);
    let (rough, _) = walk("Algorithm 2: fresh noise each step", true);
    chapter.results.samples(n.min(60) as u64);
    chapter.results.figure("trajectories.png", &Figure::row(&[smooth, rough]))?;
    let frame = |x: &Tensor| Scatter::new("", 2.0).points("", x).bare().draw();
    chapter.results.samples(n as u64);
    let gif = Gif::new(&points.iter().map(frame).collect::<Vec<_>>(), 60).halved().hold(1500);
    Ok(chapter.results.gif("denoising.gif", &gif)?)
}

#[derive(Debug, Serialize)]
struct FieldError {
    t: usize,
    /// E |learned - exact|^2 / E |exact|^2 over points of the noised data.
    relative_squared_error: f64,
}

/// The learned score beside the exact one, where the data are and where they are not.
fn field_against_score(
    plan: &Plan,
    net: &Net,
    exact: &Mixture,
    chapter: &mut Chapter,
) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let model = net.ema.model.given(());
    let axis = Tensor::linspace(-1.5, 1.5, 18, tch::kind::DOUBLE_CPU);
    let grid = Tensor::cartesian_prod(&[&axis, &axis]); // [324, 2]
    let _guard = tch::no_grad_guard();
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for t in [50, 200, 500] {
        let at = schedule.level(t);
        let learned = |x: &Tensor| {
            let x_f32 = x.to_kind(Kind::Float).to_device(chapter.device);
            on_cpu(&model.denoise(&x_f32, at).score(at))
        };
        let truly = |x: &Tensor| exact.denoise(x, at).score(at);
        let x0 = on_cpu(&plan.toy.toy.sample(plan.points as usize, chapter.seed + 4));
        let x_t = q_sample(&x0, &Seeded::new(chapter.seed, 2 << 32).draw(&x0), at);
        let error = (learned(&x_t) - truly(&x_t)).square().mean(None);
        let size = truly(&x_t).square().mean(None);
        let relative_squared_error = (error / size).double_value(&[]);
        println!("t = {t:>3}: relative squared error of the score {relative_squared_error:.4}");
        rows.push(FieldError { t, relative_squared_error });
        let field = VectorField::new(format!("t = {t}"), 1.6)
            .arrows("exact score", &grid, &truly(&grid))
            .arrows("learned", &grid, &learned(&grid));
        panels.push(field.draw());
    }
    chapter.results.samples(plan.points as u64);
    chapter.results.table("field.csv", &rows)?;
    Ok(chapter.results.figure("field.png", &Figure::tiled(&panels, 2))?)
}

/// What the book's page draws with: the small network, and answers to check its own by.
#[derive(Debug, Serialize)]
struct Page {
    network: MlpConfig,
    /// By name: the numbers of a tensor, row by row.
    weights: std::collections::BTreeMap<String, Vec<f32>>,
    /// `alpha_bar` for t = 0 to T.
    alpha_bar: Vec<f64>,
    /// Points `x`, levels `t`, and the noise that the network predicts.
    checks: Vec<([f32; 2], f32, [f32; 2])>,
}

fn for_the_page(plan: &Plan, small: &Net, chapter: &mut Chapter) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let flat = |x: &Tensor| Vec::<f32>::try_from(x.to_device(tch::Device::Cpu).flatten(0, -1));
    let named = small.ema.vs.variables().into_iter();
    let weights = named.map(|(name, x)| Ok((name, flat(&x)?))).collect::<Result<_>>()?;
    let model = small.ema.model.given(());
    let mut checks = Vec::new();
    for (i, at) in (0..100).zip(schedule.path(Path::Linspace, 100)) {
        let x_t = Seeded::new(chapter.seed, i).start(&[1, 2]).to_device(chapter.device);
        let prediction = model.denoise(&x_t, at);
        let (x, eps) = (flat(&x_t)?, flat(prediction.eps())?);
        checks.push(([x[0], x[1]], schedule.t_of(at) as f32, [eps[0], eps[1]]));
    }
    let page = Page {
        network: small.model.net.config().clone(),
        weights,
        alpha_bar: (0..=schedule.steps()).map(|t| schedule.alpha_bar(t)).collect(),
        checks,
    };
    Ok(chapter.results.json("page.json", &page)?)
}
