//! F12, F15, F17: classifier-free guidance, against exact denoisers and closed forms.

use crate::support::{F64, classes, close, max_diff, normal, quantiles_at_the_end, relative};
use from_noise::conditioning::Conditioning;
use from_noise::denoiser::{
    Denoised, Denoiser, Gaussian, Given, Head, Mixture, Model, Parameterization, Target, TimeInput,
};
use from_noise::guide::{ClassifierFree, DenoiserExt, Guidance, OnePass};
use from_noise::network::Network;
use from_noise::sample::{ddim, dpm_solver_3};
use from_noise::schedule::{Level, Path, Schedule};
use std::cell::RefCell;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// A network that hears its condition, `emb: [B, 1]`, and remembers the batches it was given.
#[derive(Debug, Default)]
struct Heard {
    batches: Rc<RefCell<Vec<i64>>>,
    head: bool,
}

impl Network for Heard {
    type Cond = Tensor;

    fn encode(&self, cond: &Tensor, _train: bool) -> Conditioning {
        Conditioning { emb: Some(cond.shallow_clone()), ..Conditioning::none() }
    }

    fn forward(&self, x: &Tensor, t: &Tensor, said: &Conditioning, _train: bool) -> Tensor {
        self.batches.borrow_mut().push(x.size()[0]);
        let emb = said.emb.as_ref().unwrap();
        let out = (x * 1.5 + emb + t.to_kind(Kind::Double) * 1e-3).tanh() * 0.7;
        if self.head { Tensor::cat(&[&out, &(emb.tanh() + 0.0 * x)], 1) } else { out }
    }
}

const TARGETS: [Target; 4] = [Target::Eps, Target::X0, Target::V, Target::Edm { sigma_data: 0.5 }];

fn model(target: Target, head: Head) -> (Model<Heard>, Rc<RefCell<Vec<i64>>>) {
    let net = Heard { head: head == Head::MeanAndNu, ..Heard::default() };
    let batches = Rc::clone(&net.batches);
    let parameterization = Parameterization { target, head, time_input: TimeInput::OneBased };
    (Model::new(net, parameterization, Schedule::ddpm(1000)), batches)
}

/// Given three conditions, and given none.
fn given(model: &Model<Heard>) -> [Given<Heard>; 2] {
    [normal(&[3, 1], 7), Tensor::zeros([3, 1], F64)].map(|cond| model.given(cond))
}

fn one_pass(model: &Model<Heard>, guidance: Guidance) -> ClassifierFree<OnePass<Heard>> {
    let [cond, uncond] = given(model);
    ClassifierFree::new(OnePass::new(cond, uncond), guidance)
}

fn same(a: &Denoised, b: &Denoised) -> bool {
    (a.x0(), a.eps()) == (b.x0(), b.eps())
}

fn at(t: usize) -> Level {
    Schedule::ddpm(1000).level(t)
}

#[test]
fn f12_scales_0_and_1_are_one_prediction_in_one_pass() {
    let (model, batches) = model(Target::V, Head::Mean);
    let (x, [cond, uncond]) = (normal(&[3, 4], 1), given(&model));
    for (scale, plain) in [(1.0, &cond), (0.0, &uncond)] {
        let plain = plain.denoise(&x, at(500));
        batches.take();
        let guidance = Guidance { rescale: 0.7, ..Guidance::scale(scale) };
        assert!(same(&one_pass(&model, guidance).denoise(&x, at(500)), &plain), "scale {scale}");
        assert_eq!(batches.take(), [3], "one pass of the batch");
        assert_eq!(guidance.evaluations(at(500)), 1);
    }
}

#[test]
fn f12_one_pass_of_both_is_two_passes() {
    for target in TARGETS {
        for head in [Head::Mean, Head::MeanAndNu] {
            let (model, batches) = model(target, head);
            let (x, [cond, uncond]) = (normal(&[3, 4], 1), given(&model));
            let nu = cond.denoise(&x, at(500)).nu().map(Tensor::shallow_clone);
            let guidance = Guidance::scale(3.0);
            let two = cond.classifier_free(uncond, guidance).denoise(&x, at(500));
            batches.take();
            let one = one_pass(&model, guidance).denoise(&x, at(500));
            assert_eq!(batches.take(), [6], "one pass of twice the batch");
            assert_eq!(guidance.evaluations(at(500)), 2);
            assert!(max_diff(one.x0(), two.x0()) < 1e-12 && max_diff(one.eps(), two.eps()) < 1e-12);
            // a learned variance is that with the condition
            assert_eq!(nu.is_some(), head == Head::MeanAndNu);
            for found in [one.nu(), two.nu()] {
                assert!(nu.as_ref().zip(found).is_none_or(|(a, b)| max_diff(a, b) < 1e-12));
                assert_eq!(found.is_some(), nu.is_some());
            }
        }
    }
}

