//! An image beside `x_t`: super-resolution, its augmentation, and the cascade made of it.

use crate::support::{close, max_diff, normal, untrained};
use from_noise::checkpoint::{load_weights_to_grow, save_weights};
use from_noise::conditioning::Condition;
use from_noise::data::{Interpolation, from_u8, reduce, sample, to_u8};
use from_noise::denoiser::{Denoiser, Gaussian};
use from_noise::evaluate::{
    Classes, Generator, ImageSampler, Inpainter, Inpainting, Known, Sampler, Sampling, Shown,
};
use from_noise::guide::{DenoiserExt, Guidance};
use from_noise::loss::l_target;
use from_noise::metrics::psnr;
use from_noise::nn::{ClassLabels, ConditioningImage, Conditions, UnetConfig};
use from_noise::noise::gaussian;
use from_noise::pretrained::{ImageCondition, ImageConfig, LowRes, Pretrained};
use from_noise::sample::ddim;
use from_noise::schedule::{Path, Schedule};
use tch::{Device, Kind, Tensor, nn};

const LOW_RES: LowRes =
    LowRes { factor: 2, interpolation: Interpolation::Bilinear, max_noise_level: 400 };

/// Enlarges digits of 14 x 14.
fn upsampler(low_res: LowRes, classes: Option<i64>) -> ImageConfig {
    ImageConfig {
        network: UnetConfig { in_channels: 2, ..UnetConfig::tiny() },
        image_condition: Some(ImageCondition::LowRes(low_res)),
        classes,
        condition_dropout: if classes.is_some() { 0.1 } else { 0.0 },
        ..ImageConfig::mnist()
    }
}

/// Draws digits of 14 x 14.
fn base(classes: Option<i64>) -> ImageConfig {
    let format = from_noise::data::Format { size: 14, ..ImageConfig::mnist().format };
    let network = UnetConfig { image_size: 14, space_to_depth: 1, ..UnetConfig::tiny() };
    ImageConfig { format, network, classes, ..ImageConfig::mnist() }
}

fn sampling(seed: u64) -> Sampling {
    Sampling { sampler: Sampler::Ddim(1.0), path: Path::Trailing, steps: 2, seed }
}

fn few(n: i64) -> Tensor {
    sample::digits().narrow(0, 0, n)
}

/// Of a batch at one level.
fn seen(trained: &Pretrained, low: &Tensor, level: usize) -> ConditioningImage {
    trained.low_res(low, level, &mut |x| normal(&x.size(), 9).to_kind(Kind::Float)).unwrap()
}

#[test]
fn h1_the_network_takes_the_channels_of_both_images() {
    let config = upsampler(LOW_RES, None);
    config.check().unwrap();
    let same = |image: i64| {
        let network = UnetConfig { in_channels: image, ..config.network.clone() };
        ImageConfig { network, ..config.clone() }.check().unwrap_err()
    };
    let said = same(1);
    assert!(said.contains("1 channels of another image") && said.contains("[1, 28, 28]"), "{said}");
    let trained = untrained(config);
    let [input] = [&few(3)];
    let image = seen(&trained, &reduce(input, 2), 100);
    assert_eq!(image.planes.size(), [3, 1, 28, 28]);
    assert_eq!(image.noise_level, Some(Tensor::from_slice(&[100f32; 3])));
    let at = trained.schedule.level(500);
    assert_eq!(trained.model.given(image).denoise(input, at).x0().size(), [3, 1, 28, 28]);
}

