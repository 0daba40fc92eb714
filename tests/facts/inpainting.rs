//! Inpainting with a network that was not trained for it (projection, RePaint, image to image) and with
//! one that was.

use crate::support::{F64, close, max_diff, normal};
use from_noise::checkpoint::load_weights_to_grow;
use from_noise::data::{Mask, from_u8, sample};
use from_noise::denoiser::{Denoised, Denoiser};
use from_noise::evaluate::{
    Generator, ImageSampler, Inpainter, Inpainting, Known, Sampler, Sampling,
};
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::{DenoiserExt, Guidance};
use from_noise::metrics::seam;
use from_noise::noise::Seeded;
use from_noise::pretrained::{Pretrained, masked};
use from_noise::sample::{Resampling, ddim, ddpm, repaint};
use from_noise::schedule::{Level, Path, Schedule};
use tch::{Kind, Tensor, nn};

/// Two coordinates of unit variance and this correlation: `x1` given `x0` is
/// `N(rho x0, 1 - rho^2)`.
const RHO: f64 = 0.9;

struct Correlated;

impl Denoiser for Correlated {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let sigma = Tensor::from_slice2(&[[1.0, RHO], [RHO, 1.0]]);
        let total = at.alpha.powi(2) * &sigma + at.sigma.powi(2) * Tensor::eye(2, F64);
        // E[x0 | x_t] = alpha Sigma (alpha^2 Sigma + sigma^2 I)^-1 x_t
        Denoised::from_x0(x_t, at, x_t.matmul(&(at.alpha * sigma.matmul(&total.inverse())).tr()))
    }
}

fn path(steps: usize) -> Vec<Level> {
    Schedule::ddpm(1000).path(Path::Trailing, steps)
}

fn start(n: i64) -> Tensor {
    normal(&[n, 2], 5)
}

/// The first coordinate is known to be 1.
fn observed() -> (Tensor, Tensor) {
    (Tensor::from_slice2(&[[1.0, 0.0]]), Tensor::from_slice2(&[[true, false]]))
}

#[test]
fn h3_what_is_known_is_kept_to_the_last_bit_and_nothing_else_is_touched() {
    let (x, path) = (start(64), path(20));
    let (known, all) = (normal(&[64, 2], 6), Tensor::ones([64, 2], (Kind::Bool, F64.1)));
    let none = all.logical_not();
    let plain = ddim(&Correlated, &path, x.shallow_clone(), 0.0, &mut |_| unreachable!());
    let projected = |mask: &Tensor| {
        let model = Correlated.project(known.shallow_clone(), mask.shallow_clone());
        ddim(&model, &path, x.shallow_clone(), 0.0, &mut |_| unreachable!())
    };
    assert_eq!(projected(&all), known);
    assert_eq!(projected(&none), plain);

    let noise = || {
        let mut seeded = Seeded::new(4, 0);
        move |x: &Tensor| seeded.draw(x)
    };
    let draw = |mask: &Tensor, times: usize| {
        let resampling = Resampling { jump: 2, times };
        let (x, both) = (x.shallow_clone(), (&known, mask));
        repaint(&Correlated, &path, x, both, resampling, Variance::Small, &mut noise())
    };
    assert_eq!(draw(&all, 3), known);
    // with nothing known and no way back it is ancestral sampling that draws twice the noise
    let mut every_other = noise();
    let mut skip = |x: &Tensor| {
        let z = every_other(x);
        let _ = every_other(x);
        z
    };
    let plain = ddpm(&Correlated, &path, x.shallow_clone(), Variance::Small, &mut skip);
    assert_eq!(draw(&none, 1), plain);
    let half = Tensor::from_slice2(&[[true, false]]);
    let (kept, free) = (draw(&half, 2), draw(&none, 2));
    assert_eq!(kept.select(1, 0), known.select(1, 0));
    assert!(max_diff(&kept.select(1, 1), &free.select(1, 1)) > 0.1, "the rest hears of it");
}

