//! C1-C14, J18, F2: DDPM and DDIM on exact denoisers.

use crate::support::{Constant, EVERY_SAMPLER, F64, close, max_diff, normal, relative, two_modes};
use from_noise::denoiser::{Denoised, Denoiser, Gaussian, Mixture};
use from_noise::evaluate::Sampling;
use from_noise::forward::{Variance, posterior, q_sample};
use from_noise::guide::DenoiserExt;
use from_noise::loss::kl;
use from_noise::noise::{Seeded, Tape};
use from_noise::sample::{ddim, ddim_invert, ddim_step, ddpm};
use from_noise::schedule::{Level, Path, Schedule};
use tch::{Kind, Tensor};

fn schedules() -> [Schedule; 2] {
    [Schedule::linear(1000, 1e-4, 0.02), Schedule::cosine(1000, 0.008)]
}

fn tape(draws: usize, shape: &[i64]) -> Tape {
    Tape::new((0..draws as u64).map(|i| normal(shape, 100 + i)).collect())
}

/// The exact mean and variance of a linear sampler's output, by superposition: row 0 carries no
/// noise at all, row 1 a unit start, row 2 + k a unit draw at step k.
fn output_moments(data: Gaussian, path: &[Level], variance: Variance) -> (f64, f64) {
    let draws = path.len() - 2; // none on the last of the path.len() - 1 steps
    let rows = 2 + draws as i64;
    let unit = |row: i64| {
        let one_hot = Tensor::zeros([rows, 1], F64);
        let _ = one_hot.get(row).fill_(1.0);
        one_hot
    };
    let mut tape = Tape::new((0..draws).map(|k| unit(2 + k as i64)).collect());
    let out = ddpm(&data, path, unit(1), variance, &mut |like| tape.draw(like));
    assert_eq!(tape.played(), draws, "noise at every step but the last");
    let mean = out.double_value(&[0, 0]);
    let var = (out.narrow(0, 1, rows - 1) - mean).square().sum(Kind::Double);
    (mean, var.double_value(&[]))
}

/// The same moments by the scalar recursion through E[x0 | x_t] = m + g (x_t - alpha m).
fn recursion(data: Gaussian, path: &[Level], large: bool) -> (f64, f64) {
    let (mut mean, mut var) = (0.0, 1.0);
    for step in path.windows(2) {
        let (t, s) = (step[0], step[1]);
        let total = (t.alpha * data.std).powi(2) + t.sigma.powi(2);
        let gain = t.alpha * data.std.powi(2) / total;
        let r = t.alpha / s.alpha;
        let beta = t.sigma.powi(2) - (r * s.sigma).powi(2);
        let on_x0 = s.alpha * beta / t.sigma.powi(2);
        let on_xt = r * (s.sigma / t.sigma).powi(2);
        let slope = on_x0 * gain + on_xt;
        let noise = if large { beta } else { beta * (s.sigma / t.sigma).powi(2) };
        mean = on_x0 * data.mean * (1.0 - gain * t.alpha) + slope * mean;
        var = slope * slope * var + if s.sigma == 0.0 { 0.0 } else { noise };
    }
    (mean, var)
}

#[test]
fn c1_ancestral_sampling_of_a_gaussian_is_the_scalar_recursion() {
    let data = Gaussian { mean: 0.5, std: 0.3 };
    for schedule in schedules() {
        for n in [10, 40, 200] {
            let path = schedule.path(Path::Trailing, n);
            for (variance, large) in [(Variance::Small, false), (Variance::Large, true)] {
                let (mean, var) = output_moments(data, &path, variance);
                let (expected_mean, expected_var) = recursion(data, &path, large);
                close(mean, expected_mean, 1e-12);
                relative(var, expected_var, 1e-10);
            }
        }
    }
}

#[test]
fn c1_a_unit_gaussian_stays_exactly_itself() {
    let data = Gaussian { mean: 0.0, std: 1.0 };
    let schedule = &schedules()[0];
    let path = schedule.path(Path::Trailing, 1000);
    let (mean, var) = output_moments(data, &path, Variance::Large);
    // all but the noise that the last step leaves out
    close(mean, 0.0, 1e-15);
    close(var, 1.0 - schedule.beta(1), 1e-9);
}