#[test]
fn h1_a_condition_that_makes_no_sense_is_refused_in_one_sentence() {
    for (low_res, part) in [
        (LowRes { factor: 1, ..LOW_RES }, "factor is 1"),
        (LowRes { factor: 3, ..LOW_RES }, "divides the side 28"),
        (LowRes { max_noise_level: 1001, ..LOW_RES }, "at most the schedule's 1000"),
    ] {
        let said = upsampler(low_res, None).check().unwrap_err();
        assert!(said.starts_with("image_condition: ") && said.contains(part), "{said}");
    }
    let mut deaf = upsampler(LOW_RES, None);
    deaf.network.time = from_noise::nn::unet::TimeConditioning::Ignored;
    assert!(deaf.check().unwrap_err().contains("cannot be told a level"));
    let trained = untrained(upsampler(LOW_RES, None));
    let refused =
        |low: &Tensor, level| trained.low_res(low, level, &mut gaussian).unwrap_err().to_string();
    assert!(refused(&few(2), 0).contains("enlarges images of [1, 14, 14]"));
    assert!(refused(&reduce(&few(2), 2), 401).contains("0 to 400, not 401"));
    let plain = untrained(upsampler(LowRes { max_noise_level: 0, ..LOW_RES }, None));
    let said = plain.low_res(&reduce(&few(2), 2), 1, &mut gaussian).unwrap_err().to_string();
    assert!(said.contains("without noise"), "{said}");
}

/// Bilinear: 3/4 of the nearest and 1/4 of the next; bicubic: Keys' cubic with a = -0.75 at -1.25,
/// -0.25, 0.75 and 1.75 pixels; edges repeated.
#[test]
fn h1_pixels_are_found_by_the_interpolation_of_pytorch() {
    let row = Tensor::from_slice(&[0f64, 1.0, 5.0, 2.0, 4.0, 3.0]);
    let low = row.view([1, 1, 1, 6]).expand([1, 1, 6, 6], true);
    let at = |i: i64| row.double_value(&[i.clamp(0, 5)]);
    let keys = |x: f64| {
        let (x, a) = (x.abs(), -0.75);
        match x {
            _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            _ => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        }
    };
    let (linear, cubic) =
        (Interpolation::Bilinear.enlarge(&low, 2), Interpolation::Bicubic.enlarge(&low, 2));
    for column in 0..12 {
        let place = (column as f64 + 0.5) / 2.0 - 0.5;
        let (left, part) = (place.floor() as i64, place - place.floor());
        let expected = (1.0 - part) * at(left) + part * at(left + 1);
        close(linear.double_value(&[0, 0, 5, column]), expected, 1e-12);
        let expected: f64 = (-1..3).map(|i| keys(part - i as f64) * at(left + i)).sum();
        close(cubic.double_value(&[0, 0, 5, column]), expected, 1e-12);
    }
}

#[test]
fn g14_level_0_is_super_resolution_without_augmentation_to_the_bit() {
    let trained = untrained(upsampler(LOW_RES, None));
    let low = reduce(&few(4), 2);
    let plain = from_u8(&to_u8(&low)).upsample_bilinear2d([28, 28], false, None, None);
    assert_eq!(seen(&trained, &low, 0).planes, plain);
    let noised = seen(&trained, &low, 200).planes;
    assert!(max_diff(&noised, &plain) > 0.5);
    // the images of a base and those of the data go through the same rounding
    let between = from_u8(&to_u8(&low)) + 0.2 / 127.5;
    assert_eq!(seen(&trained, &between, 0).planes, plain);
}

#[test]
fn g14_the_network_is_told_the_level() {
    let trained = untrained(upsampler(LOW_RES, None));
    let (x_t, at) = (few(2), trained.schedule.level(500));
    let say = |level: f32| {
        let image = seen(&trained, &reduce(&few(2), 2), 0);
        let image = ConditioningImage {
            noise_level: Some(Tensor::from_slice(&[level; 2])),
            planes: image.planes,
        };
        trained.model.given(image).denoise(&x_t, at).x0().shallow_clone()
    };
    let heard = max_diff(&say(0.0), &say(300.0));
    assert!(heard > 1e-3, "the level is not heard: {heard}");
}

#[test]
fn g14_training_draws_levels_uniformly_up_to_the_greatest() {
    let config = upsampler(LOW_RES, Some(10));
    let schedule = config.schedule.build();
    let x0 = few(250).repeat([8, 1, 1, 1]);
    let places = Tensor::arange(2000, (Kind::Int64, Device::Cpu));
    let conditions = config.draw_conditions(&schedule, &x0, &places, &places.remainder(10), None);
    let levels = conditions.image.unwrap().noise_level.unwrap();
    assert_eq!((levels.min().double_value(&[]), levels.max().double_value(&[])), (0.0, 400.0));
    close(levels.mean(None).double_value(&[]), 200.0, 4.0 * 400.0 / 12f64.sqrt() / 2000f64.sqrt());
    close(levels.std(false).double_value(&[]), 400.0 / 12f64.sqrt(), 8.0);
}

