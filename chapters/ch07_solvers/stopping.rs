//! Where the network's error comes from: the last levels.

use anyhow::Result;
use from_noise::data::to_u8;
use from_noise::evaluate::{FeatureStats, Sampler};
use from_noise::guide::DenoiserExt;
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::noise::Seeded;
use from_noise::pretrained::Pretrained;
use from_noise::sample::dpm_solver_3;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::progress::Progress;
use serde::Serialize;

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

/// `stopping.csv` has the FID when the equation is solved finely down to a level, and from there to
/// the clean one in one step.
pub fn table(
    trained: &Pretrained,
    net: &FeatureNet,
    smoke: bool,
    chapter: &mut Chapter,
) -> Result<()> {
    let (n, steps) = if smoke { (40, 2) } else { (500, 10) };
    let schedule = &trained.schedule;
    let top = schedule.level(schedule.steps());
    let model = trained.model.given(trained.config.classes_in_turn(0, n as u64)).clip(1.0);
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
