//! Whole runs on the exact denoiser of a mixture, state by state.

use crate::schedules::path;
use crate::{EXACT, assert_close, clipped_if, column, flat, read, schedule, variance};
use from_noise::denoiser::{Denoised, Denoiser, Mixture};
use from_noise::guide::{DenoiserExt, Snapshot};
use from_noise::noise::Tape;
use from_noise::sample::{Prediction, ddim, ddpm, dpm_solver, dpm_solver_sde, heun, unipc};
use from_noise::schedule::Level;
use serde::Deserialize;
use std::cell::Cell;
use tch::Tensor;

#[derive(Deserialize)]
struct Trajectories {
    mixture: Components,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Components {
    weights: Vec<f64>,
    means: Vec<f64>,
    spreads: Vec<f64>,
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Run {
    schedule: String,
    sampler: String,
    S: usize,
    spacing: Option<String>,
    #[serde(default)]
    clip: bool,
    variance: Option<String>,
    #[serde(default)]
    eta: f64,
    order: Option<usize>,
    algorithm: Option<String>,
    #[serde(default)]
    lower_order_final: bool,
    levels: Vec<[f64; 3]>,
    states: Vec<Vec<f64>>,
    #[serde(default)]
    noise: Vec<Vec<f64>>,
    #[serde(default)]
    eps: Vec<Vec<f64>>,
}

impl Run {
    fn levels(&self) -> Vec<Level> {
        self.levels.iter().map(|&[_, alpha, sigma]| Level { alpha, sigma }).collect()
    }

    /// Every state but the last was seen by the denoiser; the last is what the sampler returned.
    fn check(&self, seen: Vec<Snapshot>, last: &Tensor) {
        let mut got: Vec<f64> = seen.iter().flat_map(|seen| flat(&seen.x_t)).collect();
        got.extend(flat(last));
        let what = format!("{} {} {:?} {}", self.sampler, self.schedule, self.spacing, self.S);
        assert_close(&what, &got, &self.states.concat(), EXACT);
    }
}

fn mixture(of: &Components) -> Mixture {
    Mixture::new(&of.weights, &column(&of.means), &of.spreads)
}

#[test]
fn whole_runs_of_ddpm_and_ddim_are_diffusers() {
    let golden: Trajectories = read("trajectories_ancestral.json");
    assert_eq!(golden.runs.len(), 35);
    for run in &golden.runs {
        let schedule = schedule(&run.schedule);
        let path = schedule.path(path(run.spacing.as_deref().unwrap()), run.S);
        let numbers = |level: &Level| [schedule.t_of(*level), level.alpha, level.sigma];
        let ours: Vec<f64> = path.iter().flat_map(numbers).collect();
        assert_close("levels", &ours, &run.levels.concat(), EXACT);

        let model = clipped_if(run.clip, mixture(&golden.mixture)).recorded();
        let mut tape = Tape::new(run.noise.iter().map(|z| column(z)).collect());
        let mut noise = |like: &Tensor| tape.draw(like);
        let start = column(&run.states[0]);
        let last = match &run.variance {
            Some(name) => ddpm(&model, &path, start, variance(name), &mut noise),
            None => ddim(&model, &path, start, run.eta, &mut noise),
        };
        run.check(model.take(), &last);
    }
}

/// Constant the recorded noise, call after call.
pub struct Playback<'a> {
    eps: &'a [Vec<f64>],
    calls: Cell<usize>,
}

impl<'a> Playback<'a> {
    pub fn new(eps: &'a [Vec<f64>]) -> Self {
        Self { eps, calls: Cell::new(0) }
    }
}

impl Denoiser for Playback<'_> {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let call = self.calls.replace(self.calls.get() + 1);
        Denoised::from_eps(x_t, at, column(&self.eps[call]))
    }
}

#[test]
fn ddim_climbs_the_schedule_as_diffusers_inverse_does() {
    let golden: Trajectories = read("trajectories_ode.json");
    let inverse = golden.runs.iter().filter(|run| run.sampler == "ddim_inverse");
    let mut compared = 0;
    for run in inverse {
        let model = Playback::new(&run.eps).recorded();
        let start = column(&run.states[0]);
        let mut silence = |_: &Tensor| -> Tensor { panic!("eta = 0 draws no noise") };
        let last = ddim(&model, &run.levels(), start, 0.0, &mut silence);
        run.check(model.take(), &last);
        compared += 1;
    }
    assert_eq!(compared, 8);
}

#[test]
fn first_order_dpm_solver_is_ddim() {
    let golden: Trajectories = read("trajectories_ode.json");
    let mut compared = 0;
    for run in golden.runs.iter().filter(|run| run.order == Some(1)) {
        let model = mixture(&golden.mixture).recorded();
        let mut silence = |_: &Tensor| -> Tensor { panic!("eta = 0 draws no noise") };
        let last = ddim(&model, &run.levels(), column(&run.states[0]), 0.0, &mut silence);
        run.check(model.take(), &last);
        compared += 1;
    }
    assert_eq!(compared, 8);
}

