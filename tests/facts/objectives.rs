//! B1-B10, J6: the posterior, the bound, what the network predicts.

use crate::support::{Constant, F64, close, grid, max_diff, normal, relative, truth, two_modes};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{
    BestVariance, Denoised, Denoiser, Gaussian, Model, Parameterization, Preconditioning, Target,
};
use from_noise::forward::{Variance, posterior, q_sample};
use from_noise::loss::{
    Decoder, Weighting, discretised_log_likelihood, kl, l_simple, l_t, l_target, l_vlb,
};
use from_noise::network::Network;
use from_noise::noise::quadrature;
use from_noise::schedule::{Level, Levels, Schedule};
use tch::{Device, Kind, Tensor};

fn linear() -> Schedule {
    Schedule::linear(1000, 1e-4, 0.02)
}

/// The log density of N(mean, var) at each point of `x`.
fn log_normal(x: &Tensor, mean: f64, var: f64) -> Tensor {
    (x - mean).square() * (-0.5 / var) - 0.5 * (std::f64::consts::TAU * var).ln()
}

#[test]
fn b1_the_posterior_is_bayes_rule() {
    let (schedule, x0, x_t) = (linear(), 0.7, -0.4);
    for (t, s) in [(2, 1), (500, 499), (1000, 999), (700, 300), (901, 801)] {
        let (t, s) = (schedule.level(t), schedule.level(s));
        let q = posterior(t, s);
        let (mean, var) = (q.on_x0 * x0 + q.on_xt * x_t, q.var_small);
        // q(x_t | x_s) q(x_s | x0) on a grid around the answer, normalised numerically.
        let half = 12.0 * var.sqrt();
        let x = Tensor::linspace(mean - half, mean + half, 4001, F64);
        let r = t.alpha / s.alpha;
        let step_var = t.sigma.powi(2) - (r * s.sigma).powi(2);
        let product =
            log_normal(&(&x * r), x_t, step_var) + log_normal(&x, s.alpha * x0, s.sigma.powi(2));
        let p = product.softmax(0, Kind::Double);
        let found = (&p * &x).sum(Kind::Double).double_value(&[]);
        let spread = (p * (&x - found).square()).sum(Kind::Double).double_value(&[]);
        close(found, mean, 1e-10);
        relative(spread, var, 1e-9);
    }
}

#[test]
fn b1_the_mean_in_terms_of_the_noise() {
    // 1/sqrt(alpha_t) (x_t - beta_t / sqrt(1 - alpha_bar_t) eps), DDPM eq. 11
    let schedule = linear();
    let (x0, eps) = (normal(&[64], 1), normal(&[64], 2));
    for t in [1, 2, 500, 1000] {
        let (at, beta) = (schedule.level(t), schedule.beta(t));
        let x_t = q_sample(&x0, &eps, at);
        let by_noise = (&x_t - beta / at.sigma * &eps) / (1.0 - beta).sqrt();
        let q = posterior(at, schedule.level(t - 1));
        assert!(max_diff(&q.mean(&x0, &x_t), &by_noise) < 1e-12, "t = {t}");
    }
    let first = posterior(schedule.level(1), schedule.level(0));
    assert_eq!((first.var_small, first.on_xt), (0.0, 0.0), "beta_tilde_1 = 0");
    close(first.on_x0, 1.0, 1e-15);
}

#[test]
fn b2_the_true_reverse_step_is_gaussian_only_for_small_beta() {
    let data = two_modes();
    let s = Schedule::cosine(1000, 0.008).level(100);
    let x_t = Tensor::from_slice(&[-0.1]).view([1, 1]);
    let (x, dx) = grid(3.0, 6001);
    let mut gaps = Vec::new();
    let mut modes = Vec::new();
    for beta in [0.9, 0.5, 0.2, 0.05, 0.01, 0.001] {
        let alpha_bar = s.alpha.powi(2) * (1.0 - beta);
        let t = Level { alpha: f64::sqrt(alpha_bar), sigma: f64::sqrt(1.0 - alpha_bar) };
        let log_p = data.log_reverse(&x, &x_t, t, s);
        let p = log_p.exp();
        close(p.sum(Kind::Double).double_value(&[]) * dx, 1.0, 1e-6);
        let points = x.view([-1]);
        let mean = (&p * &points).sum(Kind::Double).double_value(&[]) * dx;
        let var = (&p * (&points - mean).square()).sum(Kind::Double).double_value(&[]) * dx;
        let gap: Tensor = &p * (&log_p - log_normal(&points, mean, var));
        gaps.push(gap.sum(Kind::Double).double_value(&[]) * dx);
        let density = Vec::<f64>::try_from(&p).unwrap();
        modes.push(density.windows(3).filter(|w| w[1] > w[0] && w[1] >= w[2]).count());
    }
    println!("KL from the matched Gaussian: {gaps:?}; modes: {modes:?}");
    assert!(gaps.windows(2).all(|w| w[1] < w[0]), "must fall with beta: {gaps:?}");
    assert!(gaps[5] < 1e-4 && gaps[0] > 0.1);
    assert_eq!((modes[0], modes[5]), (2, 1), "two modes for one big step, one for a small one");
}

