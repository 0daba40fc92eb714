//! Learning the variance, and drawing `t` by its loss (Improved DDPM).

use crate::support::{F64, close, max_diff, normal, relative};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{Denoised, Denoiser, Gaussian, Head, Model, Parameterization, Target};
use from_noise::forward::{Variance, posterior, q_sample, transition};
use from_noise::loss::{Decoder, LossSecondMoment, kl_term, l_hybrid, l_target, l_vlb, l_vlb_t};
use from_noise::network::Network;
use from_noise::schedule::{Level, Schedule};
use tch::kind::INT64_CPU;
use tch::{Device, Kind, Tensor};

/// Says `a x` of the noise and `b x` of the variance, and was told nothing.
#[derive(Debug)]
struct Linear {
    mean: Tensor,
    variance: Tensor,
}

impl Network for Linear {
    type Cond = ();

    fn encode(&self, (): &(), _: bool) -> Conditioning {
        Conditioning::none()
    }

    fn forward(&self, x: &Tensor, _t: &Tensor, _: &Conditioning, _: bool) -> Tensor {
        Tensor::cat(&[&self.mean * x, &self.variance * x], 1)
    }
}

fn model(target: Target, schedule: &Schedule) -> Model<Linear> {
    let weight = |value: f64| Tensor::from(value).set_requires_grad(true);
    let net = Linear { mean: weight(0.7), variance: weight(-0.2) };
    let head = Head::MeanAndNu;
    Model::new(net, Parameterization { target, head, ..Default::default() }, schedule.clone())
}

/// Images of 8 bits: `[n, 1, 2, 2]`.
fn images(n: i64, seed: u64) -> Tensor {
    let levels = (normal(&[n, 1, 2, 2], seed) * 40.0 + 127.5).round().clamp(0.0, 255.0);
    levels / 127.5 - 1.0
}

#[test]
fn b11_nu_is_best_where_the_variance_is_that_of_the_mistake() {
    // where x0 is off by d, the best variance is beta_tilde plus the square of what d does to the mean
    let schedule = Schedule::ddpm(100);
    for (t, d) in [(2, 0.2), (30, 0.15), (90, 0.4)] {
        let (at, s) = (schedule.level(t), schedule.level(t - 1));
        let q = posterior(at, s);
        let best = q.var_small + (q.on_x0 * d).powi(2);
        let ends = (q.var_small.ln(), q.var_large.ln());
        let nu = Tensor::from((best.ln() - ends.0) / (ends.1 - ends.0)).set_requires_grad(true);
        let x0 = Tensor::from_slice(&[d, -d]).view([2, 1]);
        let x_t = x0.zeros_like();
        let predicted = Denoised::from_x0(&x_t, at, x0.zeros_like());
        let predicted = predicted.with_nu(Some(nu.expand([2, 1], false)));
        kl_term(&q, &predicted, &x0, &x_t, Variance::Learned).sum(Kind::Double).backward();
        close(nu.grad().double_value(&[]), 0.0, 1e-9);
    }
}

#[test]
fn b12_the_bound_moves_the_variance_and_never_the_mean() {
    let schedule = Schedule::ddpm(50);
    let t = Tensor::from_slice(&[1i64, 2, 20, 50]);
    let (x0, eps) = (images(4, 1), normal(&[4, 1, 2, 2], 2));
    for target in [Target::Eps, Target::X0, Target::V] {
        let gradients = |hybrid: bool| {
            let model = model(target, &schedule);
            let loss = match hybrid {
                true => l_hybrid(&model, &schedule, &t, &x0, &(), &eps),
                false => l_target(&model, &schedule.levels(&t), &x0, &(), &eps),
            };
            loss.mean(Kind::Double).backward();
            (model.net.mean.grad(), model.net.variance.grad())
        };
        let ((simple, none), (hybrid, variance)) = (gradients(false), gradients(true));
        assert_eq!(simple, hybrid, "{target:?}: to the last bit");
        assert!(variance.double_value(&[]) != 0.0 && none.double_value(&[]) == 0.0);
    }
}

