//! Levels of any kind: per sample, variance exploding, at the edges of schedules and paths.

use crate::support::{close, max_diff, normal, relative, two_modes};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{Denoised, Denoiser, Head, Model, Parameterization, Target, TimeInput};
use from_noise::evaluate::{Sampler, Sampling, SamplingError};
use from_noise::forward::{Variance, posterior, q_sample};
use from_noise::guide::{DenoiserExt, Snapshot};
use from_noise::loss::{
    Decoder, Weighting, draw_lognormal, kl_term, l_0, l_simple, l_t, l_target, nll_term,
    reverse_steps,
};
use from_noise::network::Network;
use from_noise::nn::{Mlp, MlpConfig, Unet, UnetConfig};
use from_noise::noise::Seeded;
use from_noise::pretrained::Pretrained;
use from_noise::sample::{Churn, ddim_invert, dpm_solver_3, edm, heun};
use from_noise::schedule::{Level, Levels, Path, PathError, Schedule};
use from_noise::train::{TrainConfig, Trainer};
use tch::{Device, Kind, Tensor, nn};

fn linear() -> Schedule {
    Schedule::linear(1000, 1e-4, 0.02)
}

#[test]
fn b11_terms_of_the_bound_per_sample_are_those_of_one_level() {
    let (schedule, t) = (linear(), [2i64, 700, 31]);
    let (x0, eps, wrong) = (normal(&[3, 2], 1), normal(&[3, 2], 2), normal(&[3, 2], 3));
    let nu = normal(&[3, 2], 4).sigmoid();
    let levels = schedule.levels(&Tensor::from_slice(&t));
    let x_t = q_sample(&x0, &eps, Level::of_batch(&levels, &x0));
    let q = reverse_steps(&schedule, &Tensor::from_slice(&t), &x0);
    let prediction = || {
        Target::Eps.denoised(&x_t, &levels, wrong.shallow_clone()).with_nu(Some(nu.shallow_clone()))
    };
    for variance in [Variance::Small, Variance::Large, Variance::Learned] {
        let together = kl_term(&q, &prediction(), &x0, &x_t, variance);
        assert_eq!(together.size(), [3]);
        for i in 0..3 {
            let one = |x: &Tensor| x.narrow(0, i, 1);
            let at = |t: i64| schedule.level(t as usize);
            let model = Fixed { eps: one(&wrong), nu: one(&nu) };
            let (t, s) = (at(t[i as usize]), at(t[i as usize] - 1));
            let alone = l_t(&model, t, s, &one(&x0), &one(&eps), variance);
            relative(together.double_value(&[i]), alone.double_value(&[0]), 1e-12);
        }
    }
    // and the first step's, of a batch that is all at t = 1
    let (first, floor) =
        (schedule.level(1), posterior(schedule.level(2), schedule.level(1)).var_small);
    let x_1 = q_sample(&x0, &eps, first);
    let ones = Tensor::ones([3], (Kind::Int64, Device::Cpu));
    let prediction = Target::Eps.denoised(&x_1, &schedule.levels(&ones), wrong.shallow_clone());
    let q = reverse_steps(&schedule, &ones, &x0);
    let (variance, decoder) = (Variance::Large, Decoder::Continuous);
    let together = nll_term(&q, &prediction, &x0, &x_1, variance, decoder);
    let model = Fixed { eps: wrong, nu };
    let alone = l_0(&model, first, floor, &x0, &eps, variance, decoder);
    assert!(max_diff(&together, &alone) < 1e-9);
}

/// Always says the same.
struct Fixed {
    eps: Tensor,
    nu: Tensor,
}

impl Denoiser for Fixed {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let (eps, nu) = (self.eps.shallow_clone(), self.nu.shallow_clone());
        Denoised::from_eps(x_t, at, eps).with_nu(Some(nu))
    }
}

