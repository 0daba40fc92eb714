//! G5-G7: CLIP, its loss, and what guides.

use crate::support::{F64, close, max_diff, normal, untrained};
use from_noise::conditioning::Condition;
use from_noise::data::{Color, Format, Source};
use from_noise::denoiser::Denoiser;
use from_noise::evaluate::{Generator, ImageSampler, Prompts, Sampler, Sampling};
use from_noise::guide::{DenoiserExt, log_prob_gradient};
use from_noise::nn::clip::contrastive_loss;
use from_noise::nn::{Captions, ClipModel, TextConfig, UnetConfig};
use from_noise::pretrained::{Clip, ClipConfig, ImageConfig, PretrainedClip};
use from_noise::schedule::{Level, Path, ScheduleConfig};
use from_noise::train::TrainConfig;
use tch::{Device, Kind, Tensor, nn};

fn config(noised: bool) -> ClipConfig {
    ClipConfig {
        data: Source::Folder("./captions".into()),
        format: Format { color: Color::Rgb, size: 8 },
        schedule: ScheduleConfig::default(),
        image: UnetConfig { in_channels: 3, out_channels: 6, image_size: 8, ..UnetConfig::tiny() },
        text: TextConfig { vocabulary: 9, length: 8, width: 12, layers: 1, heads: 3 },
        noised,
        batch: 4,
        train: TrainConfig::default(),
    }
}

fn clip(noised: bool) -> (nn::VarStore, Clip) {
    config(noised).check().unwrap();
    tch::manual_seed(2);
    let vs = nn::VarStore::new(Device::Cpu);
    let clip = config(noised).build(&vs.root());
    // away from the zeros that parts start at
    for (seed, mut weight) in vs.trainable_variables().into_iter().enumerate() {
        let noise: Tensor = 0.1 * normal(&weight.size(), seed as u64);
        let _ = tch::no_grad(|| weight.g_add_(&noise.to_kind(Kind::Float)));
    }
    (vs, clip)
}

fn captions() -> Captions {
    Captions::new(&Tensor::from_slice2(&[[5i64, 3, 1], [4, 1, 0]]))
}

fn unit(x: Tensor) -> Tensor {
    &x / x.norm_scalaropt_dim(2, [-1], true)
}

#[test]
fn g5_the_loss_is_ln_b_where_nothing_is_known() {
    let (image, text) = (unit(normal(&[16, 32], 1)), unit(normal(&[16, 32], 2)));
    let loss = |image: &Tensor, text: &Tensor, scale: f64| {
        contrastive_loss(image, text, &Tensor::from(scale)).double_value(&[])
    };
    close(loss(&image, &text, 1e-9), 16f64.ln(), 1e-7);
    assert!((loss(&image, &text, 1.0) - 16f64.ln()).abs() < 0.1);
    assert!(loss(&image, &image, 100.0) < 1e-3, "every image finds itself");
    // all alike: nothing can be found
    let same = image.narrow(0, 0, 1).expand_as(&image);
    close(loss(&image, &same, 14.0), loss(&same, &image, 14.0), 1e-9);
}

/// Both directions: exchanging the towers changes nothing, and two pairs are worked out by hand.
#[test]
fn g5_the_loss_asks_both_ways() {
    let image = Tensor::from_slice(&[1.0, 0.0, 0.6, 0.8]).view([2, 2]);
    let text = Tensor::from_slice(&[0.8, 0.6, 0.0, 1.0]).view([2, 2]);
    let scale = Tensor::from(5.0);
    // logits: 5 [[0.8, 0], [0.96, 0.8]]
    let lse = |a: f64, b: f64| (a.exp() + b.exp()).ln();
    let rows = (lse(4.0, 0.0) - 4.0 + lse(4.8, 4.0) - 4.0) / 2.0;
    let columns = (lse(4.0, 4.8) - 4.0 + lse(0.0, 4.0) - 4.0) / 2.0;
    let expected = (rows + columns) / 2.0;
    close(contrastive_loss(&image, &text, &scale).double_value(&[]), expected, 1e-12);
    close(contrastive_loss(&text, &image, &scale).double_value(&[]), expected, 1e-12);
}

#[test]
fn g5_the_scale_starts_at_one_over_the_temperature_and_ends_at_100() {
    let vs = nn::VarStore::new(Device::Cpu);
    let ClipConfig { image, text, .. } = config(true);
    let net = ClipModel::new(&vs.root(), &image, &text);
    close(net.scale().double_value(&[]), 1.0 / 0.07, 1e-4);
    let mut learned = vs.variables().remove("logit_scale").unwrap();
    let _ = tch::no_grad(|| learned.fill_(7.0));
    close(net.scale().double_value(&[]), 100.0, 1e-3);
    // from there it can come back
    let gradient = Tensor::run_backward(&[net.scale()], &[&learned], false, false).remove(0);
    close(gradient.double_value(&[]), 100.0, 1e-3);
}

