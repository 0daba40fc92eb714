//! J1-J5: the fast solvers on exact denoisers, EDM's preconditioning, paths between the timesteps.

use crate::support::{
    Constant, EVERY_SAMPLER, F64, close, max_diff, normal, relative, truth, two_modes,
};
use from_noise::denoiser::{Denoised, Denoiser, Gaussian, Mixture, Preconditioning, Target};
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::{DenoiserExt, Snapshot};
use from_noise::loss::Weighting;
use from_noise::noise::{Tape, quadrature};
use from_noise::sample::{
    Churn, Prediction, ddim, ddpm, dpm_solver, dpm_solver_2, dpm_solver_3, dpm_solver_sde, edm,
    heun, unipc,
};
use from_noise::schedule::{Level, Path, Schedule, karras};
use tch::{Kind, Tensor};

fn linear() -> Schedule {
    Schedule::linear(1000, 1e-4, 0.02)
}

/// The variance-preserving level of a log-SNR, without any schedule.
fn at_log_snr(log_snr: f64) -> Level {
    Level::variance_preserving(-(-log_snr).exp().ln_1p())
}

fn tape(draws: usize, shape: &[i64]) -> Tape {
    Tape::new((0..draws as u64).map(|i| normal(shape, 300 + i)).collect())
}

const HIGHER_ORDER: [Sampler; 6] = [
    Sampler::Heun,
    Sampler::DpmSolver2,
    Sampler::DpmSolver3,
    Sampler::DpmSolver2M,
    Sampler::DpmSolverPlusPlus2M,
    Sampler::UniPc,
];

const STILL: Churn = Churn { s_churn: 0.0, s_min: 0.0, s_max: f64::INFINITY, s_noise: 1.0 };

/// From 41 points of `[-2, 2]` on the two modes, steps equal in log SNR: the orders of the error,
/// from each number of steps to the next, its double.
fn orders_of(
    counts: [usize; 3],
    sampler: &dyn Fn(&Mixture, &[Level], Tensor) -> Tensor,
) -> [f64; 2] {
    let (data, schedule) = (two_modes(), linear());
    let (top, bottom) = (schedule.level(1000).log_snr(), schedule.level(1).log_snr());
    let run = |n: usize, sampler: &dyn Fn(&Mixture, &[Level], Tensor) -> Tensor| {
        let timestep = |i: usize| at_log_snr(top + (bottom - top) * i as f64 / n as f64);
        let path: Vec<Level> = (0..=n).map(timestep).collect();
        sampler(&data, &path, Tensor::linspace(-2.0, 2.0, 41, F64).view([41, 1]))
    };
    let truth = run(3000, &|data, path, x| dpm_solver_3(data, path, x));
    let rms = |n| (run(n, sampler) - &truth).square().mean(Kind::Double).sqrt().double_value(&[]);
    let errors = counts.map(rms);
    [(errors[0] / errors[1]).log2(), (errors[1] / errors[2]).log2()]
}

#[test]
fn j2_j3_the_solvers_converge_at_their_orders() {
    let silent = |_: &Tensor| -> Tensor { panic!("these draw no noise") };
    let many = [160, 320, 640];
    for (name, order, found) in [
        ("DDIM", 1.0, orders_of(many, &|m, path, x| ddim(m, path, x, 0.0, &mut |z| silent(z)))),
        ("Heun", 2.0, orders_of(many, &|m, path, x| heun(m, path, x))),
        ("DPM-Solver-2", 2.0, orders_of(many, &|m, path, x| dpm_solver_2(m, path, x))),
        ("DPM-Solver-3", 3.0, orders_of(many, &|m, path, x| dpm_solver_3(m, path, x))),
        (
            "DPM-Solver(2M)",
            2.0,
            orders_of(many, &|m, path, x| dpm_solver(m, path, x, Prediction::Noise)),
        ),
        (
            "DPM-Solver++(2M)",
            2.0,
            orders_of(many, &|m, path, x| dpm_solver(m, path, x, Prediction::Data)),
        ),
        ("UniPC", 3.0, orders_of(many, &|m, path, x| unipc(m, path, x))),
    ] {
        let near = found.iter().all(|found| (found - order).abs() < 0.15);
        assert!(near, "{name}: orders {found:?}, not {order}");
    }
}

