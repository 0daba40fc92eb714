//! F2 to F10: the score, Bayes' rule, classifier guidance and guidance by any loss, against exact
//! classifiers and closed forms.

use crate::support::{F64, classes, close, max_diff, normal, quantiles_at_the_end, relative};
use from_noise::data::sample;
use from_noise::denoiser::{Denoised, Denoiser, Gaussian, Mixture};
use from_noise::forward::{Variance, posterior, q_sample, transition};
use from_noise::guide::{DenoiserExt, Guidance, log_prob_gradient};
use from_noise::nn::{UnetClassifier, UnetConfig};
use from_noise::noise::Seeded;
use from_noise::pretrained::{NoisedClassifierConfig, PretrainedClassifier};
use from_noise::sample::{
    GradientAt, MeanShift, ddim, ddpm, ddpm_guided, dpm_solver_2, dpm_solver_3, heun, unipc,
};
use from_noise::schedule::{Level, Path, Schedule};
use tch::{Kind, Tensor, nn};

fn at(t: usize) -> Level {
    Schedule::ddpm(1000).level(t)
}

/// The class of [`classes`], by its components.
const CLASS: [i64; 2] = [2, 3];

/// What the best noised classifier says of the class.
fn exact(all: &Mixture) -> impl Fn(&Tensor, Level) -> Tensor + '_ {
    |x_t, at| all.class_log_prob(&CLASS, x_t, at)
}

fn no_noise(_: &Tensor) -> Tensor {
    unreachable!("this sampler draws no noise")
}

#[test]
fn f2_the_score_is_the_gradient_of_the_log_density() {
    let (all, _) = classes();
    for at in [at(1), at(50), at(400), at(1000)] {
        let x = normal(&[64, 1], 1);
        let score = log_prob_gradient(|x, at| all.log_density(x, at), &x, at);
        let prediction = all.denoise(&x, at);
        assert!(
            max_diff(&prediction.score(at), &score) < 1e-8 * score.abs().max().double_value(&[])
        );
        // in terms of the noise: score = -eps / sigma
        assert!(max_diff(&(-prediction.eps() / at.sigma), &prediction.score(at)) == 0.0);
    }
}

#[test]
fn f3_the_scores_of_bayes_rule_add() {
    let (all, class) = classes();
    for at in [at(1), at(50), at(400), at(1000)] {
        let x = normal(&[64, 1], 2);
        let of = |data: &Mixture| log_prob_gradient(|x, at| data.log_density(x, at), &x, at);
        let sum = of(&all) + log_prob_gradient(exact(&all), &x, at);
        let gap = max_diff(&sum, &of(&class)) / sum.abs().max().double_value(&[]);
        assert!(gap < 1e-12, "sigma {}: {gap:e}", at.sigma);
        // p(y | x_t) is a probability: that of the other class is what is left
        let others = all.class_log_prob(&[0, 1], &x, at).exp();
        let total = all.class_log_prob(&CLASS, &x, at).exp() + others;
        assert!(max_diff(&total, &total.ones_like()) < 1e-12);
    }
}

