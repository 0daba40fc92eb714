//! A1-A11, C8: schedules, levels, paths and the forward process.

use crate::support::{F64, close, grid, normal, relative};
use from_noise::denoiser::Mixture;
use from_noise::forward::{posterior, q_sample, q_step, renoise, transition};
use from_noise::loss::l_T;
use from_noise::schedule::{Level, Path, Schedule, ScheduleConfig};
use tch::{Kind, Tensor};

fn all_kinds() -> Vec<(&'static str, Schedule)> {
    vec![
        ("linear", Schedule::linear(1000, 1e-4, 0.02)),
        ("cosine", Schedule::cosine(1000, 0.008)),
        ("quadratic", Schedule::quadratic(1000, 1e-4, 0.02)),
        ("latent diffusion", Schedule::quadratic(1000, 8.5e-4, 0.012)),
        ("sigmoid beta", Schedule::sigmoid_beta(1000, 1e-4, 0.02, -6.0, 6.0)),
        ("sigmoid alpha_bar", Schedule::sigmoid_alpha_bar(1000, -3.0, 3.0, 1.0)),
    ]
}

#[test]
fn a1_the_chain_composes_to_the_closed_form() {
    for (name, schedule) in all_kinds() {
        let (mut scale, mut var) = (1.0, 0.0);
        for t in 1..=1000 {
            let beta = schedule.beta(t);
            scale *= (1.0 - beta).sqrt();
            var += beta - beta * var; // v <- (1 - beta) v + beta
            let at = schedule.level(t);
            assert!((scale - at.alpha).abs() < 1e-12, "{name}: mean at t = {t}");
            assert!((var - at.sigma.powi(2)).abs() < 1e-12, "{name}: variance at t = {t}");
        }
    }
}

#[test]
fn a1_a_sampled_chain_has_the_closed_form_s_moments() {
    let (schedule, n) = (Schedule::ddpm(100), 100_000);
    let mut x = Tensor::full([n], 0.8, F64);
    tch::manual_seed(1);
    for t in 1..=100 {
        x = q_step(&x, &x.randn_like(), schedule.beta(t));
        if t == 40 || t == 100 {
            let (at, n) = (schedule.level(t), n as f64);
            let mean = x.mean(Kind::Double).double_value(&[]);
            let var = x.var(true).double_value(&[]);
            close(mean, 0.8 * at.alpha, 4.0 * at.sigma / n.sqrt());
            close(var, at.sigma.powi(2), 4.0 * at.sigma.powi(2) * (2.0 / n).sqrt());
        }
    }
}

#[test]
fn a1_without_shrinking_the_signal_stays() {
    // x + sqrt(beta) eps, again and again: the signal keeps its size, the variances add up.
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let noise: f64 = (1..=1000).map(|t| schedule.beta(t)).sum();
    relative(noise, 10.05, 1e-9);
    assert!(1.0 / noise > 2000.0 * schedule.level(1000).snr(), "SNR 0.1, not 0.00004");
}

#[test]
fn a2_a_batch_of_mixed_t_equals_one_t_at_a_time() {
    let schedule = Schedule::cosine(1000, 0.008);
    let (x0, eps) = (normal(&[5, 2, 3], 2), normal(&[5, 2, 3], 3));
    let t = [1i64, 1000, 17, 500, 999];
    let at = Level::of_batch(&schedule.levels(&Tensor::from_slice(&t)), &x0);
    assert_eq!(at.alpha.size(), [5, 1, 1]);
    let together = q_sample(&x0, &eps, at);
    for (i, t) in (0..).zip(t) {
        let alone = q_sample(&x0.get(i), &eps.get(i), schedule.level(t as usize));
        assert_eq!(together.get(i), alone, "sample {i} must not depend on its batch");
    }
}

#[test]
fn a3_linear() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    relative(schedule.alpha_bar(1), 0.9999, 1e-12);
    relative(schedule.alpha_bar(500), 0.07858724, 1e-6);
    relative(schedule.alpha_bar(1000), 4.035830e-5, 1e-6);
    assert_eq!(Schedule::ddpm(1000), schedule);
    relative(Schedule::ddpm(4000).alpha_bar(4000), 4.246652e-5, 1e-6);
    relative(Schedule::ddpm(100).alpha_bar(100), 2.039009e-5, 1e-6);
    assert_eq!(schedule.alpha_bar(0), 1.0);
    close(schedule.beta(1), 1e-4, 1e-15);
    close(schedule.beta(1000), 0.02, 1e-15);
}