#[test]
fn j3_second_order_beats_ddim_at_equal_evaluations() {
    let (schedule, data) = (linear(), two_modes());
    let start = || Tensor::linspace(-2.0, 2.0, 41, F64).view([41, 1]);
    let draw = |sampler: Sampler, steps| {
        let sampling = Sampling { sampler, path: Path::LogSnr, steps, seed: 0 };
        sampling.run(&data, &schedule, start(), &mut |_| panic!("no noise"))
    };
    let truth = draw(Sampler::DpmSolver3, 900);
    let rms = |sampler: Sampler, nfe| {
        let x0 = draw(sampler, sampler.steps_within(nfe).unwrap());
        (x0 - &truth).square().mean(Kind::Double).sqrt().double_value(&[])
    };
    for nfe in [40, 80] {
        let first = rms(Sampler::Ddim(0.0), nfe);
        for sampler in HIGHER_ORDER {
            let second = rms(sampler, nfe);
            assert!(second < first, "{sampler} at {nfe}: {second:e}, DDIM {first:e}");
        }
    }
}

#[test]
fn j3_first_steps_are_ddim_s_and_evaluations_are_counted() {
    let path = linear().path(Path::Trailing, 20);
    let start = normal(&[8, 1], 3);
    for slow in [Prediction::Noise, Prediction::Data] {
        let model = two_modes().recorded();
        let _ = dpm_solver(&model, &path, start.shallow_clone(), slow);
        let seen = model.take();
        assert_eq!(seen.len(), 20);
        let one = ddim(&two_modes(), &path[..2], start.shallow_clone(), 0.0, &mut |_| panic!());
        assert!(max_diff(&seen[1].x_t, &one) < 1e-12);
    }
    for sampler in EVERY_SAMPLER {
        for steps in [1, 2, 7] {
            let model = two_modes().recorded();
            let sampling = Sampling { sampler, path: Path::Karras, steps, seed: 0 };
            let _ = sampling.run(&model, &linear(), start.shallow_clone(), &mut |x| x.zeros_like());
            assert_eq!(model.take().len(), sampler.evaluations(steps), "{sampler}, {steps} steps");
            let within = sampler.steps_within(sampler.evaluations(steps));
            assert_eq!(within, Some(steps), "{sampler}");
        }
    }
    assert_eq!(Sampler::DpmSolver3.steps_within(9), Some(3), "10 evaluations would be too many");
}

/// A noise that depends on the level alone: `a + b lambda`, the same for every sample.
#[derive(Debug)]
struct Drifting {
    a: f64,
    b: f64,
}

impl Denoiser for Drifting {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let eps = self.a + self.b * at.log_snr() / 2.0;
        Denoised::from_eps(x_t, at, x_t.full_like(eps))
    }
}

#[test]
fn j3_a_linear_noise_is_integrated_exactly() {
    // d(x / alpha) = eps d(sigma / alpha): with eps = a + b lambda and sigma / alpha = e^-lambda
    // the integral is known, [(a + b lambda + b) e^-lambda] at the end less the same at the start.
    let model = Drifting { a: 0.3, b: 0.7 };
    let (t, s) = (linear().level(600), linear().level(200));
    let x_t = normal(&[5, 1], 12);
    let area = |at: Level| {
        let lambda = at.log_snr() / 2.0;
        (model.a + model.b * lambda + model.b) * (-lambda).exp()
    };
    let exact = s.alpha * (&x_t / t.alpha + area(s) - area(t));
    let third = dpm_solver_3(&model, &[t, s], x_t.shallow_clone());
    assert!(max_diff(&third, &exact) < 1e-12);
    let second = dpm_solver_2(&model, &[t, s], x_t.shallow_clone());
    assert!(max_diff(&second, &exact) > 1e-3, "the midpoint is not the centre of mass");
    // and a step so small that the centre of mass is computed from its series
    let near = at_log_snr(t.log_snr() + 1e-5);
    let exact = near.alpha * (&x_t / t.alpha + area(near) - area(t));
    let tiny = dpm_solver_3(&model, &[t, near], x_t);
    assert!(max_diff(&tiny, &exact) < 1e-14);
}