#[test]
fn f12_guidance_is_the_same_in_every_parameterization() {
    // Ho & Salimans mix noises; a network that predicts something else has that mixed instead.
    let (x, at) = (normal(&[3, 4], 1), at(500));
    for target in TARGETS {
        let (model, _) = model(target, Head::Mean);
        let [cond, uncond] = [normal(&[3, 1], 7), Tensor::zeros([3, 1], F64)].map(|cond| {
            let said = model.net.encode(&cond, false);
            model.output(&x, &at.into(), &said, false).0
        });
        let mixed = -2.0 * &uncond + 3.0 * cond; // (1 + w) cond - w uncond with w = 2
        let expected = target.denoised(&x, &at.into(), mixed);
        let found = one_pass(&model, Guidance::scale(3.0)).denoise(&x, at);
        assert!(max_diff(found.eps(), expected.eps()) < 1e-11, "{target:?}");
        assert!(max_diff(found.x0(), expected.x0()) < 1e-11, "{target:?}");
        let tie: Tensor = at.alpha * found.x0() + at.sigma * found.eps();
        assert!(max_diff(&tie, &x) < 1e-12);
    }
}

#[test]
fn f12_the_class_is_a_mixture_of_its_own_components() {
    let (all, class) = classes();
    let means = Tensor::from_slice(&[0.3, 1.2]).view([2, 1]);
    let alone = Mixture::new(&[0.2, 0.3], &means, &[0.3, 0.2]);
    let x = normal(&[20, 1], 3);
    for at in [at(1), at(300), at(1000)] {
        assert!(max_diff(class.denoise(&x, at).x0(), alone.denoise(&x, at).x0()) < 1e-12);
        // Bayes' rule: p(x | y) p(y) = p(x) p(y | x), with p(y) = 1 / 2
        let label = all.responsibilities(&x, at).narrow(1, 2, 2);
        let label = label.sum_dim_intlist(1, false, None).log();
        let joint = all.log_density(&x, at) + label - 0.5f64.ln();
        assert!(max_diff(&class.log_density(&x, at), &joint) < 1e-10);
    }
}

#[test]
fn f12_the_guided_score_is_that_of_the_sharpened_density_at_one_level() {
    // by autograd: grad log p(x_t) + gamma grad log p(y | x_t), no class-conditional model in it
    let (all, class) = classes();
    let guided = class.classifier_free(&all, Guidance::scale(3.0));
    for at in [at(50), at(400), at(900)] {
        let x = normal(&[64, 1], 2).set_requires_grad(true);
        let label = all.responsibilities(&x, at).narrow(1, 2, 2);
        let label = label.sum_dim_intlist(1, false, None).log();
        let log_p: Tensor = all.log_density(&x, at) + 3.0 * label;
        let log_p = log_p.sum(Kind::Double);
        let score = Tensor::run_backward(&[log_p], &[&x], false, false).remove(0);
        let found = guided.denoise(&x.detach(), at).score(at);
        assert!(max_diff(&found, &score) < 1e-7, "{}", max_diff(&found, &score));
    }
}

#[test]
fn f12_at_scale_1_the_class_is_drawn_and_at_0_the_data() {
    // Without fresh noise x0 is an increasing function of x_T, and on a line only one such function
    // has the right distribution at both ends: from quantile to quantile.
    let z = Tensor::linspace(-2.0, 2.0, 41, F64).view([41, 1]);
    let schedule = Schedule::ddpm(1000);
    for (scale, weights, means, stds) in [
        (1.0, &[0.4, 0.6][..], &[0.3, 1.2][..], &[0.3, 0.2][..]),
        (0.0, &[0.3, 0.2, 0.2, 0.3], &[-1.2, -0.3, 0.3, 1.2], &[0.3, 0.3, 0.3, 0.2]),
    ] {
        let exact = quantiles_at_the_end(&z, schedule.level(1000), weights, means, stds);
        let (all, class) = classes();
        let guided = class.classifier_free(all, Guidance::scale(scale));
        let error = |steps| {
            let path = schedule.path(Path::LogSnr, steps);
            let found = ddim(&guided, &path, z.shallow_clone(), 0.0, &mut |_| unreachable!());
            (found - &exact).square().mean(None).sqrt().double_value(&[])
        };
        let [coarse, fine] = [100, 200].map(error);
        assert!(fine < 0.02, "scale {scale}: {fine}");
        let order = (coarse / fine).log2();
        close(order, 1.0, 0.15);
        let path = schedule.path(Path::LogSnr, 300);
        let best = max_diff(&dpm_solver_3(&guided, &path, z.shallow_clone()), &exact);
        assert!(best < 2e-3, "scale {scale}: {best}");
    }
}

