//! Facts about the layers: attention, adaptive group norm, resampling.

use super::{F32, F64, max_diff, shake};
use from_noise::nn::attention::SelfAttention;
use from_noise::nn::resample::{Downsample, Padding, Upsample};
use from_noise::nn::resblock::{Modulation, ResBlock, ResBlockConfig};
use tch::{Device, Kind, Tensor, nn};

/// Group norm from its definition (Wu & He 2018): moments over a group's channels and pixels.
fn naive_group_norm(x: &Tensor, groups: i64, eps: f64, vs: &nn::VarStore, name: &str) -> Tensor {
    let (b, c, h, w) = x.size4().unwrap();
    let x = x.view([b, groups, c / groups * h * w]);
    let mean = x.mean_dim(-1, true, Kind::Double);
    let var = (&x - &mean).square().mean_dim(-1, true, Kind::Double);
    let x = ((x - mean) / (var + eps).sqrt()).view([b, c, h, w]);
    let v = vs.variables();
    let channel = |part| v[&format!("{name}.{part}")].view([1, c, 1, 1]);
    x * channel("weight") + channel("bias")
}

fn attention(heads: i64) -> (nn::VarStore, SelfAttention) {
    tch::manual_seed(3);
    let mut vs = nn::VarStore::new(Device::Cpu);
    let layer = SelfAttention::new(&vs.root(), 16, heads, 4, 1e-6);
    shake(&vs);
    vs.double();
    (vs, layer)
}

#[test]
fn fused_attention_is_softmax_of_the_scaled_dot_product() {
    for heads in [1, 4] {
        let (vs, layer) = attention(heads);
        let (b, c, h, w) = (2, 16, 5, 6);
        let x = Tensor::randn([b, c, h, w], F64) * 3.0;
        let v = vs.variables();
        let linear = |x: &Tensor, name: &str| {
            x.matmul(&v[&format!("{name}.weight")].tr()) + &v[&format!("{name}.bias")]
        };
        let tokens = naive_group_norm(&x, 4, 1e-6, &vs, "group_norm").flatten(2, 3).transpose(1, 2);
        let (q, k, value) =
            (linear(&tokens, "to_q"), linear(&tokens, "to_k"), linear(&tokens, "to_v"));
        let d = c / heads;
        let one_head = |i: i64| {
            let cut = |x: &Tensor| x.narrow(2, i * d, d); // [B, HW, d]
            let scores = cut(&q).matmul(&cut(&k).transpose(1, 2)) / (d as f64).sqrt();
            scores.softmax(-1, Kind::Double).matmul(&cut(&value))
        };
        let mixed = Tensor::cat(&(0..heads).map(one_head).collect::<Vec<_>>(), 2);
        let want = &x + linear(&mixed, "to_out.0").transpose(1, 2).reshape([b, c, h, w]);
        let diff = max_diff(&layer.forward(&x), &want);
        assert!(diff < 1e-10, "{heads} heads: off by {diff:e}");
    }
}

#[test]
fn the_fused_kernel_stays_close_in_f32() {
    let (mut vs, layer) = attention(4);
    let x = Tensor::randn([2, 16, 16, 16], F64) * 3.0;
    let exact = layer.forward(&x);
    vs.float();
    let diff = max_diff(&layer.forward(&x.to_kind(Kind::Float)), &exact);
    assert!(diff < 1e-5, "off by {diff:e}");
}

#[test]
fn attention_does_not_know_where_a_pixel_is() {
    let (_vs, layer) = attention(4);
    let x = Tensor::randn([2, 16, 4, 7], F64);
    let order = Tensor::randperm(28, (Kind::Int64, Device::Cpu));
    let shuffle = |x: &Tensor| x.flatten(2, 3).index_select(2, &order).view_as(x);
    let diff = max_diff(&layer.forward(&shuffle(&x)), &shuffle(&layer.forward(&x)));
    assert!(diff < 1e-12, "off by {diff:e}");
}

const BLOCK: ResBlockConfig = ResBlockConfig {
    emb_dim: 12,
    modulation: Modulation::ScaleShift,
    groups: 4,
    norm_eps: 1e-5,
    dropout: 0.0,
};

fn block(modulation: Modulation) -> (nn::VarStore, ResBlock) {
    tch::manual_seed(5);
    let mut vs = nn::VarStore::new(Device::Cpu);
    let layer = ResBlock::new(&vs.root(), 8, 16, &ResBlockConfig { modulation, ..BLOCK });
    shake(&vs);
    vs.double();
    (vs, layer)
}

