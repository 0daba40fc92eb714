//! Adam against torch's, the EMA's recursion, accumulation, clipping, and refusals.

use from_noise::checkpoint::Run;
use from_noise::data::{Interpolation, batch_indices, sample};
use from_noise::nn::unet::{TokenAttention, TokenForm};
use from_noise::nn::{TextConfig, UnetConfig};
use from_noise::pretrained::{ImageCondition, ImageConfig, ImageModel, LowRes};
use from_noise::train::{Adam, Ema, Flat, Precision, TrainConfig, TrainError, Trainer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

/// libtorch has one generator a process and the tests here share it, so they take turns.
/// One thread is fastest for tensors this small.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    tch::set_num_threads(1);
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn max_diff(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn linear(vs: &nn::Path) -> nn::Linear {
    nn::linear(vs, 2, 2, Default::default())
}

fn trainer(config: TrainConfig) -> Trainer<nn::Linear> {
    Trainer::new(CPU, config, linear)
}

fn weights<M>(trainer: &Trainer<M>) -> Vec<(String, Tensor)> {
    let named = [("model", &trainer.vs), ("ema", &trainer.ema.vs)];
    let mut all: Vec<_> = named
        .into_iter()
        .flat_map(|(of, vs)| {
            vs.variables().into_iter().map(move |(n, v)| (format!("{of}.{n}"), v.copy()))
        })
        .collect();
    all.extend(
        trainer.names.iter().zip(&trainer.adam.m.parts).map(|(n, m)| (format!("m.{n}"), m.copy())),
    );
    all.extend(
        trainer.names.iter().zip(&trainer.adam.v.parts).map(|(n, v)| (format!("v.{n}"), v.copy())),
    );
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn same<M>(trainer: &Trainer<M>, before: &[(String, Tensor)]) -> bool {
    weights(trainer).iter().zip(before).all(|(a, b)| a.0 == b.0 && a.1.equal(&b.1))
}

#[derive(serde::Deserialize)]
struct Golden {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    start: Vec<f64>,
    grads: Vec<Vec<f64>>,
    thetas: Vec<Vec<f64>>,
}

#[test]
fn adam_is_torch_s_adamw() {
    let _turn = turn();
    let cases: Vec<Golden> = serde_json::from_str(include_str!("golden/adamw.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let Golden { lr, betas, eps, weight_decay, .. } = case;
        let config = TrainConfig { lr, betas, eps, weight_decay, ..Default::default() };
        let theta = Flat::of(&[Tensor::from_slice(&case.start).set_requires_grad(true)]);
        let mut adam = Adam::new(&theta);
        for (t, (g, expected)) in case.grads.iter().zip(&case.thetas).enumerate() {
            adam.step(&config, lr, t as u64 + 1, &theta, &[Some(Tensor::from_slice(g))]);
            let error = max_diff(&theta.parts[0].detach(), &Tensor::from_slice(expected));
            assert!(error < 1e-14, "step {}: {error}", t + 1);
        }
    }
}

#[test]
fn the_first_step_has_length_lr_whatever_the_gradient() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { lr: 0.01, clip: None, eps: 1e-12, ..Default::default() });
    let before = t.model.ws.copy();
    t.step(|net, _| {
        &net.ws.sum(Kind::Float) * 1e4 + net.bs.as_ref().unwrap().sum(Kind::Float) * 1e-4
    })
    .unwrap();
    assert!(max_diff(&(before - &t.model.ws), &Tensor::from(0.01f32)) < 1e-7);
}

#[test]
fn warm_up_is_linear_and_used() {
    let _turn = turn();
    let config = TrainConfig {
        lr: 0.08,
        warmup: 4,
        clip: None,
        betas: (0.0, 0.0),
        eps: 1e-12,
        ..Default::default()
    };
    let mut t = trainer(config);
    for expected in [0.02, 0.04, 0.06, 0.08, 0.08] {
        let before = t.model.ws.copy();
        t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
        assert!((t.lr() - expected).abs() < 1e-15);
        assert!((max_diff(&before, &t.model.ws) - expected).abs() < 1e-6);
    }
}

#[test]
fn the_learning_rate_cools_down_linearly_to_nothing() {
    let config = TrainConfig { lr: 0.08, cooldown: Some([4, 8]), ..Default::default() };
    let found = [1, 4, 5, 6, 8, 9].map(|step| config.lr_at(step));
    for (found, expected) in found.into_iter().zip([0.08, 0.08, 0.06, 0.04, 0.0, 0.0]) {
        assert!((found - expected).abs() < 1e-15, "{found} for {expected}");
    }
    // before it, a run is the one that never cools down
    let constant = TrainConfig { cooldown: None, ..config };
    assert_eq!(constant.lr_at(9), 0.08);
}

#[test]
fn clipping_shortens_the_gradient_as_one_vector() {
    let _turn = turn();
    for (clip, scale) in [(Some(1.0), 0.2), (Some(10.0), 1.0), (None, 1.0)] {
        let mut t = trainer(TrainConfig { clip, betas: (0.0, 0.0), ..Default::default() });
        // Gradients 3 and 4 in two different tensors: norm 5.
        t.step(|net, _| net.ws.get(0).get(0) * 3.0 + net.bs.as_ref().unwrap().get(1) * 4.0)
            .unwrap();
        assert_eq!(t.grad_norm(), 5.0);
        assert_eq!(t.names, ["bias", "weight"]);
        assert!((t.adam.m.parts[0].double_value(&[1]) - 4.0 * scale).abs() < 1e-6);
        assert!((t.adam.m.parts[1].double_value(&[0, 0]) - 3.0 * scale).abs() < 1e-6);
    }
}

#[test]
fn the_norm_of_all_gradients_is_summed_in_f64() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { betas: (0.0, 0.0), ..Default::default() });
    t.step(|net, _| net.ws.get(0).get(0) * 1.5e19 + net.bs.as_ref().unwrap().get(1) * 1.5e19)
        .unwrap();
    assert!((t.grad_norm() / (1.5e19 * 2f64.sqrt()) - 1.0).abs() < 1e-6);
}