/// `E[L_vlb] - H(x0)` by quadrature, exact because every term is quadratic in (x0, eps).
fn gap(std: f64, steps: usize, variance: Variance) -> f64 {
    let schedule = Schedule::ddpm(steps);
    let (x0, eps, weight) = quadrature();
    let data = Gaussian { mean: 0.0, std };
    let model = BestVariance { data, schedule: schedule.clone() };
    let x0 = x0 * std;
    let decoder = Decoder::Continuous;
    let bound = l_vlb(&model, &schedule, &x0, variance, decoder, |_| eps.shallow_clone());
    let expected = (bound.total() * weight).sum(Kind::Double).double_value(&[]);
    expected - 0.5 * (std::f64::consts::TAU * std::f64::consts::E * std * std).ln()
}

#[test]
fn b3_the_bound_is_tight_where_the_reverse_step_is_gaussian() {
    for steps in [10, 100, 1000, 4000] {
        close(gap(1.0, steps, Variance::Large), 0.0, 1e-6);
        close(gap(1.0, steps, Variance::Learned), 0.0, 1e-9);
        close(gap(0.5, steps, Variance::Learned), 0.0, 1e-9);
    }
}

#[test]
fn b3_b10_the_wrong_variance_costs_what_the_table_says() {
    let table = [
        (1.0, Variance::Small, [10.177, 1.369, 0.578595, 0.489456]),
        (0.5, Variance::Large, [0.121966, 0.010961, 0.001092, 0.000273]),
        (0.5, Variance::Small, [5.390, 1.272, 0.569926, 0.487261]),
    ];
    for (std, variance, expected) in table {
        for (steps, expected) in [10, 100, 1000, 4000].into_iter().zip(expected) {
            let digits = if expected > 1.0 { 5.1e-4 } else { 5.1e-7 };
            close(gap(std, steps, variance), expected, digits);
        }
    }
}

#[test]
fn b10_each_fixed_variance_is_optimal_for_its_data() {
    let schedule = linear();
    for t in [2, 100, 500, 1000] {
        let (at, s) = (schedule.level(t), schedule.level(t - 1));
        let q = posterior(at, s);
        let best =
            |std| q.var_small + q.on_x0.powi(2) * Gaussian { mean: 0.0, std }.x0_variance(at);
        close(best(0.0), q.var_small, 1e-18);
        relative(best(1.0), q.var_large, 1e-9);
    }
}

#[test]
fn b4_the_discretised_decoder_is_a_distribution() {
    let x = (Tensor::arange(256, F64) / 127.5 - 1.0).view([256, 1]);
    for (mean, std) in [(0.0, 0.3), (-1.0, 0.005), (0.999, 1e-3), (3.0, 0.1), (0.2, 20.0)] {
        let log_p = discretised_log_likelihood(&x, &x.full_like(mean), &Tensor::from(std));
        close(log_p.exp().sum(Kind::Double).double_value(&[]), 1.0, 3e-10);
    }
    // Ten deviations out, on either side, the mass is the clamp and not zero or NaN.
    for side in [-1.0, 1.0] {
        let tail = discretised_log_likelihood(&x, &x.full_like(-side), &Tensor::from(0.1));
        assert_eq!(tail.isfinite().all().int64_value(&[]), 1);
    }
    // The right tail keeps its digits: mirror images have equal mass.
    let left = discretised_log_likelihood(&x, &x.full_like(0.4), &Tensor::from(0.2));
    let right = discretised_log_likelihood(&-&x, &x.full_like(-0.4), &Tensor::from(0.2));
    assert!(max_diff(&left, &right) < 1e-9);
}

#[test]
#[should_panic(expected = "needs 8-bit data")]
fn b4_the_discretised_decoder_refuses_latents() {
    let x = normal(&[4, 4], 1);
    let _ = discretised_log_likelihood(&x, &x, &Tensor::from(0.1));
}

