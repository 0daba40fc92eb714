//! The classifier of noised images: the U-Net's way down and attention pooling.

use super::{F64, awake, images, max_diff, shake};
use from_noise::nn::UnetClassifier;
use from_noise::nn::attention_pool::AttentionPool;
use from_noise::nn::unet::{TimeConditioning, TokenAttention, TokenForm, UnetConfig};
use tch::{Device, Kind, Tensor, nn};

#[test]
fn attention_pooling_is_the_first_row_of_attention_among_mean_and_pixels() {
    for heads in [1, 4] {
        tch::manual_seed(3);
        let mut vs = nn::VarStore::new(Device::Cpu);
        let pool = AttentionPool::new(&vs.root(), 5, 16, heads, 7);
        shake(&vs);
        vs.double();
        let v = vs.variables();
        let linear = |x: &Tensor, name: &str| {
            x.matmul(&v[&format!("{name}.weight")].tr()) + &v[&format!("{name}.bias")]
        };
        let x = Tensor::randn([2, 16, 5, 5], F64);
        let pixels = x.flatten(2, 3).transpose(1, 2);
        let mean = pixels.sum_dim_intlist(1, true, Kind::Double) / 25.0;
        let all = Tensor::cat(&[mean, pixels], 1) + &v["positional_embedding"];
        let [q, k, values] = ["to_q", "to_k", "to_v"].map(|name| linear(&all, name));
        let d = 16 / heads;
        let one_head = |i: i64| {
            let cut = |x: &Tensor| x.narrow(2, i * d, d); // [B, 26, d]
            let scores = cut(&q).matmul(&cut(&k).transpose(1, 2)) / (d as f64).sqrt();
            scores.softmax(-1, Kind::Double).matmul(&cut(&values))
        };
        let mixed = Tensor::cat(&(0..heads).map(one_head).collect::<Vec<_>>(), 2);
        let want = linear(&mixed, "to_out.0").select(1, 0); // [B, 7]
        let diff = max_diff(&pool.forward(&x), &want);
        assert!(diff < 1e-12, "{heads} heads: off by {diff:e}");
    }
}

fn classifier(config: &UnetConfig) -> (nn::VarStore, UnetClassifier) {
    tch::set_num_threads(1);
    tch::manual_seed(1);
    let vs = nn::VarStore::new(Device::Cpu);
    let net = UnetClassifier::new(&vs.root(), config);
    shake(&vs);
    (vs, net)
}

fn tiny() -> UnetConfig {
    UnetConfig { out_channels: 10, ..UnetConfig::tiny() }
}

#[test]
fn a_classifier_is_the_way_down_of_a_unet() {
    for config in [
        tiny(),
        UnetConfig { attention: vec![0, 1], head_dim: Some(4), layers: 2, ..tiny() },
        UnetConfig { time: TimeConditioning::ScaleShift, space_to_depth: 1, ..tiny() },
        UnetConfig { time: TimeConditioning::Ignored, ..tiny() },
    ] {
        let (vs, net) = classifier(&config);
        let unet = awake(&config).0.variables();
        for (name, v) in vs.variables() {
            let own = name.starts_with("pool.") || name.starts_with("norm_out.");
            assert_eq!(own, !unet.contains_key(&name), "{name}");
            assert!(own || unet[&name].size() == v.size(), "{name}");
        }
        let up = |name: &&String| name.starts_with("up_blocks") || name.starts_with("conv_");
        let left = unet.keys().filter(|name| !vs.variables().contains_key(*name));
        assert!(left.clone().count() > 0 && left.clone().all(|name| up(&name)));
        let built: i64 = vs.variables().values().map(|v| v.numel() as i64).sum();
        let cost = UnetClassifier::cost(&config).unwrap();
        assert_eq!(cost.params, built);
        assert!(cost.flops < config.cost().unwrap().flops / 2);
        let logits = net.forward(&images(3, &config), &Tensor::from_slice(&[5f32]), false);
        assert_eq!(logits.size(), [3, 10]);
    }
}

#[test]
fn an_image_is_classified_alone_and_told_its_time() {
    let (_vs, net) = classifier(&tiny());
    let (x, t) = (images(3, &tiny()), Tensor::from_slice(&[5f32, 300.0, 900.0]));
    let together = net.forward(&x, &t, false);
    for i in 0..3 {
        let alone = |t: f32| net.forward(&x.narrow(0, i, 1), &Tensor::from_slice(&[t]), false);
        let own = together.narrow(0, i, 1);
        assert!(max_diff(&alone(t.double_value(&[i]) as f32), &own) < 1e-5);
        assert!(max_diff(&alone(600.0), &own) > 1e-3, "the time is not heard");
    }
}

#[test]
#[should_panic(expected = "reads images of 28 x 28, not [1, 1, 32, 32]")]
fn images_of_another_size_have_no_places() {
    let (_vs, net) = classifier(&tiny());
    let x = Tensor::zeros([1, 1, 32, 32], tch::kind::FLOAT_CPU);
    let _ = net.forward(&x, &Tensor::from_slice(&[1f32]), false);
}

#[test]
fn a_classifier_attends_to_no_tokens() {
    let tokens = Some(TokenAttention { form: TokenForm::Concatenated, dim: 8 });
    let error = UnetClassifier::check(&UnetConfig { tokens, ..tiny() }).unwrap_err();
    assert!(error.to_string().contains("tokens"), "{error}");
    assert!(UnetClassifier::cost(&UnetConfig { channels: vec![6], ..tiny() }).is_err());
}