#[test]
fn c1_more_steps_come_closer_to_the_data() {
    let data = Gaussian { mean: 0.5, std: 0.3 };
    let error = |n| {
        let path = schedules()[0].path(Path::Trailing, n);
        (output_moments(data, &path, Variance::Small).1.sqrt() - data.std).abs()
    };
    let errors = [10, 50, 200].map(error);
    assert!(errors.windows(2).all(|w| w[1] < w[0]), "{errors:?}");
}

#[test]
fn c2_clipping_keeps_the_two_views_tied() {
    let at = schedules()[0].level(700);
    let x = normal(&[200, 3], 1) * 2.0;
    let data = Gaussian { mean: 0.5, std: 1.0 };
    let prediction = data.clip(0.8).denoise(&x, at);
    assert!(prediction.x0().abs().max().double_value(&[]) <= 0.8);
    assert!(data.denoise(&x, at).x0().abs().max().double_value(&[]) > 0.8, "the clip must bite");
    let again = at.alpha * prediction.x0() + at.sigma * prediction.eps();
    assert!(max_diff(&again, &x) < 1e-12);
    let wide = data.clip(100.0).denoise(&x, at);
    assert!(max_diff(wide.x0(), data.denoise(&x, at).x0()) < 1e-15);
    // at the clean level nothing is in doubt
    let clean = schedules()[0].level(0);
    let sure = Constant(x.zeros_like()).clip(0.8).denoise(&x, clean);
    assert_eq!(sure.x0(), &x);
}

#[test]
fn c3_the_family_keeps_the_marginals() {
    // With the true prediction, x_s has mean alpha_s x0 and variance sigma_s^2, whatever eta.
    let schedule = &schedules()[0];
    let (x0, eps) = (Tensor::full([2], 0.7, F64), Tensor::from_slice(&[1.0, 0.0]));
    for (t, s) in [(500, 499), (901, 801), (700, 1)] {
        let (t, s) = (schedule.level(t), schedule.level(s));
        for eta in [0.0, 0.2, 0.5, 1.0] {
            let prediction = Constant(eps.shallow_clone()).denoise(&q_sample(&x0, &eps, t), t);
            let z = || Tensor::from_slice(&[0.0, 1.0]);
            let x_s = ddim_step(&prediction, t, s, eta, z) - s.alpha * &x0;
            let var = x_s.square().sum(Kind::Double).double_value(&[]);
            relative(var, s.sigma.powi(2), 1e-12);
        }
    }
}

/// The mean and the variance of `q(x_s | x_t, x0)` in the family's member `eta`.
fn member(x0: f64, x_t: &Tensor, t: Level, s: Level, eta: f64) -> (Tensor, f64) {
    let known = Denoised::from_x0(x_t, t, x_t.full_like(x0));
    let mean = ddim_step(&known, t, s, eta, || x_t.zeros_like());
    (mean, eta.powi(2) * posterior(t, s).var_small)
}

#[test]
fn c3_the_forward_process_is_markov_for_eta_1_alone() {
    // q(x_t | x_s, x0) by Bayes' rule: q(x_s | x_t, x0) q(x_t | x0) on a grid of x_t.
    let schedule = &schedules()[0];
    for (t, s) in [(500, 499), (901, 801), (700, 300)] {
        let (t, s) = (schedule.level(t), schedule.level(s));
        let r = t.alpha / s.alpha;
        for eta in [0.2, 0.5, 1.0] {
            let upwards = |x_s: f64, x0: f64| {
                let var = (eta * t.sigma / s.sigma).powi(2) * posterior(t, s).var_small;
                let kept = (s.sigma.powi(2) - eta.powi(2) * posterior(t, s).var_small).sqrt();
                let slope = kept * t.sigma / s.sigma.powi(2);
                let formula = t.alpha * x0 + slope * (x_s - s.alpha * x0);
                let half = 12.0 * var.sqrt();
                let x_t = Tensor::linspace(formula - half, formula + half, 4001, F64);
                let (mean, step) = member(x0, &x_t, t, s, eta);
                let log_p = -(x_s - mean).square() / (2.0 * step)
                    - (&x_t - t.alpha * x0).square() / (2.0 * t.sigma.powi(2));
                let p = log_p.softmax(0, Kind::Double);
                let found = (&p * &x_t).sum(Kind::Double).double_value(&[]);
                let spread = (p * (&x_t - found).square()).sum(Kind::Double).double_value(&[]);
                close(found, formula, 1e-9);
                relative(spread, var, 1e-8);
                found
            };
            let (one, other) = (upwards(0.3, 0.8), upwards(0.3, -0.5));
            match eta == 1.0 {
                true => assert!((one - other).abs() < 1e-9 && (one - r * 0.3).abs() < 1e-9),
                false => assert!((one - other).abs() > 1e-3, "eta = {eta} must remember x0"),
            }
        }
    }
}

