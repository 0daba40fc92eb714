//! G1, G2, G4: captions, what a transformer makes of them, and how a network hears them.

use crate::support::{self, max_diff};
use from_noise::conditioning::{Condition, Conditioning};
use from_noise::data::captions::Tokenizer;
use from_noise::data::{Color, Format, Source};
use from_noise::evaluate::{Generator, ImageSampler, Prompts, Sampler, Sampling, SamplingError};
use from_noise::guide::{Guidance, Snapshot};
use from_noise::nn::text_encoder::EncodedText;
use from_noise::nn::unet::{TokenAttention, TokenForm};
use from_noise::nn::{Captions, Encode, TextConfig, TextEncoder, TextTransformer, UnetConfig};
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::schedule::Path;
use tch::{Device, Kind, Tensor, nn};

fn config() -> TextConfig {
    TextConfig { vocabulary: 9, length: 8, width: 12, layers: 2, heads: 3 }
}

fn captions(rows: &[&[i64]]) -> Captions {
    Captions::new(&Tensor::from_slice2(rows))
}

fn transformer() -> (nn::VarStore, TextTransformer) {
    let vs = nn::VarStore::new(Device::Cpu);
    let transformer = TextTransformer::new(&vs.root(), &config());
    (vs, transformer)
}

#[test]
fn g1_padding_changes_no_embedding() {
    let (_vs, transformer) = transformer();
    let alone = transformer.forward(&captions(&[&[5, 3, 1]]));
    let padded = transformer.forward(&captions(&[&[5, 3, 1, 0, 0, 0, 0, 0]]));
    let beside = transformer.forward(&captions(&[&[5, 3, 1, 0, 0], &[2, 3, 4, 5, 1]]));
    for other in [padded, beside] {
        assert!(max_diff(&other.pooled.narrow(0, 0, 1), &alone.pooled) < 1e-6);
        let live = other.tokens.embeddings.narrow(0, 0, 1).narrow(1, 0, 3);
        assert!(max_diff(&live, &alone.tokens.embeddings) < 1e-6);
        assert_eq!(other.tokens.mask.get(0).sum(Kind::Int64).int64_value(&[]), 3);
    }
}

#[test]
fn g1_words_and_their_order_matter() {
    let (_vs, transformer) = transformer();
    let EncodedText { pooled, .. } =
        transformer.forward(&captions(&[&[5, 3, 1], &[3, 5, 1], &[5, 4, 1]]));
    for (a, b) in [(0, 1), (0, 2)] {
        assert!(max_diff(&pooled.get(a), &pooled.get(b)) > 1e-3);
    }
}