/// Guidance compares with and without the label; the image stays.
#[test]
fn the_null_condition_drops_the_label_and_keeps_the_image() {
    let trained = untrained(upsampler(LOW_RES, Some(10)));
    let image = seen(&trained, &reduce(&few(2), 2), 10);
    let planes = image.planes.shallow_clone();
    let labels = Some(ClassLabels::new(&Tensor::from_slice(&[3i64, 4])));
    let mask = Tensor::from_slice(&[true, true]);
    let null = Conditions::from((labels, image)).null_where(&mask);
    assert_eq!(null.labels.unwrap().labels(), &Tensor::from_slice(&[ClassLabels::NULL; 2]));
    assert_eq!(null.image.unwrap().planes, planes);
}

#[test]
fn a_network_that_needs_an_image_says_so() {
    let trained = untrained(upsampler(LOW_RES, None));
    let said = ImageSampler::new(&trained, sampling(0)).unwrap_err().to_string();
    assert!(said.contains("sees a low-res image of [1, 14, 14]"), "{said}");
    let known = Known {
        images: few(1),
        mask: Tensor::ones([28, 28], (Kind::Bool, Device::Cpu)),
        name: "all".into(),
        classes: None,
    };
    let inpainter = Inpainter::new(&trained, sampling(0), Inpainting::Project, known);
    assert_eq!(inpainter.unwrap_err().to_string(), said);
    let panic = std::panic::catch_unwind(|| {
        let trained = untrained(upsampler(LOW_RES, None));
        trained.model.given(None);
    });
    let panic = panic.unwrap_err();
    let panic = panic.downcast_ref::<&str>().unwrap();
    assert!(panic.contains("sees an image beside x_t, and none was given"), "{panic}");
    // and one that needs none takes none
    let alone = untrained(base(None));
    let by = ImageSampler::new(&alone, sampling(0)).unwrap();
    let said = ImageSampler::upsampling(&alone, sampling(0), by, 0).unwrap_err().to_string();
    assert!(said.contains("not trained to enlarge"), "{said}");
    let large = untrained(ImageConfig { network: UnetConfig::tiny(), ..ImageConfig::mnist() });
    let by = ImageSampler::new(&large, sampling(0)).unwrap();
    let said = ImageSampler::upsampling(&trained, sampling(0), by, 0).unwrap_err().to_string();
    assert!(said.contains("[1, 14, 14]") && said.contains("not [1, 28, 28]"), "{said}");
}

fn cascade(classes: Option<i64>, level: usize) -> ImageSampler {
    let by = ImageSampler::new(&untrained(base(classes)), sampling(5)).unwrap();
    let upper = untrained(upsampler(LOW_RES, classes));
    ImageSampler::upsampling(&upper, sampling(5), by, level).unwrap()
}

#[test]
fn h2_a_cascade_draws_image_i_whatever_the_batch() {
    let images = cascade(Some(10), 50);
    let mut looks = 0;
    let six = images.draw(0, 6, &mut |_| looks += 1);
    assert_eq!((looks, images.looks()), (4, 4));
    assert_eq!(images.recipe().nfe, 4);
    let last = images.draw(4, 2, &mut |_| {});
    assert!(max_diff(&six.narrow(0, 4, 2), &last) < 1e-2);
    assert_eq!(images.classes(4, 2), Some(Tensor::from_slice(&[4i64, 5])));
    let condition = images.recipe().condition;
    assert!(condition.contains("from images by DDIM eta 1 trailing 2 seed 5"), "{condition}");
    assert!(condition.contains("untrained") && condition.ends_with("noised to 50"), "{condition}");
}