#[test]
fn h4_repaint_goes_back_as_often_as_published() {
    // Lugmayr et al. 2022: T = 250, j = 10, r = 10
    let visits = Resampling::PAPER.visits(250);
    assert_eq!(visits.len() - 1, 4570);
    assert_eq!(Resampling::PAPER.evaluations(250), 2410);
    assert_eq!((visits[0], visits[4570]), (0, 250));
    assert!(visits.windows(2).all(|step| step[0].abs_diff(step[1]) == 1));
    // the first way back starts 230 levels above the least noisy one and leads up ten levels
    assert_eq!(visits[18..31], [18, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 10]);
    let straight: Vec<usize> = (0..=250).collect();
    assert_eq!(Resampling::NONE.visits(250), straight);
}

#[test]
fn h6_resampling_removes_the_bias_of_projection() {
    let n = 4000;
    let ((known, mask), path) = (observed(), path(50));
    let moments = |x: &Tensor| {
        let x = x.select(1, 1);
        (x.mean(Kind::Double).double_value(&[]), x.std(true).double_value(&[]))
    };
    let truth = (RHO, (1.0 - RHO * RHO).sqrt());
    let error = |(mean, std): (f64, f64)| (mean - truth.0).abs() + (std - truth.1).abs();
    let errors = [1, 3, 10].map(|times| {
        let mut seeded = Seeded::new(8, 0);
        let resampling = Resampling { jump: 5, times };
        let (x, both) = (start(n), (&known, &mask));
        let noise = &mut |x: &Tensor| seeded.draw(x);
        let x0 = repaint(&Correlated, &path, x, both, resampling, Variance::Small, noise);
        error(moments(&x0))
    });
    println!("RePaint, r = 1, 3, 10: {errors:.3?}");
    assert!(errors[0] > 0.1, "replacement alone is biased: {errors:?}");
    assert!(errors[0] > 1.5 * errors[1] && errors[1] > errors[2], "{errors:?}");
    assert!(errors[2] < errors[0] / 4.0, "{errors:?}");
    let model = Correlated.project(known, mask);
    let x0 = ddim(&model, &path, start(n), 0.0, &mut |_| unreachable!());
    println!("projection: {:.3}", error(moments(&x0)));
    assert!(error(moments(&x0)) > 0.1, "projection is biased, too");
}

#[test]
fn h10_strength_leads_from_the_image_to_a_sample() {
    // SDEdit: noise the image up to a level, and draw it down from there
    let (n, schedule) = (20_000, Schedule::ddpm(1000));
    let image = Tensor::from_slice2(&[[2.0, -2.0]]).expand([n, 2], true); // nothing like the data
    let from = |t: usize| {
        let path = schedule.path(Path::Trailing, 100);
        let path: Vec<Level> =
            path.into_iter().filter(|at| schedule.t_of(*at) <= t as f64).collect();
        let x = q_sample(&image, &normal(&[n, 2], 9), path[0]);
        ddim(&Correlated, &path, x, 0.0, &mut |_| unreachable!())
    };
    assert_eq!(from(0), image, "without noise the image stays");
    let correlation = |x: &Tensor| {
        let product = x.select(1, 0) * x.select(1, 1);
        product.mean(Kind::Double).double_value(&[])
    };
    let found = [0, 200, 500, 1000].map(|t| correlation(&from(t)));
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
    close(found[3], RHO, 0.1);
}