#[test]
fn b11_the_bound_trains_the_learned_variance() {
    // L_hybrid's second part: the gradient reaches nu alone, and a step against it lowers the bound
    let schedule = linear();
    let (x0, eps) = (0.5 * normal(&[64, 1], 1), normal(&[64, 1], 2));
    let t = 2 + 15 * Tensor::arange(64, (Kind::Int64, Device::Cpu));
    let levels = schedule.levels(&t);
    let x_t = q_sample(&x0, &eps, Level::of_batch(&levels, &x0));
    let q = reverse_steps(&schedule, &t, &x0);
    let bound = |nu: &Tensor| {
        let prediction = Target::Eps.denoised(&x_t, &levels, eps.zeros_like());
        let prediction = prediction.with_nu(Some(nu.expand([64, 1], false)));
        kl_term(&q, &prediction, &x0, &x_t, Variance::Learned).mean(Kind::Double)
    };
    let nu = Tensor::from_slice(&[0.2]).set_requires_grad(true);
    let loss = bound(&nu);
    loss.backward();
    let better = tch::no_grad(|| bound(&(&nu - 1e-4 * nu.grad())));
    assert!(better.double_value(&[]) < loss.double_value(&[]));
}

/// A network that knows the answer for the two modes: what each target's output should be.
#[derive(Debug)]
struct Knowing {
    target: Target,
    schedule: Schedule,
}

impl Network for Knowing {
    type Cond = ();

    fn encode(&self, (): &(), _: bool) -> Conditioning {
        Conditioning::none()
    }

    fn forward(&self, x: &Tensor, t: &Tensor, _: &Conditioning, _: bool) -> Tensor {
        let data = two_modes();
        let told = t.double_value(&[0]);
        assert!(told.is_finite(), "the network is told {told}");
        if let Target::Edm { sigma_data } = self.target {
            let at = Level::variance_exploding((4.0 * told).exp());
            let c = from_noise::denoiser::Preconditioning::at(at, sigma_data);
            let y = x / c.input;
            return (data.denoise(&y, at).x0() - c.skip * &y) / c.out;
        }
        let at = self.schedule.at(told);
        let exact = data.denoise(x, at);
        match self.target {
            Target::Eps => exact.eps().shallow_clone(),
            Target::X0 => exact.x0().shallow_clone(),
            _ => at.alpha * exact.eps() - at.sigma * exact.x0(),
        }
    }
}

fn knowing(target: Target) -> Model<Knowing> {
    let net = Knowing { target, schedule: linear() };
    match target {
        Target::Edm { .. } => {
            let parameterization = Parameterization {
                target,
                time_input: TimeInput::QuarterLogSigma,
                ..Parameterization::default()
            };
            Model::new(net, parameterization, None)
        }
        _ => Model::new(net, Parameterization { target, ..Parameterization::default() }, linear()),
    }
}

#[test]
fn j1_a_model_owns_the_map_from_levels_to_its_t() {
    // The same network asked in DDPM's coordinates and in EDM's, x and x / alpha, solves the same
    // equation; the solvers see no schedule.
    let path = linear().path(Path::LogSnr, 6);
    let sigma = |at: &Level| at.sigma / at.alpha;
    let exploding: Vec<Level> =
        path.iter().map(|at| Level::variance_exploding(sigma(at))).collect();
    let start = normal(&[9, 1], 1);
    for target in [Target::Eps, Target::X0, Target::Edm { sigma_data: 0.7 }] {
        let model = knowing(target).given(());
        for solve in [heun, dpm_solver_3] {
            let ours = solve(&model, &path, start.shallow_clone());
            let theirs = solve(&model, &exploding, &start / path[0].alpha);
            let exact = solve(&two_modes(), &path, start.shallow_clone());
            // t is told in f32
            assert!(max_diff(&ours, &theirs) < 1e-4, "{target:?}: {}", max_diff(&ours, &theirs));
            assert!(max_diff(&ours, &exact) < 1e-4, "{target:?}: {}", max_diff(&ours, &exact));
        }
    }
}

#[test]
#[should_panic(expected = "give Model::new a schedule")]
fn j1_a_model_that_is_told_t_needs_a_schedule() {
    let net = Knowing { target: Target::Eps, schedule: linear() };
    Model::new(net, Parameterization::default(), None);
}