/// The upper stage sees the base's image as 8 bits: it draws the same from the image that was saved.
#[test]
fn h2_the_images_of_the_base_are_rounded_to_8_bits() {
    let trained = untrained(base(None));
    let low = ImageSampler::new(&trained, sampling(5)).unwrap().draw(0, 3, &mut |_| {});
    let upper = untrained(upsampler(LOW_RES, None));
    let saved = from_u8(&to_u8(&low));
    assert!(max_diff(&saved, &low) > 0.0);
    let images = upper.low_res(&saved, 0, &mut gaussian).unwrap();
    let shown = Shown { images, name: "saved images".into(), classes: None };
    let shown = ImageSampler::seeing(&upper, sampling(5), shown).unwrap();
    let drawn = cascade(None, 0).draw(0, 3, &mut |_| {});
    assert_eq!(shown.draw(0, 3, &mut |_| {}), drawn);
    // shown images come in turn
    assert!(max_diff(&shown.draw(3, 1, &mut |_| {}), &drawn.narrow(0, 0, 1)) > 0.0);
    assert_eq!(shown.recipe().condition, "from saved images");
}

/// One seed serves all stages, but their noise is not the same: a base's x_T would otherwise be the
/// beginning of its upsampler's.
#[test]
fn h2_the_stages_start_from_unrelated_noise() {
    let (lower, upper) = (cascade(None, 0), upsampler(LOW_RES, None));
    let network = UnetConfig { image_size: 56, ..upper.network.clone() };
    let format = from_noise::data::Format { size: 56, ..upper.format };
    let third = untrained(ImageConfig { format, network, ..upper });
    let images = ImageSampler::upsampling(&third, sampling(5), lower, 0).unwrap();
    assert_eq!((images.stages(), cascade(None, 0).stages()), (3, 2));
    let (mut starts, mut side) = (Vec::new(), 0);
    let _image = images.draw(0, 1, &mut |seen| {
        if seen.x_t.size()[3] != side {
            side = seen.x_t.size()[3];
            starts.push(seen.x_t.flatten(0, -1).narrow(0, 0, 196));
        }
    });
    let [first, second, third] = &starts[..] else { panic!("three stages") };
    for (a, b) in [(first, second), (first, third), (second, third)] {
        let together = (a * b).mean(None).double_value(&[]);
        assert!(together.abs() < 4.0 / 14.0, "the noise of the stages is correlated: {together}");
    }
}

#[test]
fn an_upsampler_is_guided_by_the_class_of_its_image() {
    let draw = |scale| {
        let images = cascade(Some(10), 0).guided(Guidance::scale(scale), None).unwrap();
        (images.draw(0, 2, &mut |_| {}), images.recipe().nfe)
    };
    let ((plain, nfe), (guided, twice)) = (draw(1.0), draw(3.0));
    assert_eq!((nfe, twice), (4, 6)); // the base is not guided
    assert!(max_diff(&plain, &guided) > 1e-3);
    let one = cascade(Some(10), 0).of(Classes::Only(7)).unwrap();
    assert_eq!(one.classes(0, 2), Some(Tensor::from_slice(&[7i64, 7])));
    assert!(max_diff(&one.draw(0, 2, &mut |_| {}), &plain) > 1e-3);
}

/// GLIDE's way to fine-tune: the grown network begins as the one it has grown out of, whatever the
/// image beside `x_t` shows and however far it was noised.
#[test]
fn a_network_that_grew_by_input_channels_begins_as_the_smaller_one() {
    let small = ImageConfig { image_condition: None, ..upsampler(LOW_RES, None) };
    let small = ImageConfig { network: UnetConfig::tiny(), ..small };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ema.safetensors");
    tch::manual_seed(0);
    let (from, to) = (nn::VarStore::new(Device::Cpu), nn::VarStore::new(Device::Cpu));
    let before = small.build(&from.root());
    for mut weight in from.trainable_variables() {
        tch::no_grad(|| weight.copy_(&(0.1 * normal(&weight.size(), 1))));
    }
    save_weights(&from, &path, 3).unwrap();
    let after = upsampler(LOW_RES, None).build(&to.root());
    assert_eq!(load_weights_to_grow(&to, &path).unwrap(), 3);
    let at = small.schedule.build().level(300);
    let trained = untrained(upsampler(LOW_RES, None));
    let image = seen(&trained, &reduce(&few(2), 2), 250);
    let said = [before.given(None).denoise(&few(2), at), after.given(image).denoise(&few(2), at)];
    assert!(max_diff(said[0].x0(), &few(2)) > 1e-3, "the network says something");
    assert!(max_diff(said[0].x0(), said[1].x0()) < 1e-6);
    // the other way around, and another width, is refused
    save_weights(&to, &path, 3).unwrap();
    let said = load_weights_to_grow(&from, &path).unwrap_err().to_string();
    assert!(said.contains("conv_in.weight") && said.contains("level_embedding"), "{said}");
}