// ---- EMA

/// A module with one trained number and one buffer.
#[derive(Debug)]
struct Scalar {
    theta: Tensor,
    buffer: Tensor,
}

fn scalar(vs: &nn::Path) -> Scalar {
    Scalar {
        theta: vs.var("theta", &[1], nn::Init::Const(0.0)),
        buffer: vs.zeros_no_train("buffer", &[1]),
    }
}

fn set(tensor: &Tensor, value: f64) {
    let _ = tch::no_grad(|| tensor.shallow_clone().fill_(value));
}

#[test]
fn ema_follows_the_recursion_exactly() {
    let _turn = turn();
    let vs = VarStore::new(CPU);
    let source = scalar(&vs.root());
    let mut ema = Ema::new(&vs, 0.3, scalar);
    let decays = [0.1, 2.0 / 11.0, 0.25, 0.3, 0.3, 0.3];
    let mut expected = 0.0;
    for (n, decay) in decays.into_iter().enumerate() {
        let theta = (n as f64 + 1.0).sqrt();
        set(&source.theta, theta);
        set(&source.buffer, theta);
        ema.update(&vs, n as u64);
        expected = decay * expected + (1.0 - decay) * theta;
        assert!((ema.decay_at(n as u64) - decay).abs() < 1e-15);
        assert!((ema.model.theta.double_value(&[0]) - expected).abs() < 1e-6, "update {n}");
        assert_eq!(ema.model.buffer.double_value(&[0]), theta as f32 as f64, "buffers are copied");
    }
}

#[test]
fn ema_with_decay_zero_is_a_copy() {
    let _turn = turn();
    let vs = VarStore::new(CPU);
    let source = linear(&vs.root());
    let mut ema = Ema::new(&vs, 0.0, linear);
    let _ = tch::no_grad(|| source.ws.shallow_clone().normal_(0.0, 1.0));
    ema.update(&vs, 0);
    assert!(ema.model.ws.equal(&source.ws) && ema.model.ws.data_ptr() != source.ws.data_ptr());
}

#[test]
fn ema_error_on_constant_weights_is_d_to_the_k() {
    let _turn = turn();
    let vs = VarStore::new(CPU);
    let source = scalar(&vs.root());
    let mut ema = Ema::new(&vs, 0.5, scalar);
    set(&source.theta, 1.0);
    for k in 1..=10 {
        ema.update(&vs, 1000 + k); // past the rise
        assert_eq!(1.0 - ema.model.theta.double_value(&[0]), 0.5f64.powi(k as i32));
    }
}