#[test]
fn j1_a_network_learns_from_lognormal_levels() {
    // no schedule anywhere: EDM's levels, its target, its c_noise
    let parameterization = Parameterization {
        target: Target::Edm { sigma_data: 0.9 },
        head: Head::Mean,
        time_input: TimeInput::QuarterLogSigma,
    };
    let config = TrainConfig { lr: 3e-3, ema_decay: 0.99, ..TrainConfig::default() };
    let build = |vs: &nn::Path| {
        let shape =
            MlpConfig { data_dim: 1, out_dim: 1, width: 32, depth: 2, ..Default::default() };
        Model::new(Mlp::new(vs, &shape), parameterization, None)
    };
    let data = |n: i64, seed| {
        let z = normal(&[n, 1], seed);
        let first = Tensor::linspace(0.0, 1.0, n, tch::kind::DOUBLE_CPU).view([n, 1]).lt(0.3);
        let (left, right): (Tensor, Tensor) = (0.15 * &z - 1.0, 0.25 * z + 0.6);
        left.where_self(&first, &right).to_kind(Kind::Float)
    };
    let mut trainer = Trainer::new(Device::Cpu, config, build);
    for step in 0..400 {
        let loss = trainer.step(|model, _| {
            let (x0, levels) = (data(256, step), draw_lognormal(256, -1.2, 1.2));
            l_target(model, &levels, &x0, &(), &x0.randn_like()).mean(Kind::Float)
        });
        assert!(loss.unwrap().is_finite());
    }
    let model = trainer.ema.model.given(());
    let path: Vec<Level> = from_noise::schedule::karras(12, 0.02, 20.0)
        .map(Level::variance_exploding)
        .chain([Level::CLEAN])
        .collect();
    let start = 20.0 * Seeded::new(3, 0).start(&[2000, 1]);
    let x0 = heun(&model, &path, start);
    let left = x0.lt(-0.2).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    close(left, 0.3, 0.06);
    let mean = x0.mean(Kind::Double).double_value(&[]);
    close(mean, -0.3 + 0.7 * 0.6, 0.08);
}