/// What a panic says.
fn refused<R>(f: impl FnOnce() -> R) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().unwrap();
    let said = panic.downcast_ref::<&str>().map(|said| said.to_string());
    said.unwrap_or_else(|| panic.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn g1_the_tokenizer_and_the_transformer_agree_on_padding_and_the_end() {
    assert_eq!((Tokenizer::PAD, Tokenizer::END), (Captions::PAD, Captions::END));
    let text =
        TextConfig { vocabulary: Tokenizer::VOCABULARY, length: Tokenizer::LENGTH, ..config() };
    let vs = nn::VarStore::new(Device::Cpu);
    let transformer = TextTransformer::new(&vs.root(), &text);
    let tokens = Tokenizer::new().encode(&["a red square above a blue circle", ""]).unwrap();
    assert_eq!(transformer.forward(&Captions::new(&tokens)).pooled.size(), [2, 12]);
}

#[test]
fn g1_what_is_no_caption_is_refused() {
    let (_vs, transformer) = transformer();
    let said = |rows: &[&[i64]]| refused(|| transformer.forward(&captions(rows)));
    assert!(said(&[&[9, 1]]).contains("tokens 1..=9 for a vocabulary of 9"));
    assert!(said(&[&[5, 3]]).contains("one end"));
    assert!(said(&[&[5, 1, 1]]).contains("one end"));
    assert!(said(&[&[2, 2, 2, 2, 2, 2, 2, 2, 1]]).contains("9 tokens, of at most 8"));
    let floats = Tensor::zeros([1, 2], (Kind::Float, Device::Cpu));
    assert!(refused(|| Captions::new(&floats)).contains("[B, L] in Int64"));
}

#[test]
fn g2_an_untrained_encoder_leaves_the_time_embedding_as_it_is() {
    let vs = nn::VarStore::new(Device::Cpu);
    let encoder = TextEncoder::new(&vs.root(), &config(), 16);
    let Conditioning { emb, tokens, planes } = encoder.encode(&captions(&[&[5, 3, 1]]), true);
    assert_eq!(emb.unwrap(), Tensor::zeros([1, 16], (Kind::Float, Device::Cpu)));
    assert_eq!(tokens.unwrap().embeddings.size(), [1, 3, 12]);
    assert!(planes.is_none());
}

/// A tiny network that reads captions.
fn untrained(dropout: f64) -> Pretrained {
    let network = UnetConfig {
        in_channels: 3,
        out_channels: 3,
        image_size: 8,
        tokens: Some(TokenAttention { form: TokenForm::Concatenated, dim: 12 }),
        ..UnetConfig::tiny()
    };
    let config = ImageConfig {
        format: Format { color: Color::Rgb, size: 8 },
        network,
        text: Some(config()),
        condition_dropout: dropout,
        ..ImageConfig::mnist()
    };
    config.check().unwrap();
    support::untrained(config)
}

const SAMPLING: Sampling =
    Sampling { sampler: Sampler::Ddim(0.0), path: Path::Trailing, steps: 3, seed: 5 };

fn prompts(rows: &[&[i64]]) -> Prompts {
    Prompts { tokens: Tensor::from_slice2(rows), name: "captions".into() }
}

fn draw(sampler: &ImageSampler, first: u64, n: u64) -> Tensor {
    sampler.draw(first, n, &mut |_: &Snapshot| {})
}

#[test]
fn g4_a_prompt_belongs_to_its_image_whatever_the_batch() {
    let trained = untrained(0.1);
    let sampler = |rows: &[&[i64]]| {
        ImageSampler::new(&trained, SAMPLING).unwrap().prompted(prompts(rows)).unwrap()
    };
    let both = sampler(&[&[5, 3, 1], &[2, 1, 0]]);
    let images = draw(&both, 0, 4);
    assert!(max_diff(&images.narrow(0, 1, 2), &draw(&both, 1, 2)) < 1e-5);
    let first = draw(&sampler(&[&[5, 3, 1]]), 0, 1);
    assert!(max_diff(&images.narrow(0, 0, 1), &first) < 1e-5);
    let other = draw(&sampler(&[&[6, 4, 1]]), 0, 1);
    assert!(max_diff(&other, &first) > 1e-3, "the caption is not heard");
}

#[test]
fn g4_scale_0_is_the_empty_caption_and_guidance_leaves_the_negative_one() {
    let trained = untrained(0.1);
    let new = || ImageSampler::new(&trained, SAMPLING).unwrap().unclipped();
    let (prompt, other) = (|| prompts(&[&[5, 3, 1]]), || prompts(&[&[6, 2, 1]]));
    let guided = |scale: f64, prompt: Prompts| {
        let sampler = new().prompted(prompt).unwrap();
        draw(&sampler.guided(Guidance::scale(scale), None).unwrap(), 0, 2)
    };
    let free = draw(&new(), 0, 2);
    assert_eq!(guided(0.0, prompt()), free);
    assert!(max_diff(&guided(1.0, prompt()), &free) > 1e-3);
    let negated = |scale: f64| {
        let sampler = new().prompted(prompt()).unwrap().away_from(other()).unwrap();
        draw(&sampler.guided(Guidance::scale(scale), None).unwrap(), 0, 2)
    };
    assert_eq!(negated(0.0), guided(1.0, other()));
    assert!(max_diff(&negated(2.0), &guided(2.0, prompt())) > 1e-3);
}

#[test]
fn g4_what_a_model_cannot_follow_is_refused() {
    let never = untrained(0.0);
    let sampler = || ImageSampler::new(&never, SAMPLING).unwrap().prompted(prompts(&[&[5, 1]]));
    let scale = Guidance::scale(2.0);
    let said = sampler().unwrap().guided(scale, None).unwrap_err().to_string();
    assert!(said.contains("never trained without its condition"), "{said}");
    sampler().unwrap().away_from(prompts(&[&[4, 1]])).unwrap().guided(scale, None).unwrap();
    let deaf = support::untrained(ImageConfig::mnist());
    let refused = ImageSampler::new(&deaf, SAMPLING).unwrap().prompted(prompts(&[&[5, 1]]));
    assert!(matches!(refused, Err(SamplingError::NoText)));
}

#[test]
fn g4_a_fifth_of_the_captions_is_dropped() {
    let config = untrained(0.2).config;
    let schedule = config.schedule.build();
    let n = 2000;
    let tokens = Tensor::from_slice(&[5i64, 3, 1]).expand([n, 3], true);
    let x0 = Tensor::zeros([n, 3, 8, 8], (Kind::Float, Device::Cpu));
    let places = Tensor::arange(n, (Kind::Int64, Device::Cpu));
    let cond = config.draw_conditions(&schedule, &x0, &places, &places, Some(&tokens));
    assert!(cond.labels.is_none());
    let drawn = cond.captions.unwrap();
    let empty = drawn.tokens().eq_tensor(&Tensor::from_slice(&[1i64, 0, 0])).all_dim(1, false);
    let kept = drawn.tokens().eq_tensor(&tokens).all_dim(1, false);
    assert_eq!(empty.logical_xor(&kept).all().int64_value(&[]), 1);
    let share = empty.to_kind(Kind::Float).mean(None).double_value(&[]);
    assert!((share - 0.2).abs() < 0.03, "{share}");
    // what is shorter is padded, and the rows stay in their order
    let joined = drawn.cat(&captions(&[&[2, 4, 6, 1]]));
    assert_eq!(joined.tokens().size(), [n + 1, 4]);
    assert_eq!(joined.tokens().get(n), Tensor::from_slice(&[2i64, 4, 6, 1]));
}

#[test]
fn a_config_says_what_reads_its_captions() {
    let good = untrained(0.1).config;
    let said = |config: ImageConfig| config.check().unwrap_err();
    let wide = TextConfig { width: 24, ..config() };
    assert!(said(ImageConfig { text: None, ..good.clone() }).contains("nothing reads them"));
    let text = Some(wide);
    assert!(said(ImageConfig { text, ..good.clone() }).contains("width is 24"));
    let network = UnetConfig { tokens: None, ..good.network.clone() };
    assert!(said(ImageConfig { network, ..good.clone() }).contains("attends to no tokens"));
    assert!(said(ImageConfig { flip: true, ..good.clone() }).contains("left and right"));
    let data = Source::Captions;
    assert!(said(ImageConfig { data, ..good.clone() }).contains("43 words and 24 tokens"));
    let text = Some(TextConfig { heads: 5, ..config() });
    assert!(said(ImageConfig { text, ..good }).contains("12 does not split into 5 heads"));
}
