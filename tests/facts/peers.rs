//! Defects found in other implementations, as regression tests. Those that a fact already covers
//! are named there: the integer-division cosine (A4), missing ends of t (B8), noise on the last
//! step and empty reverse loops (C1), the discretised decoder on latents (B4).

use crate::support::{max_diff, normal, two_modes};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{
    Denoised, Denoiser, Gaussian, Head, Model, Parameterization, Target, TimeInput,
};
use from_noise::forward::{Variance, posterior};
use from_noise::guide::DenoiserExt;
use from_noise::network::Network;
use from_noise::noise::Seeded;
use from_noise::sample::{ddim, ddpm};
use from_noise::schedule::{Level, Path, Schedule};
use std::cell::RefCell;
use tch::{Kind, Tensor};

#[test]
fn every_variance_is_finite_and_positive_at_every_step() {
    // One port took the square root of a logarithm: NaN for one of its variances.
    for schedule in [Schedule::ddpm(1000), Schedule::cosine(1000, 0.008)] {
        for t in 2..=1000 {
            let q = posterior(schedule.level(t), schedule.level(t - 1));
            let std = |variance, nu: f64| {
                let std = q.std(variance, Some(&Tensor::from(nu))).double_value(&[]);
                assert!(std > 0.0 && std.is_finite(), "{variance:?} at t = {t}: {std}");
                std
            };
            let (small, large) = (q.var_small.sqrt(), q.var_large.sqrt());
            for nu in [0.0, 0.3, 1.0] {
                for variance in [Variance::Small, Variance::Large, Variance::Learned] {
                    let (std, slack) = (std(variance, nu), 1e-12);
                    assert!(std >= small - slack && std <= large + slack, "{variance:?}, t = {t}");
                }
            }
            // a network is not kept inside: it could not find back without a gradient
            assert!(std(Variance::Learned, -0.5) <= small && std(Variance::Learned, 1.5) >= large);
        }
    }
}

#[test]
fn the_last_step_lands_on_the_clean_sample() {
    // Ports that end at alpha_bar_1 in place of 1 leave noise in the result.
    for n in [1, 2, 10] {
        let path = Schedule::ddpm(1000).path(Path::Trailing, n);
        for eta in [0.0, 0.5, 1.0] {
            let watched = two_modes().recorded();
            let out = ddim(&watched, &path, normal(&[4, 1], 1), eta, &mut |x| x.randn_like());
            let seen = watched.take();
            assert_eq!(seen.len(), n, "every step of the path, and no other");
            assert!(max_diff(&seen[n - 1].x0, &out) < 1e-12);
        }
    }
}

#[test]
fn clipping_at_every_step_still_uses_consistent_noise() {
    // Code that clips x0 but keeps the old eps drifts out of the data's range.
    let path = Schedule::ddpm(1000).path(Path::Trailing, 20);
    let wide = Gaussian { mean: 3.0, std: 0.1 };
    let out = ddim(&wide.clip(1.0), &path, normal(&[64, 1], 2), 0.0, &mut |_| unreachable!());
    assert!(max_diff(&out, &out.ones_like()) < 1e-12);
}

#[test]
#[should_panic(expected = "eps-prediction is meaningless at alpha = 0")]
fn pure_noise_refuses_eps_prediction() {
    let schedule = Schedule::ddpm(1000).zero_terminal_snr();
    let x = normal(&[2, 2], 1);
    Denoised::from_eps(&x, schedule.level(1000), x.zeros_like());
}

#[test]
fn pure_noise_accepts_v_prediction() {
    let schedule = Schedule::ddpm(1000).zero_terminal_snr();
    let (x, at) = (normal(&[2, 2], 1), schedule.level(1000));
    let prediction = Denoised::from_v(&x, at, -0.5 * x.ones_like());
    assert!(max_diff(prediction.x0(), &(0.5 * x.ones_like())) < 1e-15);
    assert_eq!(prediction.eps(), &x);
    // and the exact denoiser samples from there
    let path = schedule.path(Path::Trailing, 10);
    let data = Gaussian { mean: 0.5, std: 0.3 };
    let out = ddim(&data, &path, normal(&[8, 1], 2), 0.0, &mut |_| unreachable!());
    assert_eq!(out.isfinite().all().int64_value(&[]), 1);
}

#[test]
#[should_panic(expected = "v needs alpha^2 + sigma^2 = 1")]
fn v_prediction_refuses_a_variance_exploding_level() {
    let x = normal(&[2, 2], 1);
    Denoised::from_v(&x, Level { alpha: 1.0, sigma: 5.0 }, x.zeros_like());
}