/// The data are pairs of pixels, correlated by rho, and the small image is their mean: given it, half
/// of their difference is N(0, (1 - rho) / 2), whose denoiser is exact. A sample of it is as far from
/// the mean as the truth is, and independent of it.
#[test]
fn h1_a_sample_has_twice_the_squared_error_of_the_mean() {
    let n = 20_000;
    let half = Gaussian { mean: 0.0, std: (0.2f64 / 2.0).sqrt() };
    let truth = half.std * normal(&[n, 1], 1);
    let schedule = Schedule::ddpm(1000);
    let start = normal(&[n, 1], 2);
    let mean = half.denoise(&start, schedule.level(1000)).x0().shallow_clone();
    let drawn = ddim(&half, &schedule.path(Path::Trailing, 200), start, 0.0, &mut gaussian);
    let error = |x: &Tensor| (x - &truth).square().mean(None).double_value(&[]);
    close(error(&mean), half.std.powi(2), 4.0 * half.std.powi(2) * (2.0 / n as f64).sqrt());
    close(error(&drawn) / error(&mean), 2.0, 0.1);
}

fn committed() -> (Pretrained, Tensor, Tensor) {
    let trained = Pretrained::load("weights/cascade/upsampler", Device::Cpu).unwrap();
    let real = few(48);
    let small = from_u8(&to_u8(&reduce(&real, 2)));
    (trained, real, small)
}

fn without_label(n: i64) -> Option<ClassLabels> {
    Some(ClassLabels::new(&Tensor::full([n], ClassLabels::NULL, (Kind::Int64, Device::Cpu))))
}

/// The loss rises when every digit is shown the small picture of the next one.
#[test]
fn h1_the_network_hears_the_small_image() {
    let (trained, real, small) = committed();
    let eps = normal(&real.size(), 3).to_kind(Kind::Float);
    for t in [200, 500, 800] {
        let levels = trained.schedule.level(t).into();
        let loss = |small: &Tensor| {
            let cond = Conditions::from((without_label(48), seen(&trained, small, 0)));
            let loss = l_target(&trained.model, &levels, &real, &cond, &eps);
            loss.mean(Kind::Double).double_value(&[])
        };
        let (right, wrong) = (loss(&small), loss(&small.roll(1, 0)));
        assert!(wrong > 1.5 * right, "t = {t}: {right} with the right small images, else {wrong}");
    }
}

/// The prediction from pure noise is the mean of all that fits the small image.
#[test]
fn h1_the_network_s_mean_is_nearer_to_the_real_digit_than_bicubic() {
    let (trained, real, small) = committed();
    let start = normal(&real.size(), 4).to_kind(Kind::Float);
    let model = trained.model.given((without_label(48), seen(&trained, &small, 0))).clip(1.0);
    let mean = model.denoise(&start, trained.schedule.level(1000)).x0().shallow_clone();
    let bicubic = Interpolation::Bicubic.enlarge(&small, 2);
    let decibels = |x: &Tensor| psnr(&to_u8(x), &to_u8(&real)).mean(None).double_value(&[]);
    let (found, by_hand) = (decibels(&mean), decibels(&bicubic));
    assert!(found > by_hand + 1.5, "{found} dB by the network, {by_hand} dB by interpolation");
}