#[test]
fn a4_cosine() {
    let schedule = Schedule::cosine(1000, 0.008);
    relative(schedule.beta(1), 4.128422e-5, 1e-6);
    relative(schedule.alpha_bar(500), 0.49384359, 1e-7);
    relative(schedule.alpha_bar(1000), 2.428767e-9, 1e-6);
    let clipped = (1..=1000).filter(|&t| schedule.beta(t) > 0.998_999).count();
    assert_eq!(clipped, 1, "only the last beta reaches the clip at 0.999");
    assert!((1..=1000).all(|t| schedule.beta(t) > 4e-5), "no beta may vanish");
    let f = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for t in 1..1000 {
        close(schedule.alpha_bar(t), f(t as f64 / 1000.0) / f(0.0), 1e-12);
    }
    let long = Schedule::cosine(4000, 0.008);
    relative(long.alpha_bar(4000), 1.517980e-10, 1e-6);
    relative(long.alpha_bar(2000), 0.49384359, 1e-7);
}

#[test]
fn a5_quadratic() {
    let schedule = Schedule::quadratic(1000, 1e-4, 0.02);
    relative(schedule.alpha_bar(500), 0.33318777, 1e-7);
    relative(schedule.alpha_bar(1000), 7.334125e-4, 1e-6);
    relative(Schedule::quadratic(1000, 8.5e-4, 0.012).alpha_bar(1000), 4.660099e-3, 1e-6);
}

#[test]
fn a6_the_two_sigmoids_are_different_schedules() {
    let beta = Schedule::sigmoid_beta(1000, 1e-4, 0.02, -6.0, 6.0);
    relative(beta.alpha_bar(500), 0.30193106, 1e-7);
    relative(beta.alpha_bar(1000), 3.968182e-5, 1e-6);
    let bar = Schedule::sigmoid_alpha_bar(1000, -3.0, 3.0, 1.0);
    close(bar.alpha_bar(500), 0.5, 1e-12);
    relative(bar.alpha_bar(1000), 3.002792e-7, 1e-6);
}

#[test]
fn a7_jsd_and_constant() {
    let jsd = Schedule::jsd(1000);
    for t in 0..1000 {
        close(jsd.alpha_bar(t), (1000 - t) as f64 / 1000.0, 1e-12);
    }
    assert_eq!(jsd.alpha_bar(1000), 0.0, "beta_T = 1 removes the last of the signal");
    assert_eq!(jsd.level(1000).sigma, 1.0);
    close(Schedule::constant(10, 0.1).alpha_bar(10), 0.9f64.powi(10), 1e-15);
}

#[test]
fn a8_what_is_left_at_the_end() {
    let one = Tensor::ones([1, 1], F64);
    let bits = |schedule: Schedule| {
        l_T(schedule.level(schedule.steps()), &one).double_value(&[0]) / 2f64.ln()
    };
    let expected = [2.911e-5, 1.752e-9, 5.292e-4, 3.369e-3, 2.862e-5];
    for ((name, schedule), expected) in all_kinds().into_iter().zip(expected) {
        println!("{name}");
        relative(bits(schedule), expected, 5e-4);
    }
    relative(bits(Schedule::ddpm(4000)), 3.063e-5, 5e-4);
}

#[test]
fn a8_noise_raises_the_entropy() {
    // the two modes, scaled to unit variance, by an integral on a grid
    let (std, mean) = (0.5881_f64.sqrt(), 0.12);
    let means = (Tensor::from_slice(&[-1.0, 0.6]) - mean) / std;
    let data = Mixture::new(&[0.3, 0.7], &means.view([2, 1]), &[0.15 / std, 0.25 / std]);
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let (x, dx) = grid(8.0, 20_001);
    let entropy = |t: usize| {
        let log_p = data.log_density(&x, schedule.level(t));
        -(log_p.exp() * log_p).sum(Kind::Double).double_value(&[]) * dx
    };
    let found = [0, 1, 50, 100, 200, 400, 700, 1000].map(entropy);
    assert!(found.windows(2).all(|pair| pair[1] > pair[0]), "{found:?}");
    // the most that unit variance allows: N(0, 1)'s
    close(found[7], 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln(), 1e-6);
}

#[test]
fn a11_zero_terminal_snr() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let rescaled = schedule.zero_terminal_snr();
    assert_eq!(rescaled.level(1000).alpha, 0.0);
    assert_eq!(rescaled.level(1).alpha, schedule.level(1).alpha);
    assert_eq!(rescaled.alpha_bar(0), 1.0);
    assert!((1..=1000).all(|t| rescaled.alpha_bar(t) < rescaled.alpha_bar(t - 1)));
}

#[test]
fn snr_falls_strictly_and_levels_between_rungs_invert() {
    for (name, schedule) in all_kinds() {
        for t in 1..1000 {
            let (here, next) = (schedule.level(t), schedule.level(t + 1));
            assert!(next.snr() < here.snr(), "{name}: SNR must fall at t = {t}");
            close(here.log_snr(), here.snr().ln(), 1e-9);
        }
        for t in [0.25, 1.0, 1.5, 333.3, 999.0, 999.75, 1000.0] {
            let at = schedule.at(t);
            let back = schedule.at_log_snr(at.log_snr());
            relative(schedule.t_of(back), t, 1e-9);
            close(back.alpha, at.alpha, 1e-12);
            close(back.sigma, at.sigma, 1e-12);
        }
        assert_eq!(schedule.at(500.0), schedule.level(500));
        let (a, b) = (schedule.alpha_bar(499), schedule.alpha_bar(500));
        relative(schedule.at(499.5).alpha.powi(2), (a * b).sqrt(), 1e-12);
    }
}