#[test]
fn f4_the_gradient_is_each_sample_s_own_and_leaves_no_graph() {
    let vs = nn::VarStore::new(tch::Device::Cpu);
    let config = UnetConfig { out_channels: 10, ..UnetConfig::tiny() };
    let net = UnetClassifier::new(&vs.root(), &config);
    tch::no_grad(|| vs.trainable_variables().iter_mut().for_each(|w| drop(w.normal_(0.0, 0.2))));
    let x = normal(&[3, 1, 28, 28], 3).to_kind(Kind::Float);
    let log_prob = |x: &Tensor, at: Level| {
        let t = Tensor::from_slice(&[Schedule::ddpm(1000).t_of(at) as f32]);
        net.forward(x, &t, false).log_softmax(1, None::<Kind>).select(1, 7)
    };
    let found = {
        let _guard = tch::no_grad_guard(); // as within a sampler
        log_prob_gradient(log_prob, &x, at(300))
    };
    assert!(!found.requires_grad() && !x.requires_grad(), "a graph is left");
    let weights = vs.trainable_variables();
    assert!(weights.iter().all(|w| !w.grad().defined()), "the weights were given gradients");
    for i in 0..3 {
        let alone = log_prob_gradient(log_prob, &x.narrow(0, i, 1), at(300));
        let gap = max_diff(&alone, &found.narrow(0, i, 1));
        assert!(gap < 1e-5 * alone.abs().max().double_value(&[]), "image {i}: {gap:e}");
        // along it the logarithm grows by its norm
        let (one, norm) = (x.narrow(0, i, 1), alone.square().sum(None::<Kind>).sqrt());
        let way = 0.2 * &alone / &norm;
        let slope = (log_prob(&(&one + &way), at(300)) - log_prob(&(&one - &way), at(300))) / 0.4;
        relative(slope.double_value(&[0]), norm.double_value(&[]), 0.02);
    }
}

#[test]
#[should_panic(expected = "one number per sample")]
fn f4_a_mean_over_the_batch_is_no_log_probability_of_each() {
    let _ = log_prob_gradient(|x, _| x.mean(None::<Kind>), &normal(&[3, 1], 0), at(10));
}

/// Ancestral samples of 200 latents, guided by the exact classifier.
fn ancestral(scale: f64, gradient_at: GradientAt, variance: Variance, steps: usize) -> Tensor {
    let (all, _) = classes();
    let mut noise = Seeded::new(4, 0);
    let path = Schedule::ddpm(1000).path(Path::Trailing, steps);
    let shift = MeanShift { log_prob: &exact(&all), scale, gradient_at };
    let start = normal(&[400, 1], 5);
    ddpm_guided(&all, &path, start, variance, &shift, &mut |x| noise.draw(x))
}

#[test]
fn f4_scale_0_is_the_unguided_sample_to_the_last_bit() {
    let (all, _) = classes();
    for variance in [Variance::Small, Variance::Large] {
        let mut noise = Seeded::new(4, 0);
        let path = Schedule::ddpm(1000).path(Path::Trailing, 20);
        let plain = ddpm(&all, &path, normal(&[400, 1], 5), variance, &mut |x| noise.draw(x));
        for gradient_at in [GradientAt::Mean, GradientAt::Sample] {
            assert_eq!(ancestral(0.0, gradient_at, variance, 20), plain);
            assert_ne!(ancestral(1.0, gradient_at, variance, 20), plain);
        }
    }
    // Algorithm 2 asks no classifier at all
    let silent = all.classifier_guided(|_, _| unreachable!("scale 0"), 0.0);
    let x = normal(&[5, 1], 6);
    let (all, _) = classes();
    assert_eq!(silent.denoise(&x, at(300)).eps(), all.denoise(&x, at(300)).eps());
}

#[test]
fn f4_the_mean_is_shifted_by_the_variance_times_the_gradient() {
    let (all, _) = classes();
    let (x, t, s) = (normal(&[50, 1], 7), at(400), at(300));
    let q = posterior(t, s);
    let mean = q.mean(all.denoise(&x, t).x0(), &x);
    for (variance, var) in [(Variance::Small, q.var_small), (Variance::Large, q.var_large)] {
        for (gradient_at, point, level) in
            [(GradientAt::Mean, &mean, s), (GradientAt::Sample, &x, t)]
        {
            let label = all.responsibilities(point, level).narrow(1, 2, 2);
            let p = label.sum_dim_intlist(1, true, None); // p(y | x) and its slope by differences
            let h = 1e-5;
            let above = all.class_log_prob(&CLASS, &(point + h), level);
            let below = all.class_log_prob(&CLASS, &(point - h), level);
            assert!(
                max_diff(&p.log().squeeze_dim(1), &all.class_log_prob(&CLASS, point, level))
                    < 1e-10
            );
            let slope = ((above - below) / (2.0 * h)).unsqueeze(1);
            let shift = MeanShift { log_prob: &exact(&all), scale: 2.0, gradient_at };
            // a path of two steps whose second one only reports where the first arrived
            let found = arrival(&all, [t, s], &x, variance, &shift);
            assert!(max_diff(&found, &(&mean + 2.0 * var * slope)) < 1e-7);
        }
    }
}