#[test]
fn b12_one_t_for_each_sample_estimates_the_whole_bound() {
    // one image at every t: T times the mean term is the sum of all terms
    let schedule = Schedule::ddpm(25);
    let t = Tensor::arange_start(1, 26, INT64_CPU);
    let (x0, eps) = (images(1, 3), normal(&[25, 1, 2, 2], 4));
    for target in [Target::Eps, Target::V] {
        let model = model(target, &schedule);
        let each = l_vlb_t(&model, &schedule, &t, &x0.expand([25, 1, 2, 2], false), &(), &eps);
        let noise = |t: usize| eps.narrow(0, t as i64 - 1, 1);
        let given = model.given(());
        let (variance, decoder) = (Variance::Learned, Decoder::Discretised);
        let whole = l_vlb(&given, &schedule, &x0, variance, decoder, noise);
        let without_prior = (whole.total() - &whole.l_T) / std::f64::consts::LN_2;
        relative(each.mean(Kind::Double).double_value(&[]), without_prior.double_value(&[]), 1e-9);
    }
}

#[test]
fn b13_importance_sampling_leaves_the_mean_and_scatters_less() {
    let schedule = Schedule::ddpm(20);
    // a loss that spans three orders of magnitude, as that of the bound does
    let loss = |t: &Tensor| (t * (-3.0 * std::f64::consts::LN_10 / 20.0)).exp();
    let all = Tensor::arange_start(1, 21, INT64_CPU);
    let truth = loss(&all).mean(Kind::Double).double_value(&[]);
    let mut moments = LossSecondMoment::new(&schedule);
    let uniform = Tensor::full([20], 1.0 / 20.0, F64);
    for round in 0..10 {
        assert_eq!(moments.probabilities(), uniform, "{round} losses each are too few");
        let _ = moments.weighted(&all, loss(&all));
    }
    assert!(max_diff(&moments.probabilities(), &uniform) > 0.1);
    tch::manual_seed(6);
    let n = 20_000;
    let t = moments.draw(n);
    let weighted = moments.weighted(&t, loss(&t));
    let spread = weighted.std(true).double_value(&[]);
    let found = weighted.mean(Kind::Double).double_value(&[]);
    close(found, truth, 4.0 * spread / (n as f64).sqrt());
    let uniform = loss(&schedule.draw_t(n, Device::Cpu)).std(true).double_value(&[]);
    assert!(spread < 0.1 * uniform, "{spread} of {uniform}");
    assert!(moments.probabilities().min().double_value(&[]) >= 0.001 / 20.0);
}

#[test]
fn b15_the_bound_is_that_of_a_hierarchical_autoencoder() {
    // E log p(x_0 ... x_T) - E log q(x_1 ... x_T | x0), with the encoder q that nobody trains. All is
    // Gaussian: E log N(x; a y, v) needs second moments alone
    let (schedule, s) = (Schedule::ddpm(10), 0.5f64);
    let data = Gaussian { mean: 0.0, std: s };
    let log_n = |xx: f64, xy: f64, yy: f64, a: f64, v: f64| {
        let square = xx - 2.0 * a * xy + a * a * yy;
        -0.5 * ((std::f64::consts::TAU * v).ln() + square / v)
    };
    let var = |at: Level| (at.alpha * s).powi(2) + at.sigma.powi(2);
    let mut elbo = log_n(var(schedule.level(10)), 0.0, 0.0, 0.0, 1.0); // the prior
    for t in 1..=10 {
        let (at, to) = (schedule.level(t), schedule.level(t - 1));
        let (xx, yy, up) = (var(at), var(to), transition(at, to));
        elbo -= log_n(xx, up.scale * yy, yy, up.scale, up.var); // the encoder
        let (q, guess) = (posterior(at, to), at.alpha * s * s / xx); // E[x0 | x_t] = guess x_t
        let down = q.on_x0 * guess + q.on_xt;
        elbo += log_n(yy, up.scale * yy, xx, down, q.var_large); // the decoder
    }
    // a quadratic's mean over N(0, s^2) and N(0, 1) is that over +-s and +-1
    let x0 = Tensor::from_slice(&[s, s, -s, -s]).view([4, 1]);
    let eps = Tensor::from_slice(&[1.0, -1.0, 1.0, -1.0]).view([4, 1]);
    let (variance, decoder) = (Variance::Large, Decoder::Continuous);
    let bound = l_vlb(&data, &schedule, &x0, variance, decoder, |_| eps.shallow_clone());
    relative(bound.total().mean(Kind::Double).double_value(&[]), -elbo, 1e-9);
    // and every latent has the shape of the data
    let (at, x) = (schedule.level(10), normal(&[3, 1], 1));
    assert_eq!(q_sample(&x, &x, at).size(), data.denoise(&x, at).x0().size());
}