#[test]
fn c3_every_member_has_the_noise_error_as_its_bound() {
    // Theorem 1: KL(q(x_s | x_t, x0) || the same with a predicted x0) = weight * (eps - ours)^2
    let schedule = &schedules()[0];
    let (x0, eps, wrong) = (0.7, normal(&[64], 1), normal(&[64], 2));
    for (t, s) in [(500, 499), (901, 801), (700, 300)] {
        let (t, s) = (schedule.level(t), schedule.level(s));
        let x_t = q_sample(&eps.full_like(x0), &eps, t);
        let error = (&eps - &wrong).square();
        for eta in [0.1, 0.5, 1.0] {
            let (truth, var) = member(x0, &x_t, t, s, eta);
            let ours = Constant(wrong.shallow_clone()).denoise(&x_t, t);
            let ours = ddim_step(&ours, t, s, eta, || eps.zeros_like());
            let term = kl(&truth, &Tensor::from(var), &ours, &Tensor::from(var));
            let kept = (s.sigma.powi(2) - var).sqrt();
            let weight = (s.alpha * t.sigma / t.alpha - kept).powi(2) / (2.0 * var);
            assert!(((term - weight * &error) / &error).abs().max().double_value(&[]) < 1e-9);
            if eta == 1.0 {
                // DDPM's weight of the noise form, eq. 12, for a step of any size
                let q = posterior(t, s);
                let r = t.alpha / s.alpha;
                let ddpm = q.var_large.powi(2) / (2.0 * q.var_small * (r * t.sigma).powi(2));
                relative(weight, ddpm, 1e-9);
            }
        }
    }
}

#[test]
fn c4_sigma_is_eta_times_the_root_of_beta_tilde() {
    let schedule = &schedules()[0];
    let (t, s) = (schedule.level(500), schedule.level(400));
    let zero = Tensor::zeros([1], F64);
    let prediction = Constant(zero.shallow_clone()).denoise(&zero, t);
    for eta in [0.2, 0.5, 1.0] {
        let sigma = ddim_step(&prediction, t, s, eta, || Tensor::ones([1], F64)).double_value(&[0]);
        relative(sigma, eta * posterior(t, s).var_small.sqrt(), 1e-13);
    }
}

#[test]
fn c5_eta_1_has_the_posterior_s_coefficients() {
    let schedule = &schedules()[0];
    for n in [10, 20, 50, 100, 1000] {
        for step in schedule.path(Path::Uniform, n).windows(2) {
            let (t, s) = (step[0], step[1]);
            let q = posterior(t, s);
            // beta' = 1 - alpha_bar_t / alpha_bar_s, beta_tilde' of the respaced chain
            let beta = 1.0 - (t.alpha / s.alpha).powi(2);
            let small = (1.0 - s.alpha.powi(2)) / (1.0 - t.alpha.powi(2)) * beta;
            close(q.var_small, small, 5e-16);
            // DDIM: alpha_s x0 + sqrt(sigma_s^2 - beta_tilde) (x_t - alpha_t x0) / sigma_t
            let on_xt = (s.sigma.powi(2) - q.var_small).max(0.0).sqrt() / t.sigma;
            close(q.on_xt, on_xt, 2e-13);
            close(q.on_x0, s.alpha - on_xt * t.alpha, 2e-13);
        }
    }
}