/// Where the first step arrives if its noise is zero.
fn arrival(
    model: &Mixture,
    [t, s]: [Level; 2],
    x: &Tensor,
    variance: Variance,
    shift: &MeanShift,
) -> Tensor {
    let recorded = model.recorded();
    let path = [t, s, Level::CLEAN];
    let _ =
        ddpm_guided(&recorded, &path, x.shallow_clone(), variance, shift, &mut |x| x.zeros_like());
    recorded.take().swap_remove(1).x_t
}

#[test]
fn f4_where_the_gradient_is_taken_matters_less_with_more_steps() {
    let gap = |steps| {
        let [paper, code] = [GradientAt::Mean, GradientAt::Sample]
            .map(|place| ancestral(1.0, place, Variance::Large, steps));
        (paper - code).square().mean(None::<Kind>).sqrt().double_value(&[])
    };
    let (few, many) = (gap(10), gap(500));
    assert!(few > 5.0 * many && many < 0.05, "{few} and {many}");
}

#[test]
fn f4_at_scale_1_both_draw_the_class() {
    // The share in the outer mode, mean and spread of the class 0.4 N(0.3, 0.3^2) + 0.6 N(1.2, 0.2^2).
    let (mean, var) = (0.4 * 0.3 + 0.6 * 1.2, 0.4 * 0.09 + 0.6 * 0.04 + 0.24 * 0.81);
    for gradient_at in [GradientAt::Mean, GradientAt::Sample] {
        let x = ancestral(1.0, gradient_at, Variance::Large, 500);
        // of 400 samples the mean is known to 0.025, the variance to about 0.015
        close(x.mean(None::<Kind>).double_value(&[]), mean, 0.08);
        close(x.var(true).double_value(&[]), var, 0.05);
    }
}

#[test]
fn f5_at_scale_1_the_class_conditional_sampler_is_found_exactly() {
    let (all, class) = classes();
    let guided = (&all).classifier_guided(exact(&all), 1.0);
    for at in [at(1), at(50), at(400), at(1000), Level::variance_exploding(2.0)] {
        let x = normal(&[64, 1], 8);
        let (found, wanted) = (guided.denoise(&x, at), class.denoise(&x, at));
        assert!(
            max_diff(found.eps(), wanted.eps()) < 1e-8,
            "{}",
            max_diff(found.eps(), wanted.eps())
        );
        assert!(max_diff(found.x0(), wanted.x0()) < 1e-6 / at.alpha);
    }
    let (path, start) = (Schedule::ddpm(1000).path(Path::LogSnr, 50), normal(&[64, 1], 9));
    type Solver = fn(&dyn Denoiser, &[Level], Tensor) -> Tensor;
    let plain: Solver = |model, path, start| ddim(model, path, start, 0.0, &mut no_noise);
    let samplers: [Solver; 5] = [plain, heun, dpm_solver_2, dpm_solver_3, unipc];
    for sample in samplers {
        let [found, wanted]: [Tensor; 2] = [&guided as &dyn Denoiser, &class]
            .map(|model| sample(model, &path, start.shallow_clone()));
        assert!(max_diff(&found, &wanted) < 1e-7, "{}", max_diff(&found, &wanted));
    }
    for eta in [0.5, 1.0] {
        let [found, wanted] = [&guided as &dyn Denoiser, &class].map(|model| {
            let mut noise = Seeded::new(1, 0);
            ddim(model, &path, start.shallow_clone(), eta, &mut |x| noise.draw(x))
        });
        assert!(max_diff(&found, &wanted) < 1e-7);
    }
}