#[test]
#[should_panic(expected = "Variance::Learned needs a network with Head::MeanAndNu")]
fn a_learned_variance_is_never_replaced_in_silence() {
    let path = Schedule::ddpm(1000).path(Path::Trailing, 4);
    let mut noise = |x: &Tensor| x.randn_like();
    let _ = ddpm(&two_modes(), &path, normal(&[2, 1], 1), Variance::Learned, &mut noise);
}

/// Remembers what it was told; answers zeros, `channels` wide.
#[derive(Debug)]
struct Told {
    channels: i64,
    times: RefCell<Vec<f64>>,
}

impl Network for Told {
    type Cond = ();
    fn encode(&self, _: &(), _: bool) -> Conditioning {
        Conditioning::none()
    }
    fn forward(&self, x: &Tensor, t: &Tensor, _: &Conditioning, train: bool) -> Tensor {
        assert!(!train, "sampling must switch dropout off");
        assert_eq!(t.size(), [1], "one level serves the whole batch");
        self.times.borrow_mut().push(t.double_value(&[0]));
        Tensor::zeros([x.size()[0], self.channels], (Kind::Float, x.device())) + 0.5
    }
}

fn told(time_input: TimeInput, path: &[Level]) -> Vec<f64> {
    let net = Told { channels: 2, times: RefCell::default() };
    let model = Model::new(
        net,
        Parameterization { time_input, ..Parameterization::default() },
        Schedule::ddpm(1000),
    );
    let _ = ddim(&model.given(()), path, normal(&[3, 2], 1), 0.0, &mut |_| unreachable!());
    model.net.times.take()
}

#[test]
fn the_network_is_told_the_original_t_and_not_the_step_s_index() {
    let path = Schedule::ddpm(1000).path(Path::Uniform, 4);
    assert_eq!(told(TimeInput::OneBased, &path), [751.0, 501.0, 251.0, 1.0]);
    assert_eq!(told(TimeInput::ZeroBased, &path), [750.0, 500.0, 250.0, 0.0]);
    let scaled = told(TimeInput::Times(0.001), &path);
    assert!((scaled[0] - 0.751).abs() < 1e-6);
    let noise = told(TimeInput::QuarterLogSigma, &path);
    assert!((noise[0] + path[0].log_snr() / 8.0).abs() < 1e-6);
    // below the first level a network knows nothing: it is told 1
    let schedule = Schedule::ddpm(1000);
    let half = schedule.at(0.5);
    assert_eq!(TimeInput::OneBased.value(half, Some(&schedule)), 1.0);
    assert_eq!(TimeInput::ZeroBased.value(half, Some(&schedule)), 0.0);
}

#[test]
fn the_learned_fraction_is_the_second_half_and_survives_wrapping() {
    let net = Told { channels: 4, times: RefCell::default() };
    let parameterization = Parameterization {
        head: Head::MeanAndNu,
        target: Target::X0,
        ..Parameterization::default()
    };
    let model = Model::new(net, parameterization, Schedule::ddpm(1000));
    let (x, at) = (normal(&[3, 2], 1), Schedule::ddpm(1000).level(500));
    let prediction = model.given(()).clip(0.25).denoise(&x, at);
    assert_eq!(prediction.nu().unwrap().double_value(&[0, 0]), 0.75, "(0.5 + 1) / 2");
    assert_eq!(prediction.nu().unwrap().size(), [3, 2]);
    assert_eq!(prediction.x0().double_value(&[0, 0]), 0.25);
    assert_eq!(prediction.x0().kind(), Kind::Double, "the prediction is of x_t's kind");
}

#[test]
fn the_learned_variance_runs_from_small_to_large() {
    #[derive(Debug)]
    struct Says(f64);
    impl Denoiser for Says {
        fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
            two_modes().denoise(x_t, at).with_nu(Some(x_t.full_like(self.0)))
        }
    }
    let path = Schedule::ddpm(1000).path(Path::Trailing, 20);
    let run = |nu: f64, variance| {
        let mut noise = Seeded::new(3, 0);
        ddpm(&Says(nu), &path, normal(&[5, 1], 4), variance, &mut |x| noise.draw(x))
    };
    let (small, large) = (run(0.5, Variance::Small), run(0.5, Variance::Large));
    assert!(max_diff(&run(0.0, Variance::Learned), &small) < 1e-9);
    assert!(max_diff(&run(1.0, Variance::Learned), &large) < 1e-9);
    assert!(max_diff(&run(0.5, Variance::Learned), &small) > 1e-3);
}

#[test]
#[should_panic(expected = "eps and x_t differ in shape")]
fn a_belief_of_the_wrong_shape_is_named() {
    let at = Schedule::ddpm(1000).level(10);
    Denoised::from_eps(&normal(&[4, 3], 1), at, normal(&[4, 1], 1));
}