#[test]
fn c5_eta_1_is_ddpm_with_the_small_variance() {
    for schedule in schedules() {
        for (path, n) in [(Path::Uniform, 10), (Path::Trailing, 50), (Path::Linspace, 300)] {
            let path = schedule.path(path, n);
            let (mut a, mut b) = (tape(n - 1, &[4, 1]), tape(n - 1, &[4, 1]));
            let start = || normal(&[4, 1], 9);
            let by_ddpm = ddpm(&two_modes(), &path, start(), Variance::Small, &mut |x| a.draw(x));
            let by_ddim = ddim(&two_modes(), &path, start(), 1.0, &mut |x| b.draw(x));
            assert!(max_diff(&by_ddpm, &by_ddim) < 1e-9);
        }
    }
}

#[test]
fn c6_sigma_hat_leaves_noise_just_before_the_end() {
    let schedule = &schedules()[0];
    // steps, then sigma-hat and sigma(eta = 1) at the first and at the second-last step
    let table = [
        (10, 0.9059, 0.9054, 0.32368, 0.01000),
        (20, 0.7795, 0.7794, 0.17307, 0.00998),
        (50, 0.5697, 0.5697, 0.07852, 0.00992),
        (100, 0.4251, 0.4251, 0.04576, 0.00977),
        (1000, 0.1414, 0.1414, 0.01095, 0.00738),
    ];
    for (n, large_first, small_first, large_last, small_last) in table {
        let path = schedule.path(Path::Uniform, n);
        let at = |i: usize| posterior(path[i], path[i + 1]);
        close(at(0).var_large.sqrt(), large_first, 5.1e-5);
        close(at(0).var_small.sqrt(), small_first, 5.1e-5);
        close(at(n - 2).var_large.sqrt(), large_last, 5.1e-6);
        close(at(n - 2).var_small.sqrt(), small_last, 5.1e-6);
    }
}

#[test]
fn c6_with_all_steps_the_variances_differ_only_at_the_end() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let ratio = |t: usize| {
        let q = posterior(schedule.level(t), schedule.level(t - 1));
        q.var_small / q.var_large
    };
    assert!((1..=15).all(|t| ratio(t) < 0.9) && (16..=1000).all(|t| ratio(t) > 0.9));
}

#[test]
fn c6_sigma_hat_has_the_same_mean_and_no_last_noise() {
    let schedule = &schedules()[0];
    let path = schedule.path(Path::Uniform, 10);
    let run = |variance| {
        let mut draws = 0;
        let mut silent = |x: &Tensor| {
            draws += 1;
            x.zeros_like()
        };
        let x = ddpm(&two_modes(), &path, normal(&[8, 1], 3), variance, &mut silent);
        (x, draws)
    };
    let ((small, _), (large, draws)) = (run(Variance::Small), run(Variance::Large));
    assert_eq!(small, large, "without noise the two variances are one sampler");
    assert_eq!(draws, 9);
}

#[test]
fn c8_a_strided_step_takes_the_coefficients_of_its_own_path() {
    // From tau_i = 901 to tau_{i-1} = 801. With the neighbour's alpha_bar_{t-1} in the formula, as
    // slides print it, the step arrives at the level of 900 and not of 801.
    let schedule = &schedules()[0];
    let (x0, eps, t) = (Tensor::from(0.7), Tensor::from(1.3), schedule.level(901));
    let prediction = Constant(eps.shallow_clone()).denoise(&q_sample(&x0, &eps, t), t);
    let arrived = |s: usize| ddim_step(&prediction, t, schedule.level(s), 0.0, || unreachable!());
    let due = q_sample(&x0, &eps, schedule.level(801));
    assert!(max_diff(&arrived(801), &due) < 1e-12);
    assert!(max_diff(&arrived(900), &due) > 0.01);
    assert!(schedule.level(801).snr() > 2.0 * schedule.level(900).snr());
}