#[test]
fn the_trainer_averages_its_own_weights_and_the_ema_can_be_used() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { lr: 0.1, ..Default::default() });
    let start = t.model.ws.copy();
    assert!(t.ema.model.ws.equal(&start));
    t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
    let expected = &start * 0.1 + &t.model.ws * 0.9; // (1 + 0) / (10 + 0)
    assert!(max_diff(&t.ema.model.ws, &expected) < 1e-6);
    let x = Tensor::ones([1, 2], (Kind::Float, CPU));
    let y = t.ema.model.forward(&x);
    assert!(max_diff(&y, &x.linear(&expected, t.ema.model.bs.as_ref())) < 1e-6);
    assert!(!y.requires_grad(), "sampling the EMA records no graph");
}

// ---- accumulation, seeds

fn regression(net: &nn::Linear, x: &Tensor) -> Tensor {
    (net.forward(x) - x.sin()).square().mean(Kind::Float)
}

#[test]
fn accumulating_k_batches_is_one_batch_k_times_as_large() {
    let _turn = turn();
    let x = Tensor::randn([32, 2], (Kind::Float, CPU));
    let config = TrainConfig { lr: 0.05, clip: Some(0.1), ..Default::default() };
    let mut whole = trainer(config.clone());
    let mut parts = trainer(TrainConfig { accumulate: 4, ..config });
    for _ in 0..20 {
        let a = whole.step(|net, _| regression(net, &x)).unwrap();
        let mut chunks = x.chunk(4, 0).into_iter();
        let b = parts.step(|net, _| regression(net, &chunks.next().unwrap())).unwrap();
        assert!(chunks.next().is_none());
        assert!((a - b).abs() < 1e-5 && (whole.grad_norm() - parts.grad_norm()).abs() < 1e-5);
    }
    assert!(max_diff(&whole.model.ws, &parts.model.ws) < 1e-5);
}

#[test]
fn random_numbers_follow_from_seed_step_and_call_alone() {
    let _turn = turn();
    let draws = |seed: u64, disturb: bool| {
        let mut t = trainer(TrainConfig { accumulate: 2, seed, ..Default::default() });
        let mut drawn = vec![t.model.ws.double_value(&[0, 0])];
        for _ in 0..3 {
            if disturb {
                let _ = Tensor::randn([7], (Kind::Float, CPU));
            }
            t.step(|net, _| {
                let noise = Tensor::randn([2], (Kind::Float, CPU));
                drawn.push(noise.double_value(&[0]));
                (net.ws.sum(Kind::Float) * noise).sum(Kind::Float)
            })
            .unwrap();
        }
        drawn
    };
    let first = draws(0, false);
    assert_eq!(first, draws(0, true));
    let mut distinct = [first, draws(1, false)].concat();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    assert_eq!(distinct.len(), 14, "no draw repeats, neither over calls nor steps nor seeds");
}

// ---- refusals

#[test]
fn a_bad_loss_stops_names_the_step_and_changes_nothing() {
    let _turn = turn();
    for bad in [f64::NAN, f64::INFINITY] {
        let mut t = trainer(TrainConfig { accumulate: 2, ..Default::default() });
        t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
        t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
        let before = weights(&t);
        let mut calls = 0;
        let error = t.step(|net, _| {
            calls += 1;
            net.ws.sum(Kind::Float) * if calls == 2 { bad } else { 1.0 }
        });
        let error = error.unwrap_err();
        assert!(matches!(error, TrainError::Loss { step: 3, .. }), "{error:?}");
        assert!(error.to_string().starts_with("step 3: the loss is"), "{error}");
        assert!(t.step == 2 && same(&t, &before));
        t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
        assert!(t.step == 3 && !same(&t, &before));
    }
}

