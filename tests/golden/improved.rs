//! `L_hybrid`, `L_vlb` and importance sampling of `t` against Improved DDPM's own code.

use crate::{assert_close, flat, read};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{Head, Model, Parameterization, Target, TimeInput};
use from_noise::loss::{LossSecondMoment, l_hybrid, l_vlb_t};
use from_noise::network::Network;
use from_noise::schedule::Schedule;
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Improved {
    batch: Batch,
    cases: Vec<Case>,
    second_moment: Vec<Round>,
}

#[derive(Deserialize)]
struct Batch {
    x0: Vec<Vec<f64>>,
    eps: Vec<Vec<f64>>,
    t: Vec<i64>,
    output: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    objective: String,
    schedule: String,
    steps: usize,
    loss: Vec<f64>,
    gradient: Vec<Vec<f64>>,
}

/// Says what was recorded.
#[derive(Debug)]
struct Says(Tensor);

impl Network for Says {
    type Cond = ();

    fn encode(&self, (): &(), _: bool) -> Conditioning {
        Conditioning::none()
    }

    fn forward(&self, _x: &Tensor, _t: &Tensor, _: &Conditioning, _train: bool) -> Tensor {
        self.0.shallow_clone()
    }
}

/// Their decoder takes the normal distribution function by an approximation that is right to 3e-4,
/// ours is exact. So the rows at `t = 1` agree to about that, in value and in slope.
const DECODER: [f64; 2] = [2e-3, 5e-3];

/// The terms near `t = 1` are quotients of variances down to 1e-5, small differences of numbers
/// near 1: up to six digits of sixteen.
const NEAR: f64 = 1e-10;

#[test]
fn the_losses_that_train_the_variance_are_theirs() {
    let Improved { batch, cases, .. } = read("improved.json");
    let rows =
        |rows: &[Vec<f64>], channels: i64| Tensor::from_slice2(rows).view([6, channels, 2, 3]);
    assert_eq!((batch.t[0], cases.len()), (1, 4));
    let t = Tensor::from_slice(&batch.t);
    let (x0, eps) = (rows(&batch.x0, 1), rows(&batch.eps, 1));
    for case in cases {
        let schedule = match case.schedule.as_str() {
            "linear" => Schedule::linear(case.steps, 1e-4, 0.02),
            _ => Schedule::cosine(case.steps, 0.008),
        };
        let parameterization = Parameterization {
            target: Target::Eps,
            head: Head::MeanAndNu,
            time_input: TimeInput::OneBased,
        };
        let said = rows(&batch.output, 2).set_requires_grad(true);
        let net = Says(said.shallow_clone());
        let model = Model::new(net, parameterization, schedule.clone());
        let loss = match case.objective.as_str() {
            "hybrid" => l_hybrid(&model, &schedule, &t, &x0, &(), &eps),
            _ => l_vlb_t(&model, &schedule, &t, &x0, &(), &eps),
        };
        loss.mean(Kind::Double).backward();
        let name = format!("{} on {}", case.objective, case.schedule);
        let (ours, gradient) = (flat(&loss), said.grad().flatten(1, -1));
        assert_close(&name, &ours[1..], &case.loss[1..], NEAR);
        assert_close(&name, &ours[..1], &case.loss[..1], DECODER[0]);
        for (i, theirs) in case.gradient.iter().enumerate() {
            let near = if i == 0 { DECODER[1] } else { NEAR };
            assert_close(
                &format!("gradient of {name}"),
                &flat(&gradient.get(i as i64)),
                theirs,
                near,
            );
        }
    }
}

#[derive(Deserialize)]
struct Round {
    t: Vec<i64>,
    losses: Vec<f64>,
    p: Vec<f64>,
}

#[test]
fn t_is_drawn_with_their_probabilities() {
    let golden: Improved = read("improved.json");
    let mut moments = LossSecondMoment::new(&Schedule::ddpm(4));
    assert_eq!(golden.second_moment.len(), 12);
    for Round { t, losses, p } in golden.second_moment {
        let before = flat(&moments.probabilities());
        let weighted =
            flat(&moments.weighted(&Tensor::from_slice(&t), Tensor::from_slice(&losses)));
        let expected: Vec<f64> =
            t.iter().zip(&losses).map(|(t, loss)| loss / (4.0 * before[*t as usize - 1])).collect();
        assert_close("weighted losses", &weighted, &expected, NEAR);
        assert_close("probabilities", &flat(&moments.probabilities()), &p, NEAR);
    }
}