#[test]
fn f5_in_an_ancestral_step_the_score_form_shifts_by_the_variance_of_the_step_up() {
    // through x0, the score's share sigma^2 / alpha of the gradient arrives as beta' / r of it
    let (all, _) = classes();
    let (x, t, s) = (normal(&[50, 1], 7), at(400), at(300));
    let guided = (&all).classifier_guided(exact(&all), 2.0);
    let (q, up) = (posterior(t, s), transition(t, s));
    let mean = |model: &dyn Denoiser| q.mean(model.denoise(&x, t).x0(), &x);
    let shift = mean(&guided) - mean(&all);
    let gradient = log_prob_gradient(exact(&all), &x, t);
    assert!(max_diff(&shift, &(2.0 * up.var / up.scale * gradient)) < 1e-12);
    // Algorithm 1's, with the large variance, but for the factor r; with the small one it is less
    close(q.var_large, up.var, 1e-15);
    relative(q.var_small / up.var, (s.sigma / t.sigma).powi(2), 1e-12);
}

#[test]
fn f5_without_fresh_noise_the_class_is_drawn_quantile_by_quantile() {
    let z = Tensor::linspace(-2.0, 2.0, 41, F64).view([41, 1]);
    let schedule = Schedule::ddpm(1000);
    let wanted =
        quantiles_at_the_end(&z, schedule.level(1000), &[0.4, 0.6], &[0.3, 1.2], &[0.3, 0.2]);
    let (all, _) = classes();
    let guided = (&all).classifier_guided(exact(&all), 1.0);
    let error = |steps| {
        let path = schedule.path(Path::LogSnr, steps);
        let found = ddim(&guided, &path, z.shallow_clone(), 0.0, &mut no_noise);
        (found - &wanted).square().mean(None::<Kind>).sqrt().double_value(&[])
    };
    let (coarse, fine) = (error(100), error(200));
    assert!(fine < 0.02, "{fine}");
    close((coarse / fine).log2(), 1.0, 0.15); // an Euler method
}

#[test]
fn f5_a_step_without_variance_cannot_shift_its_mean() {
    // DDIM's step at eta = 0 has Sigma = 0, so that mu + s Sigma grad = mu; by the score it is led.
    let (all, _) = classes();
    let (path, start) = (Schedule::ddpm(1000).path(Path::LogSnr, 50), normal(&[200, 1], 10));
    let run = |model: &dyn Denoiser| ddim(model, &path, start.shallow_clone(), 0.0, &mut no_noise);
    let purity = |x: &Tensor| {
        all.class_log_prob(&CLASS, x, Level::CLEAN).exp().mean(None::<Kind>).double_value(&[])
    };
    let (plain, led) = (run(&all), run(&(&all).classifier_guided(exact(&all), 1.0)));
    assert!(purity(&plain) < 0.6 && purity(&led) > 0.85, "{} {}", purity(&plain), purity(&led));
}

#[test]
fn f6_larger_scales_are_purer_and_more_alike() {
    let means = Tensor::from_slice(&[-0.6, 0.6]).view([2, 1]);
    let all = Mixture::new(&[0.5, 0.5], &means, &[0.5, 0.5]);
    let log_prob = |x: &Tensor, at: Level| all.class_log_prob(&[1], x, at);
    let path = Schedule::ddpm(1000).path(Path::LogSnr, 100);
    // equally likely starts: the quantiles of the standard normal distribution
    let p: Tensor = (2.0 * Tensor::arange(400, F64) + 1.0) / 400.0 - 1.0;
    let start = (p.erfinv() * 2f64.sqrt()).view([-1, 1]);
    let mut last: Option<(f64, f64)> = None;
    for scale in [0.0, 0.5, 1.0, 2.0, 5.0, 10.0] {
        let guided = (&all).classifier_guided(log_prob, scale);
        let x = dpm_solver_3(&guided, &path, start.shallow_clone());
        let purity = log_prob(&x, Level::CLEAN).exp(); // of each sample
        let spread = spread_within(&x, &purity);
        let purity = purity.mean(None::<Kind>).double_value(&[]);
        if let Some((less_pure, more_spread)) = last {
            assert!(purity > less_pure, "scale {scale}: purity {purity} after {less_pure}");
            assert!(spread < more_spread, "scale {scale}: spread {spread} after {more_spread}");
        }
        last = Some((purity, spread));
    }
    let (purity, spread) = last.unwrap();
    assert!(purity > 0.999 && spread < 0.4, "{purity} {spread}");
}

