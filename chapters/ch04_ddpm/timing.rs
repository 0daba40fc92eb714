//! How long an evaluation by each of several networks takes.

use super::variants::Variant;
use from_noise::denoiser::Denoiser;
use from_noise::nn::UnetConfig;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};

/// Evaluations of which one is timed, for each network; the fastest counts.
const ROUNDS: usize = 20;
/// Images that a timed evaluation sees.
const TIMED: i64 = 100;

/// Seconds of an evaluation by each network in units of the first's, to a tenth: taken in turn, so
/// that a busy machine slows all of them alike. Networks that differ in training only are one.
pub fn times(all: &[Variant], device: Device) -> Vec<f64> {
    let _guard = tch::no_grad_guard();
    let drawing = |variant: &Variant| UnetConfig { dropout: 0.0, ..variant.config.network.clone() };
    let first =
        |variant| all.iter().position(|other| drawing(other) == drawing(variant)).expect("itself");
    let vs = nn::VarStore::new(device);
    let build = |variant: &Variant| variant.config.build(&(&vs.root() / variant.name)).given(None);
    let models: Vec<_> = all.iter().map(build).collect();
    let x = Tensor::randn([TIMED, 1, 28, 28], (Kind::Float, device));
    let at = all[0].config.schedule.build().level(500);
    let mut fastest = vec![f64::INFINITY; all.len()];
    for _ in 0..ROUNDS {
        for (i, model) in models.iter().enumerate().filter(|(i, _)| first(&all[*i]) == *i) {
            let started = Instant::now();
            let _wait = model.denoise(&x, at).x0().sum(None).double_value(&[]);
            fastest[i] = fastest[i].min(started.elapsed().as_secs_f64());
        }
    }
    let share = |variant| (10.0 * fastest[first(variant)] / fastest[0]).round() / 10.0;
    all.iter().map(share).collect()
}