#[test]
fn j3_third_order_is_algorithm_2_of_its_paper() {
    // Lu et al. 2022, Algorithm 2, as printed: r1 = 1/3, r2 = 2/3.
    let (t, s) = (linear().level(700), linear().level(300));
    let x = normal(&[6, 1], 31);
    let lambda = |at: Level| at.log_snr() / 2.0;
    let h = lambda(s) - lambda(t);
    let (r1, r2) = (1.0 / 3.0, 2.0 / 3.0);
    let [a, b] = [r1, r2].map(|r| at_log_snr(2.0 * (lambda(t) + r * h)));
    let eps = |x: &Tensor, at: Level| two_modes().denoise(x, at).eps().shallow_clone();
    let here = eps(&x, t);
    let u1 = a.alpha / t.alpha * &x - a.sigma * (r1 * h).exp_m1() * &here;
    let d1 = eps(&u1, a) - &here;
    let u2 = b.alpha / t.alpha * &x
        - b.sigma * (r2 * h).exp_m1() * &here
        - b.sigma * r2 / r1 * ((r2 * h).exp_m1() / (r2 * h) - 1.0) * d1;
    let d2 = eps(&u2, b) - &here;
    let end = s.alpha / t.alpha * &x
        - s.sigma * h.exp_m1() * here
        - s.sigma / r2 * (h.exp_m1() / h - 1.0) * d2;
    let ours = dpm_solver_3(&two_modes(), &[t, s], x);
    assert!(max_diff(&ours, &end) < 1e-12);
}

#[test]
fn j3_the_stochastic_solver_starts_as_ddpm() {
    let path = linear().path(Path::Trailing, 10);
    let start = || normal(&[6, 1], 2);
    let (mut a, mut b) = (tape(1, &[6, 1]), tape(1, &[6, 1]));
    let sde = dpm_solver_sde(&two_modes(), &path[..2], start(), &mut |x| a.draw(x));
    let ancestral = ddpm(&two_modes(), &path[..2], start(), Variance::Small, &mut |x| b.draw(x));
    assert!(max_diff(&sde, &ancestral) < 1e-12);
    // where the prediction never changes, so at every step
    let sure = Gaussian { mean: 0.4, std: 0.0 };
    let (mut a, mut b) = (tape(9, &[6, 1]), tape(9, &[6, 1]));
    let sde = dpm_solver_sde(&sure, &path[..10], start(), &mut |x| a.draw(x));
    let ancestral = ddpm(&sure, &path[..10], start(), Variance::Small, &mut |x| b.draw(x));
    assert!(max_diff(&sde, &ancestral) < 1e-12);
}

#[test]
fn j5_ancestral_euler_is_ddim_with_eta_1() {
    // The published form, in y = x / alpha and sigma' = sigma / alpha: Euler down to sigma_down,
    // noise up to sigma_to.
    let path = linear().path(Path::Uniform, 12);
    let (mut a, mut b) = (tape(11, &[7, 1]), tape(11, &[7, 1]));
    let start = normal(&[7, 1], 5);
    let ours = ddim(&two_modes(), &path, start.shallow_clone(), 1.0, &mut |x| a.draw(x));
    let mut y = start / path[0].alpha;
    for step in path.windows(2) {
        let [from, to] = [step[0], step[1]].map(|at| at.sigma / at.alpha);
        let up = (to * to * (from * from - to * to) / (from * from)).sqrt();
        let down = (to * to - up * up).sqrt();
        relative(up * up + down * down, to * to, 1e-12);
        let eps = two_modes().denoise(&(step[0].alpha * &y), step[0]).eps().shallow_clone();
        y = &y + (down - from) * eps;
        if to > 0.0 {
            y += up * b.draw(&y);
        }
    }
    assert!(max_diff(&ours, &y) < 1e-10);
}

#[test]
fn j1_edm_without_churn_is_heun_and_draws_nothing() {
    let path = linear().path(Path::Karras, 9);
    let start = || normal(&[6, 1], 4);
    let still = edm(&two_modes(), &path, start(), STILL, &mut |_| panic!("no noise"));
    assert_eq!(still, heun(&two_modes(), &path, start()));
}

#[test]
fn j1_edm_is_algorithm_2_in_its_own_coordinates() {
    edm_is_algorithm_2(3.0);
    edm_is_algorithm_2(8.0); // more than a step may add: sqrt 2 - 1 of its noise
}

