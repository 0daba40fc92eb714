//! The error of the solvers alone.

use super::SOLVERS;
use anyhow::Result;
use from_noise::denoiser::Mixture;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::plot::Curves;
use from_noise::schedule::{Path, Schedule};
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::Tensor;

#[derive(Debug, Serialize)]
struct Exact {
    solver: String,
    evaluations: usize,
    /// Root mean square distance from the ODE's own end points.
    error: f64,
}

/// `exact.png` shows how far each solver ends from the solution where the denoiser is exact.
pub fn table(chapter: &mut Chapter) -> Result<()> {
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