#[test]
fn a_block_is_its_formula() {
    for modulation in [Modulation::None, Modulation::Add, Modulation::ScaleShift] {
        let (vs, layer) = block(modulation);
        let x = Tensor::randn([3, 8, 6, 6], F64);
        let emb = Tensor::randn([3, 12], F64);
        let v = vs.variables();
        let conv = |x: Tensor, name: &str, padding: i64| {
            let (weight, bias) = (&v[&format!("{name}.weight")], &v[&format!("{name}.bias")]);
            x.conv2d(weight, Some(bias), 1, padding, 1, 1)
        };
        let norm = |x: &Tensor, name| naive_group_norm(x, 4, 1e-5, &vs, name);
        let told = |from: i64| {
            let rows = |part: &str| v[&format!("time_emb_proj.{part}")].narrow(0, from, 16);
            (emb.matmul(&rows("weight").tr()) + rows("bias")).view([3, 16, 1, 1])
        };
        let h = conv(norm(&x, "norm1").silu(), "conv1", 1);
        let h = match modulation {
            Modulation::None => norm(&h, "norm2"),
            Modulation::Add => norm(&(h + told(0)), "norm2"),
            // y_s GN(h) + y_b, the scale first: y_s = 1 + scale, y_b = shift
            Modulation::ScaleShift => (told(0) + 1.0) * norm(&h, "norm2") + told(16),
        };
        let want = conv(x.shallow_clone(), "conv_shortcut", 0) + conv(h.silu(), "conv2", 1);
        let diff = max_diff(&layer.forward(&x, Some(&emb), true), &want);
        assert!(diff < 1e-10, "{modulation:?}: off by {diff:e}");
    }
}

#[test]
fn a_zero_embedding_changes_nothing() {
    let (bare, without) = block(Modulation::None);
    let x = Tensor::randn([3, 8, 6, 6], F64);
    for modulation in [Modulation::Add, Modulation::ScaleShift] {
        let (vs, layer) = block(modulation);
        super::copy_shared(&bare, &vs);
        super::zero(&vs, "time_emb_proj.bias");
        let zero = Tensor::zeros([1, 12], F64);
        let diff =
            max_diff(&layer.forward(&x, Some(&zero), true), &without.forward(&x, None, true));
        assert!(diff < 1e-12, "{modulation:?}: off by {diff:e}");
    }
}

#[test]
fn an_untrained_block_is_its_shortcut() {
    let vs = nn::VarStore::new(Device::Cpu);
    let layer = ResBlock::new(&vs.root(), 8, 8, &BLOCK);
    let x = Tensor::randn([2, 8, 6, 6], F32);
    assert_eq!(layer.forward(&x, Some(&Tensor::randn([2, 12], F32)), true), x);
}

#[test]
fn dropout_acts_in_training_only() {
    let vs = nn::VarStore::new(Device::Cpu);
    let layer = ResBlock::new(&vs.root(), 8, 8, &ResBlockConfig { dropout: 0.5, ..BLOCK });
    shake(&vs);
    let x = Tensor::randn([2, 8, 6, 6], F32);
    let emb = Tensor::randn([2, 12], F32);
    let run = |train| layer.forward(&x, Some(&emb), train);
    assert_eq!(run(false), run(false));
    assert_ne!(run(true), run(true));
}

/// With a kernel that copies one of its nine inputs, the down-convolution shows which pixels it
/// reads: centred kernels start one pixel further up and left when the padding is all around.
#[test]
fn downsampling_pads_where_its_name_says() {
    let x = Tensor::arange(16, F32).view([1, 1, 4, 4]) + 1.0;
    for (padding, corner, want) in [
        (Padding::RightBottom, [0, 0], [1.0, 3.0, 9.0, 11.0]),
        (Padding::RightBottom, [2, 2], [11.0, 0.0, 0.0, 0.0]),
        (Padding::Around, [0, 0], [0.0, 0.0, 0.0, 6.0]),
        (Padding::Around, [2, 2], [6.0, 8.0, 14.0, 16.0]),
    ] {
        let vs = nn::VarStore::new(Device::Cpu);
        let layer = Downsample::new(&vs.root(), 1, padding);
        super::zero(&vs, "conv");
        let _guard = tch::no_grad_guard();
        let _ =
            vs.variables()["conv.weight"].get(0).get(0).get(corner[0]).get(corner[1]).fill_(1.0);
        let want = Tensor::from_slice(&want).view([1, 1, 2, 2]);
        let diff = max_diff(&layer.forward(&x), &want);
        assert!(diff == 0.0, "{padding:?}, kernel pixel {corner:?}: off by {diff}");
    }
}

#[test]
fn upsampling_repeats_pixels() {
    let vs = nn::VarStore::new(Device::Cpu);
    let layer = Upsample::new(&vs.root(), 1);
    super::zero(&vs, "conv");
    let _guard = tch::no_grad_guard();
    let _ = vs.variables()["conv.weight"].get(0).get(0).get(1).get(1).fill_(1.0);
    let x = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]).view([1, 1, 2, 2]);
    let want = [1f32, 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.];
    assert_eq!(layer.forward(&x), Tensor::from_slice(&want).view([1, 1, 4, 4]));
}
