//! Tables of alpha_bar and beta, and the timesteps that each path visits.

use crate::{EXACT, assert_close, read};
use from_noise::schedule::{Path, Schedule};
use serde::Deserialize;

pub fn path(spacing: &str) -> Path {
    match spacing {
        "leading" => Path::Uniform,
        "linspace" => Path::Linspace,
        "trailing" => Path::Trailing,
        "quad" => Path::Quadratic,
        other => panic!("no path called {other}"),
    }
}

#[derive(Deserialize)]
struct Schedules {
    schedules: Vec<Table>,
    paths: Vec<Spacing>,
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Table {
    name: String,
    T: usize,
    #[serde(default)]
    first: f64,
    #[serde(default)]
    last: f64,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    end: f64,
    #[serde(default)]
    tau: f64,
    t: Vec<usize>,
    beta: Vec<f64>,
    alpha_bar: Vec<f64>,
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Spacing {
    spacing: String,
    T: usize,
    S: usize,
    published: Vec<usize>,
}

impl Table {
    fn ours(&self) -> Schedule {
        let (steps, first, last) = (self.T, self.first, self.last);
        match self.name.as_str() {
            "linear" => Schedule::linear(steps, first, last),
            "quadratic" => Schedule::quadratic(steps, first, last),
            "cosine" => Schedule::cosine(steps, 0.008),
            "sigmoid_beta" => Schedule::sigmoid_beta(steps, first, last, -6.0, 6.0),
            "sigmoid_alpha_bar" => {
                Schedule::sigmoid_alpha_bar(steps, self.start, self.end, self.tau)
            }
            "jsd" => Schedule::jsd(steps),
            "linear_zero_terminal_snr" => Schedule::linear(steps, first, last).zero_terminal_snr(),
            "quadratic_zero_terminal_snr" => {
                Schedule::quadratic(steps, first, last).zero_terminal_snr()
            }
            other => panic!("no schedule called {other}"),
        }
    }
}

#[test]
fn schedules_are_diffusers() {
    let golden: Schedules = read("schedules.json");
    assert_eq!(golden.schedules.len(), 20);
    for table in golden.schedules {
        let ours = table.ours();
        for ((&t, &beta), &alpha_bar) in table.t.iter().zip(&table.beta).zip(&table.alpha_bar) {
            let what = format!("{} T = {} t = {t}", table.name, table.T);
            assert_close(&format!("{what}: beta"), &[ours.beta(t)], &[beta], EXACT);
            // alpha_bar falls to 2e-9: hold it to relative error. A rescaled one is a difference
            // of roots 6e-3 apart by 6e-5, which costs two digits.
            let slack = if table.name.ends_with("snr") { 100.0 * EXACT } else { EXACT };
            let error = (ours.alpha_bar(t) - alpha_bar).abs();
            assert!(error <= slack * alpha_bar, "{what}: alpha_bar off by {error:e}");
            let level = ours.level(t);
            assert_close(&what, &[level.alpha], &[alpha_bar.sqrt()], EXACT);
            assert_close(&what, &[level.sigma], &[(1.0 - alpha_bar).sqrt()], EXACT);
        }
    }
}

#[test]
fn paths_are_diffusers_and_the_ddim_codes() {
    let golden: Schedules = read("schedules.json");
    let mut compared = 0;
    for Spacing { spacing, T: steps, S: n, published } in golden.paths {
        // the DDIM code makes a step too many unless S divides T; diffusers does not
        let kind = match spacing.as_str() {
            "uniform" if steps % n != 0 => continue,
            "uniform" => Path::Uniform,
            other => path(other),
        };
        let mut want: Vec<f64> = published.iter().map(|&i| i as f64 + 1.0).collect();
        want.dedup(); // squares that fall on the same timestep are one visit
        want.push(0.0);
        let schedule = Schedule::linear(steps, 1e-4, 0.02);
        let ours = schedule.path(kind, n);
        let got: Vec<f64> = ours.iter().map(|level| schedule.t_of(*level)).collect();
        assert_eq!(got, want, "{spacing}: {n} of {steps}");
        compared += 1;
    }
    assert_eq!(compared, 51);
}
