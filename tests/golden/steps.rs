//! Single steps of DDPM and DDIM, through a model whose network repeats recorded outputs.

use crate::{EXACT, assert_close, clipped_if, flat, read, schedule, variance};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{Head, Model, Parameterization, Target, TimeInput};
use from_noise::guide::DenoiserExt;
use from_noise::network::Network;
use from_noise::noise::Tape;
use from_noise::sample::{ddim, ddpm};
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Step {
    schedule: String,
    target: String,
    variance: Option<String>,
    eta: Option<f64>,
    clip: bool,
    t: usize,
    s: usize,
    alpha_bar_t: f64,
    alpha_bar_s: f64,
    x_t: Vec<Vec<f64>>,
    output: Vec<Vec<f64>>,
    noise: Vec<Vec<f64>>,
    x_s: Vec<Vec<f64>>,
    x0: Vec<Vec<f64>>,
}

/// A network that outputs what was recorded, once it has been told the published time.
#[derive(Debug)]
struct Recorded {
    output: Tensor,
    published: f64,
}

impl Network for Recorded {
    type Cond = ();

    fn encode(&self, _: &(), _: bool) -> Conditioning {
        Conditioning::none()
    }

    fn forward(&self, _x: &Tensor, t: &Tensor, _: &Conditioning, _train: bool) -> Tensor {
        assert_eq!(flat(t), [self.published], "what the network is told");
        self.output.shallow_clone()
    }
}

fn check_step(step: Step) {
    let rows = |x: &[Vec<f64>]| Tensor::from_slice2(x);
    let schedule = schedule(&step.schedule);
    let (t, s) = (schedule.level(step.t), schedule.level(step.s));
    let ours = [t.alpha.powi(2), s.alpha.powi(2)];
    assert_close("alpha_bar", &ours, &[step.alpha_bar_t, step.alpha_bar_s], EXACT);

    let learned = step.variance.as_deref() == Some("learned_range");
    let parameterization = Parameterization {
        target: match step.target.as_str() {
            "eps" => Target::Eps,
            "x0" => Target::X0,
            _ => Target::V,
        },
        head: if learned { Head::MeanAndNu } else { Head::Mean },
        time_input: TimeInput::ZeroBased,
    };
    let net = Recorded { output: rows(&step.output), published: step.t as f64 - 1.0 };
    let model =
        clipped_if(step.clip, Model::new(net, parameterization, schedule).given(())).recorded();

    let mut tape = Tape::new(vec![rows(&step.noise)]);
    let mut noise = |like: &Tensor| tape.draw(like);
    let x_s = match (&step.variance, step.eta) {
        (Some(name), None) => ddpm(&model, &[t, s], rows(&step.x_t), variance(name), &mut noise),
        (None, Some(eta)) => ddim(&model, &[t, s], rows(&step.x_t), eta, &mut noise),
        other => panic!("neither a DDPM nor a DDIM step: {other:?}"),
    };
    let what = format!(
        "{} {} {:?} eta {:?} clip {} {} -> {}",
        step.schedule, step.target, step.variance, step.eta, step.clip, step.t, step.s
    );
    assert_close(&format!("{what}: x0"), &flat(&model.take()[0].x0), &step.x0.concat(), EXACT);
    assert_close(&format!("{what}: x_s"), &flat(&x_s), &step.x_s.concat(), EXACT);
    let drawn = usize::from(step.s > 0 && step.eta != Some(0.0));
    assert_eq!(tape.played(), drawn, "{what}: draws of noise");
}

#[test]
fn ddpm_steps_are_diffusers() {
    let steps: Vec<Step> = read("steps_ddpm.json");
    assert_eq!(steps.len(), 160);
    steps.into_iter().for_each(check_step);
}

#[test]
fn ddim_steps_are_diffusers() {
    let steps: Vec<Step> = read("steps_ddim.json");
    assert_eq!(steps.len(), 180);
    steps.into_iter().for_each(check_step);
}