#[test]
fn c7_eta_0_is_deterministic_and_draws_nothing() {
    let path = schedules()[0].path(Path::Uniform, 50);
    let run = |seed| {
        tch::manual_seed(seed);
        let mut tape = Tape::new(Vec::new());
        ddim(&two_modes(), &path, normal(&[16, 1], 4), 0.0, &mut |x| tape.draw(x))
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn c10_ddim_is_an_euler_step_of_the_ode() {
    // In x / alpha against sigma / alpha the slope is eps.
    let schedule = &schedules()[1];
    let x_t = normal(&[32, 1], 6);
    for (t, s) in [(990, 900), (500, 499), (10, 0)] {
        let (t, s) = (schedule.level(t), schedule.level(s));
        let prediction = two_modes().denoise(&x_t, t);
        let slope = s.sigma / s.alpha - t.sigma / t.alpha;
        let euler = s.alpha * (&x_t / t.alpha + slope * prediction.eps());
        let step = ddim_step(&prediction, t, s, 0.0, || unreachable!());
        assert!(max_diff(&step, &euler) < 1e-12);
    }
}

#[test]
fn c12_a_step_up_is_the_published_difference() {
    // x_{t+1} - x_t in alpha_bar, the noise taken at t
    let (schedule, data) = (&schedules()[0], two_modes());
    for t in [1, 400, 999] {
        let path = [t + 1, t].map(|t| schedule.level(t));
        let (up, here) = (schedule.alpha_bar(t + 1), schedule.alpha_bar(t));
        let x = normal(&[32, 1], 6);
        let eps = data.denoise(&x, path[1]);
        let scale = (1.0 / here).sqrt() - (1.0 / up).sqrt();
        let slope = (1.0 / up - 1.0).sqrt() - (1.0 / here - 1.0).sqrt();
        let expected = up.sqrt() * (scale * &x + slope * eps.eps());
        let found = ddim_invert(&data, &path, x.shallow_clone()) - x;
        assert!(max_diff(&found, &expected) < 1e-12, "t = {t}");
    }
}

#[test]
fn c13_ddim_converges_to_the_ode_at_first_order() {
    // For Gaussian data (x - alpha m) / sqrt(alpha^2 std^2 + sigma^2) is conserved by the ODE.
    let data = Gaussian { mean: 0.5, std: 0.3 };
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let (top, bottom) = (schedule.level(1000).log_snr(), schedule.level(1).log_snr());
    let error = |n: usize| {
        let path: Vec<Level> = (0..=n)
            .map(|i| schedule.at_log_snr(top + (bottom - top) * i as f64 / n as f64))
            .collect();
        let (first, last) = (path[0], path[n]);
        let spread = |at: Level| data.variance_at(at).sqrt();
        let x = normal(&[64, 1], 7);
        let exact = (&x - data.mean * first.alpha) * (spread(last) / spread(first))
            + data.mean * last.alpha;
        max_diff(&ddim(&data, &path, x, 0.0, &mut |_| unreachable!()), &exact)
    };
    let errors = [80, 160, 320].map(error);
    for pair in errors.windows(2) {
        close((pair[0] / pair[1]).log2(), 1.0, 0.15);
    }
}

#[test]
fn c14_the_record_is_the_whole_trajectory() {
    let path = schedules()[0].path(Path::Uniform, 20);
    let start = normal(&[4, 1], 8);
    let watched = two_modes().recorded();
    let out = ddim(&watched, &path, start.shallow_clone(), 0.0, &mut |_| unreachable!());
    let seen = watched.take();
    assert_eq!(seen.len(), 20, "one evaluation per step");
    assert_eq!(seen[0].x_t, start);
    assert!(seen.iter().zip(&path).all(|(seen, at)| seen.at == *at));
    assert!(max_diff(&seen[19].x0, &out) < 1e-12, "the last step is the last prediction");
    let plain = ddim(&two_modes(), &path, start, 0.0, &mut |_| unreachable!());
    assert_eq!(plain, out, "watching changes nothing");
    assert!(watched.take().is_empty());
}

#[test]
fn j18_samplers_recover_the_mixture() {
    let schedule = Schedule::cosine(1000, 0.008);
    let (weights, means, stds) = ([0.3, 0.7], [-1.0, 0.6f64], [0.15, 0.25f64]);
    let n = 4000;
    let mean: f64 = (0..2).map(|k| weights[k] * means[k]).sum();
    let second: f64 = (0..2).map(|k| weights[k] * (means[k].powi(2) + stds[k].powi(2))).sum();
    let start = || normal(&[n, 1], 11);
    let mut noise = Seeded::new(1, 0);
    for sampler in EVERY_SAMPLER {
        let sampling = Sampling { sampler, path: Path::Trailing, steps: 250, seed: 0 };
        let x = sampling.run(&two_modes(), &schedule, start(), &mut |x| noise.draw(x));
        let std = (second - mean * mean).sqrt();
        let found = x.mean(Kind::Double).double_value(&[]);
        assert!((found - mean).abs() < 5.0 * std / (n as f64).sqrt(), "{sampler}: mean {found}");
        let found = x.std(true).double_value(&[]);
        assert!((found - std).abs() < 0.03, "{sampler}: std {found}, not {std}");
        let left = x.lt(-0.35).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((left - 0.3).abs() < 0.035, "{sampler}: {left} in the left mode");
    }
}

#[test]
fn f2_the_mixture_s_score_is_the_gradient_of_its_log_density() {
    let means = normal(&[5, 3], 1);
    let data = Mixture::new(&[0.1, 0.2, 0.3, 0.3, 0.1], &means, &[0.1, 0.5, 0.3, 1.0, 0.2]);
    for t in [1, 100, 600, 1000] {
        let at = schedules()[0].level(t);
        let x = normal(&[40, 3], 2).set_requires_grad(true);
        let log_p = data.log_density(&x, at).sum(Kind::Double);
        let gradient = Tensor::run_backward(&[log_p], &[&x], false, false).remove(0);
        let score = tch::no_grad(|| data.denoise(&x, at).score(at));
        let gap: Tensor = ((&score - &gradient) / (1f64 + gradient.abs())).abs().max();
        assert!(gap.double_value(&[]) < 1e-9, "t = {t}: {gap:?}");
    }
}

#[test]
fn f3_scores_add_and_the_scale_counts_the_label() {
    // score(x | y) = score(x) + grad log p(y | x): the label's share is added once, at scale 1.
    let (data, at) = (two_modes(), schedules()[0].level(400));
    let labelled = Gaussian { mean: 0.6, std: 0.25 }; // the second component
    let x = normal(&[64, 1], 2).set_requires_grad(true);
    let log_p = data.responsibilities(&x, at).select(1, 1).log().sum(Kind::Double);
    let label = Tensor::run_backward(&[log_p], &[&x], false, false).remove(0);
    let x = x.detach();
    let (without, with) = (data.denoise(&x, at).score(at), labelled.denoise(&x, at).score(at));
    let guided = |scale: f64| &without + scale * &label;
    assert!(max_diff(&guided(1.0), &with) < 1e-9, "at 1 nothing but the condition is left");
    assert_eq!(guided(0.0), without, "at 0 there is no condition");
    let free = |scale: f64| &without + scale * (&with - &without);
    assert!(max_diff(&guided(3.0), &free(3.0)) < 1e-9, "with or without a classifier");
    assert!(max_diff(&guided(3.0), &with) > 0.1, "beyond 1 it is neither");
}

#[test]
fn a_mixture_of_one_is_the_gaussian_and_its_doubt_is_the_variance() {
    let at = schedules()[1].level(400);
    let x = normal(&[30, 1], 3);
    let one = Mixture::new(&[2.0], &Tensor::full([1, 1], 0.5, F64), &[0.3]);
    let gaussian = Gaussian { mean: 0.5, std: 0.3 };
    assert!(max_diff(one.denoise(&x, at).x0(), gaussian.denoise(&x, at).x0()) < 1e-12);
    relative(one.x0_variance(&x, at).double_value(&[0]), gaussian.x0_variance(at), 1e-12);
    // Tweedie's second identity: Var[x0 | x] = (sigma / alpha)^2 (1 + sigma^2 d score / dx)
    let data = two_modes();
    let score = |x: &Tensor| data.denoise(x, at).score(at);
    let h = 1e-5;
    let slope = (score(&(&x + h)) - score(&(&x - h))) / (2.0 * h);
    let tweedie: Tensor = (at.sigma / at.alpha).powi(2) * (1f64 + at.sigma.powi(2) * slope);
    assert!(max_diff(&data.x0_variance(&x, at), &tweedie.view([-1])) < 1e-8);
}