#[test]
fn a_bad_gradient_under_a_finite_loss_names_its_parameter() {
    let _turn = turn();
    let mut t = trainer(TrainConfig::default());
    let before = weights(&t);
    // The square root of 0 has slope infinity.
    let error = t.step(|net, _| {
        (&net.ws - net.ws.detach()).abs().sqrt().sum(Kind::Float)
            + net.bs.as_ref().unwrap().sum(Kind::Float)
    });
    let error = error.unwrap_err();
    assert!(
        matches!(&error, TrainError::Gradient { step: 1, name, .. } if name == "weight"),
        "{error:?}"
    );
    assert!(error.to_string().contains("`weight`"), "{error}");
    assert!(t.step == 0 && same(&t, &before));
}

#[test]
fn a_loss_without_parameters_is_an_error() {
    let _turn = turn();
    let mut t = trainer(TrainConfig::default());
    let other = Tensor::ones([1], (Kind::Float, CPU)).set_requires_grad(true);
    for detached in [true, false] {
        let error = t
            .step(|_, _| if detached { Tensor::from(1.0) } else { other.sum(Kind::Float) })
            .unwrap_err();
        assert!(matches!(error, TrainError::Disconnected { step: 1 }), "{error:?}");
    }
}

#[test]
#[should_panic(expected = "the loss has shape [2, 2]")]
fn a_loss_of_many_numbers_panics_with_its_shape() {
    let _turn = turn();
    let _ = trainer(TrainConfig::default()).step(|net, _| net.ws.shallow_clone());
}

#[test]
fn frozen_parameters_stay_and_unused_ones_count_as_zero_gradient() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { lr: 0.1, weight_decay: 0.5, ..Default::default() });
    let (ws, bs) = (t.model.ws.copy(), t.model.bs.as_ref().unwrap().copy());
    t.step(|net, _| net.ws.sum(Kind::Float)).unwrap();
    assert!(max_diff(&(bs * 0.95), t.model.bs.as_ref().unwrap()) < 1e-7, "unused: decay only");
    assert!(!t.model.ws.equal(&ws));
    let _ = t.model.ws.set_requires_grad(false);
    let ws = t.model.ws.copy();
    t.step(|net, _| (&net.ws * net.bs.as_ref().unwrap()).sum(Kind::Float)).unwrap();
    assert!(t.model.ws.equal(&ws));
}