fn edm_is_algorithm_2(amount: f64) {
    // Karras et al. 2022, Algorithm 2, for D(y; sigma) of the mixture, y = x / alpha.
    let churn = Churn { s_churn: amount, s_min: 0.1, s_max: 20.0, s_noise: 1.007 };
    let steps = 12;
    let path = linear().path(Path::Karras, steps);
    let start = normal(&[6, 1], 8);
    let (mut a, mut b) = (tape(steps, &[6, 1]), tape(steps, &[6, 1]));
    let ours = edm(&two_modes(), &path, start.shallow_clone(), churn, &mut |x| a.draw(x));
    let sigmas: Vec<f64> = path.iter().map(|at| at.sigma / at.alpha).collect();
    let slope = |y: &Tensor, sigma: f64| {
        let at = Level::variance_exploding(sigma);
        (y - two_modes().denoise(y, at).x0()) / sigma
    };
    let mut y = start / path[0].alpha;
    for step in sigmas.windows(2) {
        let (mut from, to) = (step[0], step[1]);
        if (0.1..=20.0).contains(&from) {
            let raised = from * (1.0 + (amount / steps as f64).min(2f64.sqrt() - 1.0));
            y += (raised * raised - from * from).sqrt() * 1.007 * b.draw(&y);
            from = raised;
        }
        let d = slope(&y, from);
        let euler = &y + (to - from) * &d;
        y = if to == 0.0 { euler } else { y + (to - from) * 0.5 * (d + slope(&euler, to)) };
    }
    assert_eq!(a.played(), b.played());
    assert!((1..steps).contains(&a.played()), "some steps churn, some do not");
    assert!(max_diff(&ours, &y) < 1e-9);
}

#[test]
fn j1_edm_climbs_no_higher_than_the_schedule() {
    let churn = Churn { s_churn: 50.0, s_min: 0.0, s_max: f64::INFINITY, s_noise: 1.0 };
    let sampling = Sampling { sampler: Sampler::Edm(churn), path: Path::Karras, steps: 9, seed: 0 };
    let (schedule, top) = (linear(), linear().level(1000).sigma);
    let seen = std::cell::RefCell::new(Vec::new());
    let model = two_modes().with_callback(|now: &Snapshot| seen.borrow_mut().push(now.at.sigma));
    let x = sampling.run(&model, &schedule, normal(&[6, 1], 3), &mut |x| x.randn_like());
    assert!(x.isfinite().all().int64_value(&[]) == 1);
    let highest = seen.borrow().iter().copied().fold(0.0, f64::max);
    close(highest, top, 1e-9);
}

#[test]
fn j1_preconditioning_has_the_published_numbers() {
    let c = Preconditioning::at(Level::variance_exploding(0.5), 0.5);
    close(c.skip, 0.5, 1e-15);
    close(c.out, 0.353553, 5e-7);
    relative(c.input, 2f64.sqrt(), 1e-15);
    close(1.0 / c.out.powi(2), 8.0, 1e-12); // the paper's weight on the error of x0
    // min-SNR weights count errors of x0: without a bound theirs is that weight
    for at in [Level::variance_exploding(0.5), linear().level(300)] {
        let weight = Weighting::MinSnr(f64::INFINITY).at(at, Target::Edm { sigma_data: 0.5 });
        relative(weight, at.snr() * Preconditioning::at(at, 0.5).out.powi(2), 1e-12);
    }
}

#[test]
fn j1_input_and_target_of_edm_have_unit_variance() {
    let (std, target) = (0.5, Target::Edm { sigma_data: 0.5 });
    let levels = [
        Level::variance_exploding(0.02),
        Level::variance_exploding(3.0),
        linear().level(10),
        linear().level(700),
    ];
    for at in levels {
        let (x0, eps, weight) = quadrature();
        let x0 = std * x0;
        let mean = |x: Tensor| (x.view([9]) * &weight).sum(Kind::Double).double_value(&[]);
        let truth = truth(target, &x0, &eps, at);
        let x_t = q_sample(&x0, &eps, at);
        close(mean((target.input(at) * &x_t).square()), 1.0, 1e-12);
        close(mean(truth.square()), 1.0, 1e-12);
        // reading the truth back gives the truth, in both views
        let prediction = target.denoised(&x_t, &at.into(), truth);
        assert!(max_diff(prediction.x0(), &x0) < 1e-12 && max_diff(prediction.eps(), &eps) < 1e-12);
    }
}

#[test]
fn j1_edm_with_unit_data_is_minus_v() {
    let at = linear().level(400);
    let (x_t, out) = (normal(&[6, 1], 1), normal(&[6, 1], 2));
    let edm = Target::Edm { sigma_data: 1.0 };
    relative(edm.input(at), 1.0, 1e-12);
    let (a, b) = (edm.denoised(&x_t, &at.into(), -&out), Target::V.denoised(&x_t, &at.into(), out));
    assert!(max_diff(a.x0(), b.x0()) < 1e-12 && max_diff(a.eps(), b.eps()) < 1e-12);
}