#[test]
#[allow(non_snake_case)]
fn f12_beyond_1_the_samples_are_not_the_sharpened_density() {
    // The data are N(0, 1), so x_t is at every level; the class is N(0, s^2). Then the sampling
    // equation reads dx / d ln(alpha) = gamma (x - x / (1 - alpha^2 (1 - s^2))), and its solution
    // multiplies x_T by s^gamma. The sharpened density p(x) p(y | x)^gamma is another Gaussian.
    let schedule = Schedule::ddpm(1000);
    let (all, s) = (Gaussian { mean: 0.0, std: 1.0 }, 0.5f64);
    let class = Gaussian { mean: 0.0, std: s };
    let x_T = Tensor::from_slice(&[1.0f64]).view([1, 1]);
    for scale in [0.0, 0.5, 1.0, 2.0, 3.0] {
        let guided = class.classifier_free(all, Guidance::scale(scale));
        let path = schedule.path(Path::LogSnr, 300);
        let end = dpm_solver_3(&guided, &path, x_T.shallow_clone()).double_value(&[0, 0]);
        relative(end, s.powf(scale), 2e-3);
        let sharpened = (1.0 - scale + scale / s.powi(2)).powf(-0.5);
        if [0.0, 1.0].contains(&scale) {
            relative(sharpened, s.powf(scale), 1e-12);
        } else if scale > 1.0 {
            assert!(end < 0.8 * sharpened, "drawn {end}, sharpened {sharpened}");
        }
    }
}

#[test]
fn f12_guidance_loses_a_mode_that_sharpening_keeps() {
    // The class's mode at 0.3 lies close to the other class, that at 1.2 does not. How much is above
    // 0.75, between them: by quadrature of the sharpened density, and of x_T, on which x0 depends.
    let (all, class) = classes();
    let (x, z) = (Tensor::linspace(-4.0, 4.0, 2001, F64), Tensor::linspace(-6.0, 6.0, 601, F64));
    let share = |p: &Tensor, above: &Tensor| {
        let high = above.gt(0.75);
        ((p * high).sum(Kind::Double) / p.sum(Kind::Double)).double_value(&[])
    };
    let [everything, chosen] =
        [&all, &class].map(|data| data.log_density(&x.view([-1, 1]), Level::CLEAN));
    let path = Schedule::ddpm(1000).path(Path::LogSnr, 100);
    let shares = |scale: f64| {
        let sharpened: Tensor = ((1.0 - scale) * &everything + scale * &chosen).exp();
        let guided = (&class).classifier_free(&all, Guidance::scale(scale));
        let x0 = dpm_solver_3(&guided, &path, z.view([-1, 1])).view([-1]);
        (share(&sharpened, &x), share(&(z.square() * -0.5).exp(), &x0))
    };
    let (sharpened, drawn) = shares(1.0);
    close(sharpened, drawn, 0.02); // the spacing of the starts
    let (sharpened, drawn) = shares(3.0);
    assert!(sharpened < 0.75 && drawn > 0.98, "sharpened {sharpened}, drawn {drawn}");
}

#[test]
fn f15_a_negative_condition_takes_the_place_of_none() {
    let (model, _) = model(Target::V, Head::Mean);
    let (x, at, guidance) = (normal(&[3, 4], 1), at(500), Guidance::scale(2.0));
    let away_from = |from: Tensor| {
        let pair = OnePass::new(model.given(normal(&[3, 1], 7)), model.given(from));
        ClassifierFree::new(pair, guidance).denoise(&x, at)
    };
    let none = one_pass(&model, guidance).denoise(&x, at);
    assert!(same(&away_from(Tensor::zeros([3, 1], F64)), &none));
    assert!(max_diff(away_from(Tensor::full([3, 1], 2.0, F64)).x0(), none.x0()) > 0.1);
    // away from itself there is nowhere to go
    let itself = away_from(normal(&[3, 1], 7));
    assert!(max_diff(itself.x0(), given(&model)[0].denoise(&x, at).x0()) < 1e-12);
}