#[test]
fn b6_kl_is_the_integral() {
    let (x, dx) = grid(14.0, 200_001);
    let x = x.view([-1]);
    let integral = |m: f64, v: f64, n: f64, w: f64| {
        let (q, p) = (log_normal(&x, m, v), log_normal(&x, n, w));
        (q.exp() * (q - p)).sum(Kind::Double).double_value(&[]) * dx
    };
    let ours = |m: f64, v: f64, n: f64, w: f64| {
        let [m, v, n, w] = [m, v, n, w].map(Tensor::from);
        kl(&m, &v, &n, &w).double_value(&[])
    };
    for (m, v, n, w) in [(0.3, 0.5, -0.2, 0.8), (1.0, 2.0, 1.0, 0.7), (0.0, 0.1, 0.5, 0.1)] {
        close(ours(m, v, n, w), integral(m, v, n, w), 1e-8);
        close(ours(m, v, m, v), 0.0, 1e-15);
    }
    assert!((ours(0.3, 0.5, -0.2, 0.8) - ours(-0.2, 0.8, 0.3, 0.5)).abs() > 0.01);
}

#[test]
fn b7_the_dropped_weight() {
    let schedule = linear();
    let (x0, eps, wrong) = (normal(&[8, 3], 1), normal(&[8, 3], 2), normal(&[8, 3], 3));
    let error = (&eps - &wrong).square().mean_dim(1, false, Kind::Double);
    let model = Constant(wrong);
    let weight = |t: usize| {
        let (beta, at) = (schedule.beta(t), schedule.level(t));
        let small = posterior(at, schedule.level(t - 1)).var_small;
        beta.powi(2) / (2.0 * small * (1.0 - beta) * at.sigma.powi(2))
    };
    for t in [2, 10, 500, 1000] {
        let (at, s) = (schedule.level(t), schedule.level(t - 1));
        let term = l_t(&model, at, s, &x0, &eps, Variance::Small);
        let relative = (term / (weight(t) * &error) - 1.0).abs().max().double_value(&[]);
        assert!(relative < 1e-9, "t = {t}: {relative:e}");
    }
    println!("the bound weighs t = 2 {:.0} times as much as T", weight(2) / weight(1000));
    assert!(weight(2) / weight(1000) > 50.0);
}

/// A network that answers with its input times `t`, so that a test can tell what it was told.
#[derive(Debug)]
struct Echo;

impl Network for Echo {
    type Cond = ();
    fn encode(&self, _: &(), _: bool) -> Conditioning {
        Conditioning::none()
    }
    fn forward(&self, x: &Tensor, t: &Tensor, _: &Conditioning, _: bool) -> Tensor {
        x * t.view([-1, 1]) / 1000.0
    }
}

fn echo(target: Target) -> Model<Echo> {
    Model::new(Echo, Parameterization { target, ..Parameterization::default() }, linear())
}

type Loss = fn(&Model<Echo>, &Levels, &Tensor, &(), &Tensor) -> Tensor;

#[test]
fn b8_t_is_uniform_and_reaches_both_ends() {
    tch::manual_seed(5);
    let (schedule, n) = (Schedule::ddpm(10), 100_000);
    let mut counts = [0i64; 11];
    let t = Vec::<i64>::try_from(schedule.draw_t(n, Device::Cpu)).unwrap();
    t.into_iter().for_each(|t| counts[t as usize] += 1);
    assert_eq!(counts[0], 0, "t runs over 1..=10");
    let chi2: f64 = counts[1..].iter().map(|&c| (c as f64 - 1e4).powi(2) / 1e4).sum();
    assert!(chi2 < 33.7, "chi-square {chi2} on 9 degrees of freedom (p = 1e-4)");
}

#[test]
fn b8_the_loss_is_the_error_at_the_level_drawn() {
    let schedule = linear();
    let (x0, eps) = (normal(&[6, 2], 1), normal(&[6, 2], 2));
    let t = [1i64, 1000, 3, 500, 77, 999];
    let levels = schedule.levels(&Tensor::from_slice(&t));
    let losses: [(Target, Loss); 4] = [
        (Target::Eps, l_simple),
        (Target::Eps, l_target),
        (Target::X0, l_target),
        (Target::V, l_target),
    ];
    for (target, loss) in losses {
        let model = echo(target);
        let loss = loss(&model, &levels, &x0, &(), &eps);
        assert_eq!(loss.size(), [6]);
        for i in 0..6 {
            let (at, one) =
                (schedule.level(t[i as usize] as usize), |x: &Tensor| x.narrow(0, i, 1));
            let x_t = q_sample(&one(&x0), &one(&eps), at);
            let truth = truth(target, &one(&x0), &one(&eps), at);
            let error = (x_t * (t[i as usize] as f64 / 1000.0) - truth).square();
            let expected = error.mean(Kind::Double).double_value(&[]);
            relative(loss.double_value(&[i]), expected, 1e-6);
        }
    }
}