#[test]
fn h3_an_inpainter_completes_the_same_images_in_any_batch() {
    let trained = Pretrained::load("weights/mnist-ddpm", F64.1).unwrap();
    let digits = sample::dataset().first(3);
    let known = || Known {
        images: from_u8(&digits.images),
        mask: Tensor::arange(28, (Kind::Int64, F64.1)).lt(14).unsqueeze(1).expand([28, 28], true),
        name: "upper half".into(),
        classes: Some(digits.labels.shallow_clone()),
    };
    let (sampler, path) = (Sampler::Ddim(0.0), Path::Trailing);
    let sampling = Sampling { sampler, path, steps: 6, seed: 1 };
    let back = Resampling { jump: 2, times: 2 };
    for (how, nfe, sampler) in [
        (Inpainting::Project, 6, "DDIM eta 0"),
        (Inpainting::Repaint(Resampling::NONE), 6, "DDPM small"),
        (Inpainting::Repaint(back), 6 + 2 * 2, "DDPM small"),
    ] {
        let images = Inpainter::new(&trained, sampling, how, known()).unwrap();
        let recipe = images.recipe();
        assert_eq!((recipe.nfe, recipe.sampler.as_str()), (nfe, sampler), "{how}");
        assert!(recipe.condition.contains("upper half"), "{}", recipe.condition);
        let mut looks = 0;
        let all = images.draw(0, 5, &mut |_| looks += 1);
        assert_eq!(looks, nfe);
        let later = images.draw(3, 2, &mut |_| {});
        assert!(max_diff(&all.narrow(0, 3, 2), &later) < 1e-4, "{how}");
        // number 3 completes the first digit again, from other noise
        let upper = |x: &Tensor| x.narrow(2, 0, 14);
        let first = known().images.narrow(0, 0, 1);
        assert_eq!(upper(&all.narrow(0, 3, 1)), upper(&first), "{how}");
        assert!(max_diff(&all.get(0), &all.get(3)) > 0.01, "{how}");
        let classes = images.classes(2, 2).unwrap();
        assert_eq!(classes.int64_value(&[1]), digits.labels.int64_value(&[0]));
    }
    let small = Known { mask: Tensor::ones([14, 14], (Kind::Bool, F64.1)), ..known() };
    let why = Inpainter::new(&trained, sampling, Inpainting::Project, small).unwrap_err();
    assert!(why.to_string().contains("its mask [14, 14]"), "{why}");
}

/// What is known of the first digits, by a mask.
fn digits_behind(mask: Mask, n: usize) -> Known {
    let digits = sample::dataset().first(n);
    Known {
        images: from_u8(&digits.images),
        mask: mask.of(28),
        name: mask.to_string(),
        classes: Some(digits.labels),
    }
}

/// GLIDE (Nichol et al. 2021, section 4.3): `2C + 1` input channels, the new ones weighted by zero.
#[test]
fn h5_a_network_to_be_trained_on_holes_starts_as_the_one_it_comes_from() {
    let images = sample::digits().narrow(0, 0, 3);
    let known = Mask::Half.of(28).expand([3, 1, 28, 28], false);
    let planes = masked(&images, &known).planes;
    assert_eq!(planes.size(), [3, 2, 28, 28]);
    assert_eq!(planes.narrow(1, 1, 1), known.to_kind(Kind::Float));
    assert_eq!(planes.narrow(1, 0, 1), images.where_self(&known, &images.zeros_like()));

    let config = Pretrained::config("weights/mnist-inpainting").unwrap();
    assert_eq!(config.network.in_channels, 2 * config.network.out_channels + 1);
    let base = Pretrained::load("weights/mnist-ddpm", F64.1).unwrap();
    let vs = nn::VarStore::new(F64.1);
    let grown = config.build(&vs.root());
    load_weights_to_grow(&vs, "weights/mnist-ddpm/ema.safetensors").unwrap();
    let predict = |model: &dyn Denoiser| {
        let x0 = model.denoise(&images, base.schedule.level(500)).x0().shallow_clone();
        assert!(max_diff(&x0, &images) > 0.1, "it says something");
        x0
    };
    let before = predict(&base.model.given(None));
    assert!(max_diff(&before, &predict(&grown.given(masked(&images, &known)))) < 1e-5);
    // once it is trained it looks at what is known
    let trained = Pretrained::load("weights/mnist-inpainting", F64.1).unwrap();
    let seeing = predict(&trained.model.given(masked(&images, &known)));
    let blind = predict(&trained.model.given(masked(&images, &known.zeros_like())));
    assert!(max_diff(&seeing, &blind) > 0.1);
}