#[test]
fn beta_tilde_constants() {
    let second = |s: &Schedule| posterior(s.level(2), s.level(1)).var_small;
    let expected = [5.453188e-5, 2.178950e-5, 5.065600e-5, f64::NAN, 7.475618e-5, 1.505923e-4];
    for ((name, schedule), expected) in all_kinds().into_iter().zip(expected) {
        if expected.is_finite() {
            println!("{name}");
            relative(second(&schedule), expected, 1e-6);
        }
    }
}

fn times(path: Path, n: usize) -> Vec<f64> {
    let schedule = Schedule::ddpm(1000);
    let levels = schedule.path(path, n);
    let (clean, noisy) = levels.split_last().unwrap();
    assert_eq!((schedule.t_of(*clean), *clean), (0.0, Level::CLEAN));
    noisy.iter().rev().map(|level| schedule.t_of(*level)).collect()
}

#[test]
fn c8_paths_visit_the_published_rungs() {
    let hundreds = |offset: f64| (0..10).map(|i| 100.0 * i as f64 + offset).collect::<Vec<_>>();
    assert_eq!(times(Path::Uniform, 10), hundreds(1.0));
    assert_eq!(times(Path::Trailing, 10), hundreds(100.0));
    let quadratic = [1.0, 10.0, 40.0, 89.0, 159.0, 247.0, 356.0, 484.0, 633.0, 801.0];
    assert_eq!(times(Path::Quadratic, 10), quadratic);
    let linspace: Vec<f64> = (0..10).map(|i| 111.0 * i as f64 + 1.0).collect();
    assert_eq!(times(Path::Linspace, 10), linspace);
    for n in [7, 13, 300, 333, 999, 1000] {
        for path in [Path::Uniform, Path::Linspace, Path::Trailing] {
            assert_eq!(times(path, n).len(), n, "{path:?} must take exactly {n} steps");
        }
    }
    // 1000 / 16 = 62.5: halves round to even, 62 and 188 (numpy's 187.5), not 63.
    assert_eq!(times(Path::Trailing, 16)[..3], [62.0, 125.0, 188.0]);
    assert_eq!(times(Path::Trailing, 1), [1000.0]);
    assert_eq!(times(Path::Trailing, 1000), times(Path::Uniform, 1000));
}

#[test]
fn every_path_falls_strictly_inside_the_schedule() {
    for path in [Path::Uniform, Path::Quadratic, Path::Linspace, Path::Trailing] {
        for n in (1..200).chain([250, 500, 777, 1000]) {
            let t = times(path, n);
            assert!(t.windows(2).all(|w| w[0] < w[1]), "{path:?} with {n} steps");
            assert!(t[0] >= 1.0 && t[t.len() - 1] <= 1000.0);
        }
    }
}

#[test]
#[should_panic(expected = "1001 steps do not fit a schedule of 1000")]
fn a_path_longer_than_the_schedule_is_refused() {
    Schedule::ddpm(1000).path(Path::Uniform, 1001);
}

#[test]
fn renoise_carries_one_marginal_to_the_next() {
    let schedule = Schedule::cosine(1000, 0.008);
    let (one, zero) = (Tensor::ones([1], F64), Tensor::zeros([1], F64));
    let number = |x: Tensor| x.double_value(&[0]);
    for (s, t) in [(10, 20), (100, 700), (1, 999), (0, 5), (499, 500)] {
        let (s, t) = (schedule.level(s), schedule.level(t));
        close(number(renoise(&q_sample(&one, &zero, s), &zero, t, s)), t.alpha, 1e-14);
        let old = number(renoise(&q_sample(&zero, &one, s), &zero, t, s));
        let new = number(renoise(&zero, &one, t, s));
        close(old * old + new * new, t.sigma.powi(2), 1e-14);
    }
    let step = transition(schedule.level(500), schedule.level(499));
    close(step.var, schedule.beta(500), 1e-15);
    let x = q_step(&one, &one, schedule.beta(500));
    close(number(x), number(renoise(&one, &one, schedule.level(500), schedule.level(499))), 1e-14);
}

#[test]
fn a_schedule_survives_its_configuration_file() {
    let config = ScheduleConfig::Cosine { steps: 50, s: 0.008 };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(text, r#"{"kind":"cosine","steps":50,"s":0.008}"#);
    let back: ScheduleConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(back.build(), Schedule::cosine(50, 0.008));
    assert!(serde_json::from_str::<ScheduleConfig>(r#"{"kind":"cosine","steps":50}"#).is_err());
    assert_eq!(ScheduleConfig::default().build(), Schedule::ddpm(1000));
}