/// The standard deviation of samples, each weighed by how much it is of the class.
fn spread_within(x: &Tensor, weight: &Tensor) -> f64 {
    let (x, total) = (x.squeeze_dim(1), weight.sum(None::<Kind>));
    let mean: Tensor = (&x * weight).sum(None::<Kind>) / &total;
    let var = ((&x - mean).square() * weight).sum(None::<Kind>) / total;
    var.sqrt().double_value(&[])
}

/// The classifiers that come along, on the test digits that come along.
#[test]
fn f7_a_noised_classifier_is_right_in_noise_and_knows_when_it_cannot_be() {
    let load = |name: &str| {
        let dir = format!("{}/weights/{name}", env!("CARGO_MANIFEST_DIR"));
        let found = PretrainedClassifier::load(dir, tch::Device::Cpu).unwrap();
        assert_eq!(found.config.network, NoisedClassifierConfig::mnist().network);
        found
    };
    let nets = [load("mnist-noised-classifier"), load("mnist-clean-classifier")];
    assert!(nets[0].config.noised && !nets[1].config.noised);
    let digits = sample::dataset();
    let (x0, labels) = (sample::digits(), &digits.labels);
    let eps = normal(&x0.size(), 18).to_kind(Kind::Float);
    let seen = |t: usize| {
        let x_t = q_sample(&x0, &eps, at(t));
        nets.each_ref().map(|net| {
            let logits = tch::no_grad(|| net.classifier.logits(&x_t, &at(t).into(), false));
            let (sure, class) = logits.softmax(1, None::<Kind>).max_dim(1, false);
            let right = class.eq_tensor(labels).to_kind(Kind::Float);
            [right, sure].map(|x| x.mean(None::<Kind>).double_value(&[]))
        })
    };
    let [noised, clean] = seen(1);
    assert!(noised[0] > 0.97 && clean[0] > 0.97, "{noised:?} {clean:?}");
    let [noised, clean] = seen(350);
    assert!(noised[0] > 0.85 && clean[0] < 0.65, "{noised:?} {clean:?}");
    close(noised[0], noised[1], 0.05); // as sure as it is right
    let [noised, clean] = seen(1000);
    assert!(noised[0] < 0.2 && noised[1] < 0.2, "{noised:?}");
    assert!(clean[1] > 0.5, "sure of noise: {clean:?}");
    // the probabilities that guidance asks for are these
    let log_p = nets[0].classifier.log_prob(labels)(&x0, at(1));
    let p = nets[0].classifier.logits(&x0, &at(1).into(), false).softmax(1, None::<Kind>);
    let of_label = p.gather(1, &labels.unsqueeze(1), false).squeeze_dim(1);
    assert!(max_diff(&log_p.exp(), &of_label) < 1e-6);
}