/// `alpha eps - sigma x0` of a level with `alpha^2 + sigma^2 = 1`.
fn velocity(prediction: &Denoised, at: Level) -> Tensor {
    at.alpha * prediction.eps() - at.sigma * prediction.x0()
}

#[test]
fn f17_rescaling_gives_back_the_spread_of_the_condition() {
    let (model, _) = model(Target::V, Head::MeanAndNu);
    let (x, at) = (normal(&[3, 8], 1), at(500));
    let found = |rescale| {
        let guidance = Guidance { rescale, ..Guidance::scale(5.0) };
        one_pass(&model, guidance).denoise(&x, at)
    };
    let spread = |prediction: &Denoised| velocity(prediction, at).std_dim(&[1][..], true, false);
    let cond = spread(&given(&model)[0].denoise(&x, at));
    let (plain, whole, part) = (spread(&found(0.0)), spread(&found(1.0)), spread(&found(0.7)));
    assert!(max_diff(&whole, &cond) < 1e-12);
    assert!(max_diff(&plain, &cond) > 0.1, "guidance spreads");
    assert!(max_diff(&part, &(0.7 * &cond + 0.3 * &plain)) < 1e-12);
    assert!(found(1.0).nu().is_some());
    let tie: Tensor = at.alpha * found(0.7).x0() + at.sigma * found(0.7).eps();
    assert!(max_diff(&tie, &x) < 1e-12);
    // the same prediction where the signal is not shrunk: x, sigma and alpha divided by alpha
    let (mixed, cond) = (found(0.0), given(&model)[0].denoise(&x, at));
    let exploding = Level::variance_exploding(at.sigma / at.alpha);
    #[derive(Debug)]
    struct Says(Tensor);
    impl Denoiser for Says {
        fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
            Denoised::from_x0(x_t, at, self.0.shallow_clone())
        }
    }
    let away = Says((5.0 * cond.x0() - mixed.x0()) / 4.0);
    let guidance = Guidance { rescale: 0.7, ..Guidance::scale(5.0) };
    let pair = Says(cond.x0().shallow_clone()).classifier_free(away, guidance);
    let exploded = pair.denoise(&(&x / at.alpha), exploding);
    assert!(max_diff(exploded.x0(), found(0.7).x0()) < 1e-10);
}

#[test]
fn f17_outside_of_its_interval_there_is_no_guidance() {
    let (model, batches) = model(Target::V, Head::Mean);
    let guidance = Guidance { interval: Some([0.5, 5.0]), ..Guidance::scale(3.0) };
    let x = normal(&[3, 4], 1);
    let ratio = |t| at(t).sigma / at(t).alpha;
    assert!(ratio(100) < 0.5 && ratio(400) > 0.5 && ratio(500) < 5.0 && ratio(900) > 5.0);
    for (t, inside) in [(100, false), (400, true), (500, true), (900, false)] {
        let expected = match inside {
            true => one_pass(&model, Guidance::scale(3.0)).denoise(&x, at(t)),
            false => given(&model)[0].denoise(&x, at(t)),
        };
        batches.take();
        assert!(same(&one_pass(&model, guidance).denoise(&x, at(t)), &expected), "t = {t}");
        assert_eq!(batches.take(), [if inside { 6 } else { 3 }]);
        assert_eq!(guidance.evaluations(at(t)), if inside { 2 } else { 1 });
    }
    // the interval is open below and closed above
    let edge = Guidance { interval: Some([1.0, 2.0]), ..guidance };
    let scale = |sigma| edge.scale_at(Level::variance_exploding(sigma));
    assert_eq!([1.0, 1.5, 2.0, 2.5].map(scale), [1.0, 3.0, 3.0, 1.0]);
    for wrong in [
        Guidance::scale(f64::NAN),
        Guidance { rescale: 1.5, ..guidance },
        Guidance { interval: Some([2.0, 1.0]), ..guidance },
        Guidance { interval: Some([f64::NAN, 1.0]), ..guidance },
    ] {
        assert!(wrong.check().is_err(), "{wrong}");
    }
}