#[test]
fn j1_the_loss_of_edm_is_the_error_of_its_denoiser() {
    // Karras et al. 2022, eq. 8: training sees F and its target, sampling sees D; the network's
    // input is scaled alike in both
    let model = echo(Target::Edm { sigma_data: 0.5 });
    let (x0, eps) = (0.5 * normal(&[6, 2], 1), normal(&[6, 2], 2));
    for t in [10, 300, 900] {
        let at = linear().level(t);
        let loss = l_target(&model, &at.into(), &x0, &(), &eps).mean(Kind::Double);
        let prediction = model.given(()).denoise(&q_sample(&x0, &eps, at), at);
        let error = (prediction.x0() - &x0).square().mean(Kind::Double).double_value(&[]);
        let out = Preconditioning::at(at, 0.5).out;
        relative(loss.double_value(&[]), error / out.powi(2), 1e-5);
    }
}

#[test]
fn a12_the_noise_depends_on_the_level_though_nothing_is_rescaled() {
    // x = x0 + sigma eps, one x, two levels: two answers
    let x = Tensor::from_slice(&[0.2]).view([1, 1]);
    let eps = |sigma| two_modes().denoise(&x, Level::variance_exploding(sigma));
    assert!(max_diff(eps(0.3).eps(), eps(1.0).eps()) > 0.1);
}

#[test]
fn b9_round_trips_between_the_views() {
    let (x0, eps) = (normal(&[16, 3], 1), normal(&[16, 3], 2));
    for t in [1, 50, 500, 900] {
        let at = linear().level(t);
        let x_t = q_sample(&x0, &eps, at);
        let v = at.alpha * &eps - at.sigma * &x0;
        let predictions = [
            Denoised::from_eps(&x_t, at, eps.shallow_clone()),
            Denoised::from_x0(&x_t, at, x0.shallow_clone()),
            Denoised::from_v(&x_t, at, v),
        ];
        for prediction in predictions {
            assert!(max_diff(prediction.x0(), &x0) < 1e-12);
            assert!(max_diff(prediction.eps(), &eps) < 1e-12);
            assert!(max_diff(&prediction.score(at), &(-&eps / at.sigma)) < 1e-9);
        }
    }
}

#[test]
fn b9_j6_the_three_errors_are_one_error() {
    let schedule = linear();
    let (x0, eps) = (normal(&[16, 3], 1), normal(&[16, 3], 2));
    for t in [5, 200, 800] {
        let at = schedule.level(t);
        let x_t = q_sample(&x0, &eps, at);
        let guess = Denoised::from_x0(&x_t, at, &x0 + 0.1 * normal(&[16, 3], 3));
        let error = |target: Target| {
            let ours = truth(target, guess.x0(), guess.eps(), at);
            (ours - truth(target, &x0, &eps, at)).square().sum(Kind::Double).double_value(&[])
        };
        let snr = at.snr();
        relative(error(Target::V), (snr + 1.0) * error(Target::X0), 1e-9);
        relative(error(Target::V), (1.0 + 1.0 / snr) * error(Target::Eps), 1e-9);
        // so one weighting is one loss, whatever the network predicts
        for gamma in [5.0, f64::INFINITY] {
            let weigh = |target| Weighting::MinSnr(gamma).at(at, target) * error(target);
            relative(weigh(Target::Eps), weigh(Target::X0), 1e-9);
            relative(weigh(Target::V), weigh(Target::X0), 1e-9);
        }
        // SNR + 1 on the clean sample is the plain loss of v, up to its bound on eps
        let v = |most| Weighting::SnrPlusOne(most);
        close(v(f64::INFINITY).at(at, Target::V), 1.0, 1e-15);
        relative(v(f64::INFINITY).at(at, Target::Eps), 1.0 + 1.0 / snr, 1e-12);
        relative(v(50.0).at(at, Target::Eps), (1.0 + 1.0 / snr).min(50.0), 1e-12);
        close(Weighting::MinSnr(f64::INFINITY).at(at, Target::Eps), 1.0, 0.0);
        close(Weighting::MinSnr(5.0).at(at, Target::X0), snr.min(5.0), 0.0);
    }
}

#[test]
fn j6_the_weight_multiplies_each_sample_s_error() {
    let schedule = linear();
    let (x0, eps) = (normal(&[2, 2], 1), normal(&[2, 2], 2));
    let levels = schedule.levels(&Tensor::from_slice(&[3i64, 700]));
    let loss = l_simple(&echo(Target::Eps), &levels, &x0, &(), &eps);
    let snr = Weighting::MinSnr(5.0);
    let both = snr.of(&levels, Target::Eps, &loss) * &loss;
    let weight = |t| snr.at(schedule.level(t), Target::Eps);
    relative(both.double_value(&[0]), weight(3) * loss.double_value(&[0]), 1e-12);
    relative(both.double_value(&[1]), weight(700) * loss.double_value(&[1]), 1e-12);
    assert!(weight(3) < 0.01 && weight(700) == 1.0);
}