#[test]
fn j1_karras_sigmas_are_the_published_ones() {
    let published = [
        80.0, 57.586, 40.7856, 28.3746, 19.3525, 12.9101, 8.4009, 5.3152, 3.2568, 1.9233, 1.0882,
        0.5853, 0.2964, 0.1395, 0.0599, 0.0229, 0.0075, 0.002,
    ];
    let ours: Vec<f64> = karras(18, 0.002, 80.0).collect();
    assert_eq!(ours.len(), 18);
    for (ours, published) in ours.iter().zip(published) {
        close(*ours, published, 5.1e-5f64.max(6e-5 * published));
    }
    assert_eq!(Sampler::Heun.evaluations(18), 35);
}

#[test]
fn paths_between_the_rungs_end_on_them() {
    for schedule in [linear(), Schedule::cosine(1000, 0.008)] {
        for path in [Path::LogSnr, Path::Karras] {
            for n in [2, 5, 30] {
                let levels = schedule.path(path, n);
                assert_eq!(levels.len(), n + 1);
                relative(schedule.t_of(levels[0]), schedule.steps() as f64, 1e-9);
                close(schedule.t_of(levels[n - 1]), 1.0, 1e-6);
                assert!(levels[n].is_clean());
                let t: Vec<f64> = levels.iter().map(|at| schedule.t_of(*at)).collect();
                assert!(t.windows(2).all(|w| w[1] < w[0]), "{path:?}, {n}: {t:?}");
            }
        }
        let levels = schedule.path(Path::LogSnr, 6);
        let gaps: Vec<f64> =
            levels[..6].windows(2).map(|w| w[1].log_snr() - w[0].log_snr()).collect();
        assert!(gaps.iter().all(|gap| (gap / gaps[0] - 1.0).abs() < 1e-9), "{gaps:?}");
        assert_eq!(schedule.path(Path::Karras, 1).len(), 2);
    }
}

#[test]
fn samplers_stand_in_files_by_name() {
    let churn = Churn { s_churn: 30.0, s_min: 0.01, s_max: 1.0, s_noise: 1.007 };
    for (sampler, text) in [
        (Sampler::Ddim(0.5), r#"{"ddim":0.5}"#),
        (Sampler::Ddpm(Variance::Large), r#"{"ddpm":"large"}"#),
        (Sampler::DpmSolverPlusPlus2M, r#""dpm-solver++2m""#),
        (
            Sampler::Edm(churn),
            r#"{"edm":{"s_churn":30.0,"s_min":0.01,"s_max":1.0,"s_noise":1.007}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&sampler).unwrap(), text);
        assert_eq!(serde_json::from_str::<Sampler>(text).unwrap(), sampler);
    }
    // files written before these were called as in the paper are still read
    let old = r#"{"edm":{"amount":30.0,"above":0.01,"below":1.0,"scale":1.007}}"#;
    assert_eq!(serde_json::from_str::<Sampler>(old).unwrap(), Sampler::Edm(churn));
    // tables and drawn parts are told apart by name
    let usual = Churn::DEFAULT;
    let names = [
        usual,
        Churn { s_churn: 6.0, ..usual },
        Churn { s_min: 0.0, ..usual },
        Churn { s_max: f64::INFINITY, ..usual },
        Churn { s_noise: 1.007, ..usual },
    ]
    .map(|churn| Sampler::Edm(churn).to_string());
    assert_eq!(names[0], "EDM churn 5");
    assert_eq!(names[3], "EDM churn 5 from 0.05 to inf by 1");
    assert!((1..5).all(|i| !names[..i].contains(&names[i])), "{names:?}");
}

#[test]
fn predicting_one_noise_every_solver_is_exact() {
    // The noise does not change, so nothing is left to be guessed: x_s follows in one step.
    let (schedule, eps) = (linear(), normal(&[4, 2], 1));
    let x0 = normal(&[4, 2], 2);
    let x_t = q_sample(&x0, &eps, schedule.level(1000));
    for sampler in HIGHER_ORDER.into_iter().chain([Sampler::Ddim(0.0)]) {
        let sampling = Sampling { sampler, path: Path::LogSnr, steps: 5, seed: 0 };
        let model = Constant(eps.shallow_clone());
        let found = sampling.run(&model, &schedule, x_t.shallow_clone(), &mut |_| panic!());
        assert!(max_diff(&found, &x0) < 1e-10, "{sampler}");
    }
}