#[test]
fn f8_a_classifier_of_clean_data_points_elsewhere_in_noise() {
    let (all, _) = classes();
    // the clean classifier is asked about x_t as if it were a clean sample
    let clean = |x: &Tensor, _: Level| all.class_log_prob(&CLASS, x, Level::CLEAN);
    let mut noise = Seeded::new(11, 0);
    let mut errors = Vec::new();
    for t in [1, 20, 100, 300, 500, 800] {
        let at = at(t);
        // x_t as the data give it: half of them on either side
        let x0 = Tensor::from_slice(&[-1.2, -0.3, 0.3, 1.2]).repeat([100]).view([400, 1]);
        let x = at.alpha * (&x0 + 0.27 * noise.draw(&x0)) + at.sigma * noise.draw(&x0);
        let right = log_prob_gradient(exact(&all), &x, at);
        let wrong = log_prob_gradient(clean, &x, at);
        let norm = |x: &Tensor| x.square().mean(None::<Kind>).sqrt().double_value(&[]);
        errors.push(norm(&(wrong - &right)) / norm(&right));
    }
    assert!(errors[0] < 0.05, "nearly no noise: {errors:?}");
    assert!(errors.is_sorted() && errors[2] > 0.5 && errors[4] > 3.0, "{errors:?}");
    // too large by far where there is much noise, it drives all samples past the inner mode, which
    // has 0.32 of the class here
    let path = Schedule::ddpm(1000).path(Path::LogSnr, 100);
    let share = |log_prob: &dyn Fn(&Tensor, Level) -> Tensor| {
        let guided = (&all).classifier_guided(log_prob, 1.0);
        let x = ddim(&guided, &path, normal(&[400, 1], 12), 0.0, &mut no_noise);
        let inner = x.gt(0.0).logical_and(&x.lt(0.75)).to_kind(Kind::Double);
        inner.mean(None::<Kind>).double_value(&[])
    };
    let (noised, clean) = (share(&exact(&all)), share(&clean));
    close(noised, 0.32, 0.06);
    assert!(clean < 0.02, "{clean}");
}

#[test]
fn f10_a_linear_loss_shifts_a_gaussian_by_a_closed_form() {
    // The sampling equation dx / d ln(alpha) = x + grad log p(x_t) + g of data N(m, std^2), where g
    // is the slope of the guiding function at all levels. Without g, x - alpha m grows like the
    // deviation of x_t, sqrt(v) with v = 1 - c alpha^2, c = 1 - std^2. So g adds
    // std * g * integral of 1 / (alpha sqrt(v)) from alpha_T to 1.
    let schedule = Schedule::ddpm(1000);
    let slope = Tensor::from_slice(&[0.3, -0.7]);
    let linear = |x: &Tensor, _: Level| x.matmul(&slope);
    let start = normal(&[20, 2], 13);
    for (mean, std) in [(0.0, 1.0), (0.4, 0.5), (-1.0, 0.2)] {
        let data = Gaussian { mean, std };
        let path = schedule.path(Path::LogSnr, 300);
        let sample = |scale| {
            dpm_solver_3(&data.classifier_guided(linear, scale), &path, start.shallow_clone())
        };
        let top = schedule.level(1000);
        let root = data.variance_at(top).sqrt();
        let factor = std * ((1.0 + root) / (top.alpha * (1.0 + std))).ln();
        for scale in [1.0, -2.0] {
            let shift = sample(scale) - sample(0.0);
            let wanted = (scale * factor * &slope).expand_as(&shift);
            let gap = max_diff(&shift, &wanted) / factor;
            assert!(gap < 3e-3, "std {std}: {gap:e}"); // the last step, from t = 1, is Euler's
        }
    }
}