#[test]
fn j1_levels_looked_up_by_t_are_those_computed_one_by_one() {
    let (schedule, t) = (linear(), [1000i64, 1, 400]);
    let (x0, eps) = (normal(&[3, 1], 1), normal(&[3, 1], 2).to_kind(Kind::Float));
    let (x0, one_by_one) = (x0.to_kind(Kind::Float), |t: i64| schedule.level(t as usize));
    let listed = Levels::from(t.map(one_by_one).to_vec());
    // twice: the second time nothing is computed
    for _ in 0..2 {
        let by_t = schedule.levels(&Tensor::from_slice(&t));
        let edm = |sigma_data| Target::Edm { sigma_data };
        for target in [Target::Eps, Target::X0, Target::V, edm(0.5), edm(0.7)] {
            let model = knowing(target);
            let loss = |levels: &Levels| l_target(&model, levels, &x0, &(), &eps);
            assert_eq!(loss(&by_t), loss(&listed), "{target:?}");
            let say = |levels: &Levels| target.denoised(&x0, levels, eps.shallow_clone());
            assert_eq!(say(&by_t).x0(), say(&listed).x0(), "{target:?}");
            for weighting in [Weighting::MinSnr(5.0), Weighting::MinSnr(2.0)] {
                let weight = |levels| weighting.of(levels, target, &loss(levels));
                assert_eq!(weight(&by_t), weight(&listed), "{target:?} {weighting:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "another schedule")]
fn j1_levels_of_another_schedule_are_refused() {
    let levels = Schedule::cosine(1000, 0.008).levels(&Tensor::from_slice(&[3i64, 7]));
    let x0 = normal(&[2, 1], 1);
    let _ = l_target(&knowing(Target::Eps), &levels, &x0, &(), &x0);
}

#[test]
#[should_panic(expected = "leaves 0..=T, T = 1000")]
fn j1_a_t_beyond_the_last_is_refused() {
    linear().levels(&Tensor::from_slice(&[3i64, 1001]));
}

#[test]
#[should_panic(expected = "differ in B")]
fn j1_a_level_too_few_is_refused() {
    let x0 = normal(&[3, 1], 1);
    Level::of_batch(&linear().levels(&Tensor::from_slice(&[3i64, 7])), &x0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "two functions of t are called signal")]
fn j1_one_name_cannot_mean_two_functions() {
    let levels = linear().levels(&Tensor::from_slice(&[3i64, 7]));
    for f in [|at: Level| at.alpha, |at: Level| at.snr()] {
        let _ = levels.numbers(Device::Cpu, "signal", f);
    }
}

#[test]
fn c12_inversion_starts_alike_whatever_the_network_predicts() {
    // At the clean level x0 - x_t says nothing; the noise is what the first level sees.
    let schedule = linear();
    let path = schedule.path(Path::Trailing, 10);
    let x0 = Tensor::from_slice(&[-1.2, -0.9, 0.3, 0.8]).view([4, 1]);
    let up = |target| ddim_invert(&knowing(target).given(()), &path, x0.shallow_clone());
    let by_eps = up(Target::Eps);
    for target in [Target::X0, Target::V] {
        let apart = max_diff(&up(target), &by_eps);
        assert!(apart < 1e-3, "{target:?}: apart by {apart}");
    }
    // EDM's first level is another, and its ln(sigma) no infinity
    let by_edm = up(Target::Edm { sigma_data: 0.7 });
    assert_eq!(by_edm.isfinite().all().int64_value(&[]), 1);
    let clean = knowing(Target::X0).given(()).denoise(&x0, Level::CLEAN);
    assert_eq!(clean.x0(), &x0);
    assert!(clean.eps().abs().max().double_value(&[]) > 1e-3, "the noise of the first level");
}

#[test]
fn j1_edm_climbs_no_higher_than_its_path_in_any_hands() {
    let churn = Churn { s_churn: 50.0, s_min: 0.0, s_max: f64::INFINITY, s_noise: 1.0 };
    let (path, model) = (linear().path(Path::Trailing, 9), knowing(Target::Eps).given(()));
    let mut highest: f64 = 0.0;
    let watched = model.with_callback(|seen: &Snapshot| highest = highest.max(seen.at.sigma));
    let x = edm(&watched, &path, normal(&[6, 1], 3), churn, &mut |x| x.randn_like());
    drop(watched);
    assert_eq!(x.isfinite().all().int64_value(&[]), 1);
    close(highest, path[0].sigma, 1e-9);
}

#[test]
fn every_level_has_its_t_and_edges_are_named() {
    let schedule = linear();
    for t in [0, 1, 2, 500, 999, 1000] {
        assert_eq!(schedule.t_of(schedule.level(t)), t as f64);
    }
    assert_eq!(schedule.t_of(Level { alpha: 1e-9, sigma: 1.0 }), 1000.0, "noisier than the last");
    let ends = schedule.zero_terminal_snr();
    assert_eq!(ends.t_of(ends.level(1000)), 1000.0);
    for wrong in [-0.5, -1e-9, 1000.5, f64::NAN] {
        let found = std::panic::catch_unwind(|| linear().at(wrong));
        assert!(found.is_err(), "t = {wrong} is a level: {found:?}");
    }
}

#[test]
fn paths_by_snr_are_refused_where_the_schedule_ends_without_signal() {
    let schedule = linear().zero_terminal_snr();
    for path in [Path::LogSnr, Path::Karras] {
        assert_eq!(schedule.check_path(path, 10), Err(PathError::NoSignal(path)));
        assert!(std::panic::catch_unwind(|| linear().zero_terminal_snr().path(path, 10)).is_err());
    }
    for path in [Path::Uniform, Path::Quadratic, Path::Linspace, Path::Trailing] {
        let levels = schedule.path(path, 10);
        assert!(levels.iter().all(|at| at.alpha.is_finite() && at.sigma.is_finite()), "{path}");
    }
}

fn digits() -> Pretrained {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/mnist-ddpm");
    Pretrained::load(dir, Device::Cpu).unwrap()
}

fn sampling(path: Path, steps: usize) -> Sampling {
    Sampling { sampler: Sampler::Ddim(0.0), path, steps, seed: 0 }
}

#[test]
fn paths_that_start_too_low_are_refused_or_named() {
    let trained = digits();
    for path in [Path::Uniform, Path::Quadratic, Path::Linspace] {
        let error = sampling(path, 1)
            .check(&trained.schedule, trained.config.parameterization)
            .unwrap_err();
        assert!(matches!(error, SamplingError::OneStep(found) if found == path));
        assert!(error.to_string().contains("take trailing"), "{error}");
    }
    for path in [Path::Trailing, Path::LogSnr, Path::Karras] {
        sampling(path, 1).check(&trained.schedule, trained.config.parameterization).unwrap();
    }
    let warning = |steps| sampling(Path::Uniform, steps).warning(&trained.schedule);
    let said = warning(501).unwrap();
    for word in ["501", "t = 501 of 1000", "8 %", "trailing", "500 steps"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(warning(2).unwrap().contains("or 3 steps"));
    for sound in [5, 10, 50, 100, 500, 1000] {
        assert_eq!(warning(sound), None, "{sound}");
    }
    assert_eq!(sampling(Path::Trailing, 501).warning(&trained.schedule), None);
}

#[test]
fn solvers_in_log_snr_are_refused_where_it_is_infinite() {
    let mut trained = digits();
    trained.schedule = trained.schedule.zero_terminal_snr();
    let with = |sampler| Sampling { sampler, ..sampling(Path::Trailing, 10) };
    for sampler in [Sampler::DpmSolver2, Sampler::DpmSolver3, Sampler::UniPc] {
        let said = with(sampler)
            .check(&trained.schedule, trained.config.parameterization)
            .unwrap_err()
            .to_string();
        assert!(said.contains("DDIM, DDPM or Heun"), "{said}");
    }
    let said = with(Sampler::Ddim(0.0))
        .check(&trained.schedule, trained.config.parameterization)
        .unwrap_err()
        .to_string();
    assert!(said.contains("predicts the noise"), "{said}");
    trained.config.parameterization.target = Target::V;
    with(Sampler::Ddim(0.0)).check(&trained.schedule, trained.config.parameterization).unwrap();
}

#[test]
fn evaluations_are_those_of_the_levels_that_are_there() {
    let schedule = linear();
    let quadratic = sampling(Path::Quadratic, 200);
    let levels = schedule.path(Path::Quadratic, 200).len() - 1;
    assert!(levels < 200, "squares fall together");
    assert_eq!(quadratic.evaluations(&schedule), levels);
    let model = two_modes().recorded();
    let _ = quadratic.run(&model, &schedule, normal(&[2, 1], 1), &mut |_| panic!());
    assert_eq!(model.take().len(), levels);
    assert_eq!(sampling(Path::Quadratic, 10).evaluations(&schedule), 10);
}

#[test]
fn half_precision_networks_work_from_f32_samples() {
    let schedule = linear();
    let x = normal(&[2, 1, 28, 28], 1).to_kind(Kind::Float);
    let points = normal(&[5, 2], 2).to_kind(Kind::Float);
    for kind in [Kind::BFloat16, Kind::Half] {
        tch::manual_seed(2);
        let mut vs = nn::VarStore::new(Device::Cpu);
        let root = vs.root();
        let unet = Unet::new(&(&root / "unet"), &UnetConfig::tiny());
        let mlp = Mlp::new(&(&root / "mlp"), &MlpConfig::default());
        for (_, mut weight) in vs.variables() {
            let _ = tch::no_grad(|| weight.uniform_(-0.15, 0.15));
        }
        let unet = Model::new(unet, Parameterization::default(), schedule.clone());
        let mlp = Model::new(mlp, Parameterization::default(), schedule.clone());
        let at = schedule.level(999);
        let say = || {
            let images = unet.given(()).denoise(&x, at).eps().shallow_clone();
            (images, mlp.given(()).denoise(&points, at).eps().shallow_clone())
        };
        let exact = say();
        match kind {
            Kind::Half => vs.half(),
            _ => vs.bfloat16(),
        }
        let half = say();
        for (half, exact) in [(half.0, exact.0), (half.1, exact.1)] {
            assert_eq!(half.kind(), Kind::Float, "of the kind of x_t");
            let scale = exact.abs().max().double_value(&[]);
            let apart = max_diff(&half, &exact) / scale;
            assert!(apart > 0.0 && apart < 0.1, "{kind:?}: apart by {apart}");
        }
        let levels = schedule.levels(&Tensor::from_slice(&[999i64, 3]));
        let loss = l_simple(&unet, &levels, &x, &(), &x.ones_like());
        assert_eq!((loss.kind(), loss.size()), (Kind::Float, vec![2]));
    }
}