#[test]
fn g5_both_towers_give_unit_vectors() {
    let (_vs, clip) = clip(true);
    let x = normal(&[2, 3, 8, 8], 3).to_kind(Kind::Float);
    let level = config(true).schedule.build().level(400);
    let lengths = |x: Tensor| x.norm_scalaropt_dim(2, [-1], false);
    for found in
        [clip.image_embeddings(&x, &level.into(), false), clip.text_embeddings(&captions())]
    {
        assert_eq!(found.size(), [2, 6]);
        assert!(max_diff(&lengths(found), &Tensor::ones([2], F64)) < 1e-5);
    }
}

#[test]
fn g6_a_noised_clip_is_told_the_level_and_a_clean_one_knows_none() {
    let x = normal(&[2, 3, 8, 8], 3).to_kind(Kind::Float);
    let schedule = config(true).schedule.build();
    for (noised, hears) in [(true, true), (false, false)] {
        let (_vs, clip) = clip(noised);
        let at = |t: usize| clip.image_embeddings(&x, &schedule.level(t).into(), false);
        assert_eq!(max_diff(&at(10), &at(900)) > 1e-4, hears, "noised: {noised}");
        let shared = clip.draw_levels(64, Device::Cpu).shared();
        assert_eq!(shared, (!noised).then_some(Level::CLEAN));
    }
}

#[test]
fn g7_what_guides_is_the_gradient_of_the_scaled_inner_product() {
    let (vs, clip) = clip(true);
    let x = normal(&[2, 3, 8, 8], 3).to_kind(Kind::Float);
    let at = config(true).schedule.build().level(300);
    let found = log_prob_gradient(clip.logit(&captions()), &x, at);
    // by differences, in one direction
    let way = normal(&[2, 3, 8, 8], 4).to_kind(Kind::Float);
    let scale = (vs.variables()["logit_scale"].double_value(&[])).exp();
    let total = |step: f64| {
        let images = clip.image_embeddings(&(&x + step * &way), &at.into(), false);
        let inner = images * clip.text_embeddings(&captions());
        scale * inner.sum(Kind::Double).double_value(&[])
    };
    let expected = (total(5e-3) - total(-5e-3)) / 1e-2;
    let slope = (found * way).sum(Kind::Double).double_value(&[]);
    assert!((slope - expected).abs() < 2e-2 * expected.abs().max(0.1), "{slope} {expected}");
}

/// A model that reads no captions, led by a CLIP.
#[test]
fn g7_a_clip_leads_any_model_of_its_images() {
    let (vs, clip) = clip(true);
    let pretrained =
        || PretrainedClip { config: config(true), clip: clip.clone(), hash: "c".into() };
    let network =
        UnetConfig { in_channels: 3, out_channels: 3, image_size: 8, ..UnetConfig::tiny() };
    let format = config(true).format;
    let trained = untrained(ImageConfig { format, network, ..ImageConfig::mnist() });
    let sampling =
        Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps: 4, seed: 3 };
    let new = || ImageSampler::new(&trained, sampling).unwrap();
    let prompts = || Prompts { tokens: captions().tokens().shallow_clone(), name: "two".into() };
    let guided = |scale: f64| new().guided_by_clip(&pretrained(), scale, prompts()).unwrap();
    let draw = |sampler: &ImageSampler| sampler.draw(0, 4, &mut |_| {});
    assert_eq!(draw(&guided(0.0)), draw(&new()));
    // what it is led to fits its caption better, and image i goes by caption i modulo their number
    let fits = |images: &Tensor| {
        let four = captions().cat(&captions());
        let inner = clip.image_embeddings(images, &Level::CLEAN.into(), false)
            * clip.text_embeddings(&four);
        inner.sum(Kind::Double).double_value(&[])
    };
    let (before, after) = (fits(&draw(&new())), fits(&draw(&guided(30.0))));
    assert!(after > before + 0.5, "{before} {after}");
    assert!(guided(2.0).recipe().condition.contains("CLIP guidance 2 by c to two"));
    drop(vs);
    let digits = untrained(ImageConfig::mnist());
    let refused =
        ImageSampler::new(&digits, sampling).unwrap().guided_by_clip(&pretrained(), 1.0, prompts());
    assert!(refused.unwrap_err().to_string().contains("the CLIP reads [3, 8, 8]"));
}

/// Predicts that x_t is clean.
#[derive(Debug)]
struct Still;

impl Denoiser for Still {
    fn denoise(&self, x_t: &Tensor, at: Level) -> from_noise::denoiser::Denoised {
        from_noise::denoiser::Denoised::from_x0(x_t, at, x_t.shallow_clone())
    }
}

#[test]
fn g7_scale_0_is_unguided_to_the_bit_and_more_is_heard() {
    let (_vs, clip) = clip(true);
    let x = normal(&[2, 3, 8, 8], 3).to_kind(Kind::Float);
    let at = config(true).schedule.build().level(300);
    let eps = |scale: f64| {
        Still
            .classifier_guided(clip.logit(&captions()), scale)
            .denoise(&x, at)
            .eps()
            .shallow_clone()
    };
    assert_eq!(eps(0.0), Still.denoise(&x, at).eps().shallow_clone());
    assert!(max_diff(&eps(1.0), &eps(0.0)) > 1e-5);
}