#[test]
fn impossible_configs_are_refused_by_field() {
    let _turn = turn();
    let with = |change: fn(&mut TrainConfig)| {
        let mut config = TrainConfig::default();
        change(&mut config);
        trainer(config).step(|net, _| net.ws.sum(Kind::Float)).unwrap_err().to_string()
    };
    assert!(with(|c| c.lr = f64::NAN).contains("TrainConfig.lr is NaN"));
    assert!(with(|c| c.lr = 0.0).contains(".lr"));
    assert!(with(|c| c.betas.1 = 1.0).contains(".betas"));
    assert!(with(|c| c.eps = 0.0).contains(".eps"));
    assert!(with(|c| c.weight_decay = -0.1).contains(".weight_decay"));
    assert!(with(|c| c.cooldown = Some([8, 8])).contains(".cooldown"));
    assert!(with(|c| c.clip = Some(0.0)).contains(".clip"));
    assert!(with(|c| c.accumulate = 0).contains(".accumulate"));
    assert!(with(|c| c.ema_decay = 1.1).contains(".ema_decay"));
    let typo =
        serde_json::from_str::<TrainConfig>(r#"{"learning_rate": 0.1}"#).unwrap_err().to_string();
    assert!(typo.contains("learning_rate"), "{typo}");
}

// ---- it learns

#[test]
fn one_batch_overfits() {
    let _turn = turn();
    let mlp = |vs: &nn::Path| {
        nn::seq()
            .add(nn::linear(vs / "0", 3, 128, Default::default()))
            .add_fn(Tensor::silu)
            .add(nn::linear(vs / "1", 128, 128, Default::default()))
            .add_fn(Tensor::silu)
            .add(nn::linear(vs / "2", 128, 2, Default::default()))
    };
    tch::manual_seed(3);
    let (x0, eps) =
        (Tensor::randn([32, 2], (Kind::Float, CPU)), Tensor::randn([32, 2], (Kind::Float, CPU)));
    let t = Tensor::rand([32, 1], (Kind::Float, CPU)) * 1.4 + 0.05; // an angle
    let x_t = Tensor::cat(&[&(t.cos() * x0 + t.sin() * &eps), &t], 1); // [32, 3]
    let mut trainer = Trainer::new(CPU, TrainConfig { lr: 3e-3, ..Default::default() }, mlp);
    let loss = |net: &nn::Sequential, _: u64| (net.forward(&x_t) - &eps).square().mean(Kind::Float);
    let first = trainer.step(loss).unwrap();
    let last = (0..1000).fold(first, |_, _| trainer.step(loss).unwrap());
    assert!(first > 0.5 && last < 0.02, "from {first} to {last}");
    let averaged = loss(&trainer.ema.model, 0).double_value(&[]);
    assert!(averaged < 0.02, "the EMA's loss is {averaged}");
}

#[test]
fn a_parameter_that_was_never_used_survives_the_last_step_of_a_cooled_run() {
    let _turn = turn();
    // lr = 0 and a second moment of 0: 0 times infinity
    let mut t = trainer(TrainConfig { cooldown: Some([1, 3]), ..TrainConfig::default() });
    for _ in 0..3 {
        t.step(|net, _| net.ws.sum(Kind::Float)).unwrap(); // the bias has gradient 0
    }
    assert_eq!(t.lr(), 0.0);
    for (name, value) in t.vs.variables() {
        assert_eq!(value.isfinite().all().int64_value(&[]), 1, "{name} is {value:?}");
    }
    let before = t.vs.variables()["weight"].copy();
    t.step(|net, _| net.ws.sum(Kind::Float) * 2.0).unwrap();
    assert_eq!(t.vs.variables()["weight"], before, "at lr = 0 nothing moves");
}

#[test]
fn accumulation_takes_the_next_batch_in_every_call() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { accumulate: 3, ..TrainConfig::default() });
    let mut asked = Vec::new();
    for _ in 0..2 {
        t.step(|net, batch| {
            asked.push(batch);
            net.ws.sum(Kind::Float)
        })
        .unwrap();
    }
    assert_eq!(asked, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn trainers_of_two_streams_share_no_random_number() {
    let _turn = turn();
    let numbers = |stream: u64, seed: u64| {
        let mut t = trainer(TrainConfig { stream, seed, ..TrainConfig::default() });
        let start = t.vs.variables()["weight"].copy();
        let mut drawn = Vec::new();
        t.step(|net, _| {
            drawn.push(net.ws.randn_like());
            net.ws.sum(Kind::Float)
        })
        .unwrap();
        (start, drawn.remove(0))
    };
    let (generator, critic) = (numbers(0, 7), numbers(1, 7));
    assert_ne!(generator.0, critic.0, "the same initial weights");
    assert_ne!(generator.1, critic.1, "the same noise");
    assert_eq!(critic, numbers(1, 7));
    assert_ne!(critic, numbers(1, 8));
}

// ---- one vector

#[test]
fn parameters_moments_and_averages_are_views_of_one_vector_each() {
    let _turn = turn();
    let mut t = trainer(TrainConfig { lr: 0.1, ..Default::default() });
    t.step(|net, _| net.ws.square().sum(Kind::Float)).unwrap();
    let parts = |flat: &Flat| {
        Tensor::cat(&flat.parts.iter().map(|part| part.reshape([-1])).collect::<Vec<_>>(), 0)
    };
    for flat in [&t.params, &t.adam.m, &t.adam.v] {
        assert!(parts(flat).equal(&flat.all), "in the order of the names");
    }
    let named: Vec<Tensor> = t.names.iter().map(|n| t.vs.variables()[n].reshape([-1])).collect();
    assert!(Tensor::cat(&named, 0).equal(&t.params.all));
    let _ = tch::no_grad(|| t.params.all.shallow_clone().fill_(2.0));
    let ones = t.model.ws.full_like(2.0);
    assert!(t.model.ws.equal(&ones), "the layer reads the vector");
}

#[test]
#[should_panic(expected = "cannot change kind or device")]
fn a_trainer_whose_parameters_were_moved_says_so() {
    let _turn = turn();
    let mut t = trainer(TrainConfig::default());
    t.vs.half();
    let _ = t.step(|net, _| net.ws.sum(Kind::Float));
}

/// A step of regression whose loss is `factor` times as large.
fn step_by(trainer: &mut Trainer<nn::Linear>, factor: f64) -> Result<f64, TrainError> {
    trainer.step(|net, _| regression(net, &Tensor::randn([8, 2], (Kind::Float, CPU))) * factor)
}

#[test]
fn a_loss_that_is_read_now_and_then_trains_the_same() {
    let _turn = turn();
    let config = TrainConfig { lr: 0.01, clip: Some(0.5), ..TrainConfig::default() };
    let (mut each, mut third) = (trainer(config.clone()), trainer(config));
    third.read_every = 3;
    let mut told = Vec::new();
    for step in 1..=7 {
        let factor = if step < 4 { 1.0 } else { 0.01 }; // clipped, and not
        let (a, b) = (step_by(&mut each, factor).unwrap(), step_by(&mut third, factor).unwrap());
        told.push((a, b, each.grad_norm(), third.grad_norm()));
    }
    for ((_, a), (_, b)) in weights(&each).iter().zip(weights(&third)) {
        assert!(max_diff(a, &b) < 1e-6);
    }
    let at = |step: usize| told[step - 1];
    for step in [3, 6] {
        let (a, b, norm_a, norm_b) = at(step);
        assert!((a - b).abs() < 1e-6 && (norm_a - norm_b).abs() < 1e-6, "step {step}");
    }
    assert!(at(1).1.is_nan(), "nothing is read yet");
    assert_eq!((at(4).1, at(5).1, at(7).1), (at(3).1, at(3).1, at(6).1));
}

#[test]
fn a_bad_loss_that_is_read_late_is_named_and_has_changed_nothing() {
    let _turn = turn();
    for (bad, loss) in [(f64::NAN, true), (f64::INFINITY, true), (1e30, false)] {
        let mut trainer = trainer(TrainConfig { lr: 0.01, ..TrainConfig::default() });
        trainer.read_every = 5;
        for _ in 0..6 {
            step_by(&mut trainer, 1.0).unwrap();
        }
        let before = weights(&trainer);
        step_by(&mut trainer, bad).unwrap(); // step 7, not read
        step_by(&mut trainer, 1.0).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut run =
            Run::create_or_resume(dir.path(), &"config".to_owned(), false, &mut trainer).unwrap();
        let error = run.save(&trainer).unwrap_err().to_string();
        assert!(error.starts_with("step 7: ") && error.contains("those of step 6"), "{error}");
        step_by(&mut trainer, 1.0).unwrap();
        let error = step_by(&mut trainer, 1.0).unwrap_err(); // step 10
        match error {
            TrainError::Loss { step: 7, .. } => assert!(loss),
            TrainError::Gradients { step: 7, every: 5, .. } => assert!(!loss),
            other => panic!("{other}"),
        }
        assert_eq!(trainer.step, 6);
        assert!(same(&trainer, &before));
        drop(run);
        let mut saved = Trainer::new(CPU, TrainConfig::default(), linear);
        Run::create_or_resume(dir.path(), &"config".to_owned(), true, &mut saved).unwrap();
        assert_eq!(saved.step, 6);
        assert!(same(&saved, &before), "what was saved is of step 6");
        step_by(&mut trainer, 1.0).unwrap(); // and it goes on
        assert!(!same(&trainer, &before));
    }
}

// ---- bf16

/// A tiny network that is told a class, a caption and an image of low resolution.
fn told_all(precision: Precision) -> ImageConfig {
    let tokens = TokenAttention { form: TokenForm::Concatenated, dim: 8 };
    let text = TextConfig { vocabulary: 12, length: 4, width: 8, layers: 1, heads: 2 };
    let low_res =
        LowRes { factor: 2, interpolation: Interpolation::Bilinear, max_noise_level: 400 };
    let mnist = ImageConfig::mnist();
    ImageConfig {
        network: UnetConfig { in_channels: 2, tokens: Some(tokens), ..UnetConfig::tiny() },
        classes: Some(10),
        text: Some(text),
        condition_dropout: 0.2,
        image_condition: Some(ImageCondition::LowRes(low_res)),
        batch: 16,
        precision,
        train: TrainConfig { lr: 3e-3, warmup: 0, ..mnist.train },
        ..mnist
    }
}

/// One step on the crate's digits.
fn image_step(trainer: &mut Trainer<ImageModel>, config: &ImageConfig) -> f64 {
    let (digits, schedule) = (sample::dataset(), config.schedule.build());
    let step = trainer.step(|model, batch| {
        assert_eq!(
            from_noise::network::Network::kind(&*model.net),
            Some(match config.precision {
                Precision::F32 => Kind::Float,
                Precision::Bf16 => Kind::BFloat16,
            })
        );
        let chosen = batch_indices(0, batch, config.batch, digits.len());
        let (x0, labels) = digits.batch(&chosen, CPU);
        let captions = Tensor::from_slice(&[5i64, 3, 1, 0]).expand([16, 4], false);
        let t = schedule.draw_t(config.batch as i64, Device::Cpu);
        let eps = x0.randn_like();
        let cond = config.draw_conditions(&schedule, &x0, &chosen, &labels, Some(&captions));
        config.loss(model, &schedule, &t, &x0, &cond, &eps).mean(Kind::Float)
    });
    step.unwrap()
}

#[test]
fn a_network_computed_in_bf16_learns_what_one_in_f32_does() {
    let _turn = turn();
    let losses = |precision| {
        let config = told_all(precision);
        config.check().unwrap();
        let mut trainer = config.trainer(CPU);
        let losses: Vec<f64> = (0..30).map(|_| image_step(&mut trainer, &config)).collect();
        for vs in [&trainer.vs, &trainer.ema.vs] {
            assert!(vs.variables().values().all(|x| x.kind() == Kind::Float));
        }
        losses
    };
    let (fine, coarse) = (losses(Precision::F32), losses(Precision::Bf16));
    let last = |losses: &[f64]| losses[25..].iter().sum::<f64>() / 5.0;
    assert!(last(&fine) < 0.7 * fine[0], "{fine:?}");
    assert!((fine[0] - coarse[0]).abs() < 0.01 * fine[0], "{} and {}", fine[0], coarse[0]);
    assert!((last(&fine) / last(&coarse) - 1.0).abs() < 0.05, "{fine:?} {coarse:?}");
    assert_ne!(fine, coarse);
}

#[test]
fn steps_too_small_for_bf16_add_up_in_the_f32_weights() {
    let _turn = turn();
    // 1 - 0.001 is 1 in bf16, whose next number below is 0.996
    let config = TrainConfig { lr: 1e-3, clip: None, ..Default::default() };
    let mut t = trainer(config).computing_in(Precision::Bf16, linear);
    for mut weight in t.vs.variables().into_values() {
        let _ = tch::no_grad(|| weight.fill_(1.0));
    }
    let mut seen = Vec::new();
    for _ in 0..20 {
        let step = t.step(|net, _| {
            seen.push(net.ws.double_value(&[0, 0]));
            net.ws.sum(Kind::Float) + net.bs.as_ref().unwrap().sum(Kind::Float)
        });
        step.unwrap();
    }
    let weight = t.vs.variables()["weight"].double_value(&[0, 0]);
    assert!((weight - 0.98).abs() < 1e-5, "{weight}");
    assert_eq!((seen[0], seen[1]), (1.0, 1.0), "the loss sees the weights rounded");
    assert!((seen[19] - 0.981).abs() < 0.002, "and follows them: {seen:?}");
}

#[test]
fn a_run_in_bf16_resumes_exactly_and_not_in_f32() {
    let _turn = turn();
    let config = told_all(Precision::Bf16);
    let mut whole = config.trainer(CPU);
    for _ in 0..6 {
        image_step(&mut whole, &config);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut first = config.trainer(CPU);
    let mut run = Run::create_or_resume(dir.path(), &config, false, &mut first).unwrap();
    for _ in 0..3 {
        image_step(&mut first, &config);
    }
    run.save(&first).unwrap();
    drop(run);
    let mut second = config.trainer(CPU);
    drop(Run::create_or_resume(dir.path(), &config, true, &mut second).unwrap());
    for _ in 0..3 {
        image_step(&mut second, &config);
    }
    assert!(same(&second, &weights(&whole)));
    let other = told_all(Precision::F32);
    let error = Run::create_or_resume(dir.path(), &other, true, &mut other.trainer(CPU));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("precision"), "{error}");
}