/// Only where the second order is kept to the end, or to the step to the clean level.
#[test]
fn second_order_dpm_solver_is_diffusers() {
    let golden: Trajectories = read("trajectories_ode.json");
    let mut compared = [0, 0];
    for run in golden.runs.iter().filter(|run| run.order == Some(2)) {
        let slow = match run.algorithm.as_deref() {
            Some("dpmsolver++") => Prediction::Data,
            _ => Prediction::Noise,
        };
        let ends_early = run.S < 15 && run.lower_order_final;
        if slow == Prediction::Noise && ends_early {
            continue;
        }
        let model = mixture(&golden.mixture).recorded();
        let last = dpm_solver(&model, &run.levels(), column(&run.states[0]), slow);
        run.check(model.take(), &last);
        compared[slow as usize] += 1;
    }
    assert_eq!(compared, [4, 6]);
}

#[test]
fn heun_is_diffusers() {
    let golden: Trajectories = read("trajectories_ode.json");
    let mut compared = 0;
    for run in golden.runs.iter().filter(|run| run.sampler == "heun") {
        let model = mixture(&golden.mixture).recorded();
        let last = heun(&model, &run.levels(), column(&run.states[0]));
        let seen = model.take();
        assert_eq!(seen.len(), 2 * run.S - 1, "evaluations");
        // the first evaluation of every step; the second is on the way
        run.check(seen.into_iter().step_by(2).collect(), &last);
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn unipc_is_diffusers() {
    let golden: Trajectories = read("trajectories_ode.json");
    let mut compared = 0;
    for run in golden.runs.iter().filter(|run| run.sampler == "unipc") {
        let model = mixture(&golden.mixture).recorded();
        let last = unipc(&model, &run.levels(), column(&run.states[0]));
        run.check(model.take(), &last);
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn the_stochastic_dpm_solver_is_diffusers() {
    let golden: Trajectories = read("trajectories_sde.json");
    assert_eq!(golden.runs.len(), 6);
    for run in &golden.runs {
        let model = mixture(&golden.mixture).recorded();
        let mut tape = Tape::new(run.noise.iter().map(|z| column(z)).collect());
        let mut noise = |like: &Tensor| tape.draw(like);
        let last = dpm_solver_sde(&model, &run.levels(), column(&run.states[0]), &mut noise);
        assert_eq!(tape.played(), run.S - 1, "none on arrival at the clean level");
        run.check(model.take(), &last);
    }
}

/// diffusers' `DDIMScheduler` steps from `t` to `t - T / S` (a whole number), and not to the next of
/// its timesteps: where these lie at other distances, the sample is taken for one of a level that it
/// is not at.
#[test]
fn diffusers_ddim_steps_beside_its_own_timesteps_where_they_are_not_even() {
    let golden: Peers = read("peers.json");
    let of: Trajectories = read("trajectories_ancestral.json");
    let schedule = schedule("linear");
    let apart = |run: &PeerRun| {
        let model = clipped_if(run.clip, mixture(&of.mixture));
        let level = |t: i64| if t < 0 { Level::CLEAN } else { schedule.level(t as usize + 1) };
        let step = |x, from, to| ddim(&model, &[from, to], x, 0.0, &mut |x| x.zeros_like());
        let start = || column(&golden.start);
        // its rule, one step at a time
        let jump = schedule.steps() as i64 / run.steps;
        let by_rule =
            run.timesteps.iter().fold(start(), |x, &t| step(x, level(t), level(t - jump)));
        assert_close("by its rule", &flat(&by_rule), &run.end, 1e-9);
        // the formula, from each timestep to the next
        let path: Vec<Level> = run.timesteps.iter().copied().chain([-1]).map(level).collect();
        let x0 = ddim(&model, &path, start(), 0.0, &mut |x| x.zeros_like());
        (x0 - column(&run.end)).abs().max().double_value(&[])
    };
    let [divides, trailing, linspace] = &golden.runs[..] else { panic!("three runs") };
    assert!(apart(divides) < 1e-9, "S = 10 divides T");
    let (trailing, linspace) = (apart(trailing), apart(linspace));
    assert!((0.01..0.05).contains(&trailing), "S = 13, trailing: {trailing}");
    assert!((0.01..0.05).contains(&linspace), "S = 21, linspace, clipped: {linspace}");
}

#[derive(Deserialize)]
struct Peers {
    start: Vec<f64>,
    runs: Vec<PeerRun>,
}

#[derive(Deserialize)]
struct PeerRun {
    steps: i64,
    clip: bool,
    timesteps: Vec<i64>,
    end: Vec<f64>,
}