#[test]
fn h5_trained_for_it_a_network_fits_its_holes_better() {
    let [base, trained] = ["weights/mnist-ddpm", "weights/mnist-inpainting"]
        .map(|dir| Pretrained::load(dir, F64.1).unwrap());
    let (sampler, path) = (Sampler::Ddim(0.0), Path::Trailing);
    let sampling = Sampling { sampler, path, steps: 20, seed: 3 };
    for mask in [Mask::Half, Mask::Box] {
        let known = || digits_behind(mask, 64);
        let seam_of = |by: &Pretrained, how| {
            let images = Inpainter::new(by, sampling, how, known()).unwrap();
            assert_eq!(images.recipe().nfe, 20);
            let drawn = images.draw(0, 64, &mut |_| {});
            let kept = known().images.where_self(&known().mask, &drawn);
            assert_eq!(kept, drawn, "what is known is kept to the last bit");
            seam(&drawn, &known().mask).mean(Kind::Double).sqrt().double_value(&[])
        };
        let real = seam(&known().images, &known().mask).mean(Kind::Double).sqrt().double_value(&[]);
        let projected = seam_of(&base, Inpainting::Project);
        let seen = seam_of(&trained, Inpainting::Trained);
        println!("{mask}: projection {projected:.3}, trained {seen:.3}, real digits {real:.3}");
        assert!((seen - real).abs() < 0.5 * (projected - real), "{projected} {seen} {real}");
    }
    // each only does what it was trained to
    for (by, how, why) in [
        (&base, Inpainting::Trained, "was not trained to inpaint"),
        (&trained, Inpainting::Project, "was trained to inpaint"),
        (&trained, Inpainting::Repaint(Resampling::NONE), "was trained to inpaint"),
    ] {
        let said = Inpainter::new(by, sampling, how, digits_behind(Mask::Half, 2)).unwrap_err();
        assert!(said.to_string().contains(why), "{said}");
    }
    // where nothing is known it draws whole digits
    let free = ImageSampler::new(&trained, sampling).unwrap();
    assert_eq!(free.recipe().condition, "from nothing known");
    let ink = free.draw(0, 16, &mut |_| {}).gt(0.0).to_kind(Kind::Double);
    let ink = ink.mean_dim(&[1i64, 2, 3][..], false, Kind::Double);
    assert!(ink.min().double_value(&[]) > 0.02 && ink.max().double_value(&[]) < 0.4, "{ink}");
}

/// Guided by its class an inpainter keeps what is known, and draws the rest otherwise.
#[test]
fn h3_an_inpainter_is_guided_as_any_model() {
    let trained = Pretrained::load("weights/mnist-unet-class", F64.1).unwrap();
    let mask = Mask::Half;
    let sampling =
        Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps: 3, seed: 1 };
    let new = |how| Inpainter::new(&trained, sampling, how, digits_behind(mask, 2)).unwrap();
    let guided = |scale| new(Inpainting::Project).guided(Guidance::scale(scale)).unwrap();
    let draw = |images: &Inpainter| images.draw(0, 2, &mut |_| {});
    let (plain, twice) = (draw(&new(Inpainting::Project)), draw(&guided(2.0)));
    assert_eq!(draw(&guided(1.0)), plain);
    let known = mask.of(28);
    let outside = |x: &Tensor| x.where_self(&known, &x.zeros_like());
    assert_eq!(outside(&twice), outside(&plain));
    assert!(max_diff(&twice, &plain) > 0.05);
    assert_eq!((guided(1.0).recipe().nfe, guided(2.0).recipe().nfe), (3, 6));
    assert!(guided(2.0).recipe().condition.contains("guidance 2"));
    let mut looks = 0;
    let _ = guided(2.0).draw(0, 1, &mut |_| looks += 1);
    assert_eq!((looks, guided(2.0).looks()), (3, 3), "one look a level, of two evaluations");
    let back = Inpainting::Repaint(Resampling { jump: 1, times: 2 });
    let repaint = |guidance| new(back).guided(guidance);
    let once = repaint(Guidance::NONE).unwrap().recipe().nfe;
    assert_eq!(repaint(Guidance::scale(2.0)).unwrap().recipe().nfe, 2 * once);
    let few = Guidance { interval: Some([0.1, 2.0]), ..Guidance::scale(2.0) };
    assert!(repaint(few).unwrap_err().to_string().contains("leave out the interval"));
}