#[test]
fn f10_a_linear_loss_shifts_ancestral_samples_by_the_sum_of_their_variances() {
    // Data N(0, 1): each step is x_s = r x_t + shift + noise with the forward step's own r.
    let (data, slope) = (Gaussian { mean: 0.0, std: 1.0 }, Tensor::from_slice(&[0.3, -0.7]));
    let linear = |x: &Tensor, _: Level| x.matmul(&slope);
    let path = Schedule::ddpm(1000).path(Path::Trailing, 50);
    for gradient_at in [GradientAt::Mean, GradientAt::Sample] {
        let sample = |scale| {
            let mut noise = Seeded::new(14, 0);
            let shift = MeanShift { log_prob: &linear, scale, gradient_at };
            let start = normal(&[20, 2], 13);
            ddpm_guided(&data, &path, start, Variance::Large, &shift, &mut |x| noise.draw(x))
        };
        let mut factor = 0.0;
        for step in path.windows(2) {
            let r = step[0].alpha / step[1].alpha;
            let last = step[1].is_clean(); // arrives without noise, so without shift
            factor = r * factor + if last { 0.0 } else { 1.0 - r * r };
        }
        let shift = sample(1.5) - sample(0.0);
        assert!(max_diff(&shift, &(1.5 * factor * &slope).expand_as(&shift)) < 1e-12);
    }
}

#[test]
fn f12_guidance_by_the_exact_classifier_is_classifier_free_guidance() {
    let (all, class) = classes();
    for s in [0.0, 0.5, 1.0, 3.0, 7.5] {
        let free = (&class).classifier_free(&all, Guidance::scale(s));
        let by = (&all).classifier_guided(exact(&all), s);
        // on the conditional model the scales differ by one
        let beside = (&class).classifier_guided(exact(&all), s - 1.0);
        for at in [at(50), at(400), at(900)] {
            let x = normal(&[64, 1], 15);
            let free = free.denoise(&x, at);
            for other in [by.denoise(&x, at), beside.denoise(&x, at)] {
                let gap = max_diff(free.eps(), other.eps());
                assert!(gap < 1e-9, "scale {s}: {gap:e}");
            }
        }
        let path = Schedule::ddpm(1000).path(Path::LogSnr, 30);
        let [a, b] = [&free as &dyn Denoiser, &by]
            .map(|model| ddim(model, &path, normal(&[64, 1], 16), 0.0, &mut no_noise));
        assert!(max_diff(&a, &b) < 1e-8, "scale {s}: {:e}", max_diff(&a, &b));
    }
}

/// A network's prediction with a learned variance.
struct WithNu(Mixture);

impl Denoiser for WithNu {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        self.0.denoise(x_t, at).with_nu(Some(x_t.full_like(0.3)))
    }
}

#[test]
fn f5_guidance_keeps_the_tie_and_the_variance_and_works_beside_other_wrappers() {
    let (all, _) = classes();
    let x = normal(&[64, 1], 17);
    let guided = || WithNu(classes().0).classifier_guided(exact(&all), 2.0);
    for at in [at(1), at(400), at(1000)] {
        let found = guided().denoise(&x, at);
        let tie: Tensor = at.alpha * found.x0() + at.sigma * found.eps();
        assert!(max_diff(&tie, &x) < 1e-12);
        assert_eq!(found.nu().unwrap().double_value(&[0, 0]), 0.3);
        // clipped after it is guided
        let recorded = guided().clip(0.5).recorded();
        let clipped = recorded.denoise(&x, at);
        assert_eq!(clipped.x0(), &found.x0().clamp(-0.5, 0.5));
        let seen = recorded.take().remove(0);
        assert!(!seen.x0.requires_grad() && !seen.x_t.requires_grad());
    }
    // where there is no noise, or no signal, there is nothing to guide
    let pure = Level { alpha: 0.0, sigma: 1.0 };
    let at_the_top = |x: &Tensor, _: Level| x.sum_dim_intlist(1, false, None::<Kind>);
    let still = (&all).classifier_guided(at_the_top, 5.0).denoise(&x, pure);
    assert_eq!(still.x0(), all.denoise(&x, pure).x0());
    let gaussian = Gaussian { mean: 0.2, std: 0.5 };
    let clean = gaussian.classifier_guided(at_the_top, 5.0).denoise(&x, Level::CLEAN);
    assert_eq!(clean.x0(), gaussian.denoise(&x, Level::CLEAN).x0());
}
