//! Facts about the whole network.

use super::{F32, awake, copy_shared, fresh, images, max_diff, plain, shake, zero};
use from_noise::conditioning::Conditioning;
use from_noise::network::Network;
use from_noise::nn::unet::{Dialect, TimeConditioning, UnetConfig};
use tch::{Device, Kind, Reduction, Tensor, nn, nn::OptimizerConfig};

const TIMES: [TimeConditioning; 4] = [
    TimeConditioning::Add,
    TimeConditioning::ScaleShift,
    TimeConditioning::Channel,
    TimeConditioning::Ignored,
];

fn tiny(time: TimeConditioning) -> UnetConfig {
    UnetConfig { time, ..UnetConfig::tiny() }
}

#[test]
fn the_output_has_the_shape_of_the_input() {
    let three_levels = |image_size| UnetConfig {
        image_size,
        space_to_depth: 1,
        channels: vec![8, 8, 16],
        attention: vec![2],
        ..UnetConfig::tiny()
    };
    let mut configs: Vec<_> = [28, 32, 64].map(three_levels).to_vec();
    configs.extend(TIMES.map(tiny));
    configs.push(UnetConfig { in_channels: 3, out_channels: 6, ..UnetConfig::tiny() });
    configs.push(UnetConfig { space_to_depth: 4, channels: vec![8], ..UnetConfig::tiny() });
    configs.push(UnetConfig { dialect: Dialect::OPENAI, ..three_levels(28) });
    for config in configs {
        let (_vs, net) = awake(&config);
        let out = plain(&net, &images(2, &config), &[3.0, 700.0]);
        let side = config.image_size;
        assert_eq!(out.size(), [2, config.out_channels, side, side], "{config:?}");
        assert!(out.is_contiguous(), "a caller may view the output");
        assert!(
            out.isfinite().all().int64_value(&[]) == 1 && out.std(true).double_value(&[]) > 0.0
        );
    }
}

#[test]
fn an_untrained_unet_predicts_zero_so_the_first_loss_is_one() {
    for time in TIMES {
        let config = tiny(time);
        let (_vs, net) = fresh(&config);
        let eps = images(16, &config);
        let out = plain(&net, &images(16, &config), &[10.0; 16]);
        assert_eq!(out.abs().max().double_value(&[]), 0.0, "{time:?}");
        let loss = out.mse_loss(&eps, Reduction::Mean).double_value(&[]);
        assert!((loss - 1.0).abs() < 0.05, "first loss {loss}");
    }
}

#[test]
fn a_sample_does_not_see_the_others_in_its_batch() {
    let config = UnetConfig { attention: vec![0, 1], ..UnetConfig::tiny() };
    let (_vs, net) = awake(&config);
    let x = images(3, &config);
    let other = images(1, &config) * 5.0;
    let mixed = Tensor::cat(&[x.narrow(0, 0, 2), other], 0);
    let (a, b) = (plain(&net, &x, &[1.0, 50.0, 900.0]), plain(&net, &mixed, &[1.0, 50.0, 2.0]));
    assert_eq!(a.narrow(0, 0, 2), b.narrow(0, 0, 2));
    assert!(max_diff(&a.narrow(0, 2, 1), &b.narrow(0, 2, 1)) > 1e-2);
}

#[test]
fn one_time_for_the_batch_equals_the_same_time_for_each() {
    for time in TIMES {
        let config = tiny(time);
        let (_vs, net) = awake(&config);
        let x = images(4, &config);
        let diff = max_diff(&plain(&net, &x, &[321.0]), &plain(&net, &x, &[321.0; 4]));
        assert!(diff < 1e-5, "{time:?}: off by {diff:e}");
    }
}

/// Each way of telling the time, with its own weights at zero, is the network that is not told.
#[test]
fn every_time_input_contains_the_blind_network() {
    let (blind_vs, blind) = awake(&tiny(TimeConditioning::Ignored));
    let x = images(2, blind.config());
    let want = plain(&blind, &x, &[5.0, 800.0]);
    assert_eq!(want, plain(&blind, &x, &[900.0, 1.0]), "the blind network sees t");
    for time in [TimeConditioning::Add, TimeConditioning::ScaleShift, TimeConditioning::Channel] {
        let (vs, net) = awake(&tiny(time));
        copy_shared(&blind_vs, &vs);
        match time {
            TimeConditioning::Channel => widen_input(&blind_vs, &vs),
            _ => zero(&vs, "time_emb_proj"),
        }
        let diff = max_diff(&plain(&net, &x, &[5.0, 800.0]), &want);
        assert!(diff < 1e-5, "{time:?}: off by {diff:e}");
        shake(&vs);
        let change = max_diff(&plain(&net, &x, &[5.0]), &plain(&net, &x, &[800.0]));
        assert!(change > 1e-3, "{time:?}: the time does not reach the output ({change:e})");
    }
}

/// The first convolution of `from`, with zeros for the time channel.
fn widen_input(from: &nn::VarStore, to: &nn::VarStore) {
    let _guard = tch::no_grad_guard();
    let narrow = &from.variables()["conv_in.weight"];
    let wide = &to.variables()["conv_in.weight"];
    let channels = narrow.size()[1];
    assert_eq!(wide.size()[1], channels + 1);
    wide.narrow(1, 0, channels).copy_(narrow);
    let _ = wide.narrow(1, channels, 1).zero_();
}

/// The last convolution and the second one of every block start at zero: the first step moves the
/// last one, the second the blocks, and from the third on the time is heard everywhere.
#[test]
fn after_three_steps_the_time_is_heard_in_every_block() {
    for time in [TimeConditioning::Add, TimeConditioning::ScaleShift] {
        let config = tiny(time);
        let (vs, net) = fresh(&config);
        let mut adam = nn::Adam::default().build(&vs, 1e-3).unwrap();
        let (x, eps) = (images(4, &config), images(4, &config));
        let t = Tensor::from_slice(&[1f32, 200.0, 400.0, 900.0]);
        for _ in 0..3 {
            let out = net.forward(&x, &t, &Conditioning::none(), true);
            adam.backward_step(&out.mse_loss(&eps, Reduction::Mean));
        }
        let out = net.forward(&x, &t, &Conditioning::none(), true);
        adam.zero_grad();
        out.square().sum(Kind::Float).backward();
        let told: Vec<_> =
            vs.variables().into_iter().filter(|(name, _)| name.contains("time_emb_proj")).collect();
        assert_eq!(told.len(), 2 * (2 + 2 + 4), "two tensors a block");
        for (name, v) in told {
            assert!(v.grad().norm().double_value(&[]) > 0.0, "{time:?}: {name} hears nothing");
        }
    }
}

#[test]
fn folding_pixels_is_a_change_of_layout_only() {
    let folded = UnetConfig::tiny();
    let open = UnetConfig {
        in_channels: 4,
        out_channels: 4,
        image_size: 14,
        space_to_depth: 1,
        ..folded.clone()
    };
    let (vs, net) = awake(&folded);
    let (open_vs, open_net) = fresh(&open);
    copy_shared(&vs, &open_vs);
    let x = images(2, &folded);
    // channel 2 i + j of the folded image is the pixel in row i and column j of each square
    let pick = |i, j| x.slice(2, i, None, 2).slice(3, j, None, 2);
    let channels = Tensor::cat(&[pick(0, 0), pick(0, 1), pick(1, 0), pick(1, 1)], 1);
    let want = plain(&open_net, &channels, &[7.0]).pixel_shuffle(2);
    assert_eq!(plain(&net, &x, &[7.0]), want);
}

/// Learning is the test that nothing is disconnected: one batch can be learned by heart.
#[test]
fn one_batch_can_be_learned_by_heart() {
    let config = tiny(TimeConditioning::Add);
    let (vs, net) = fresh(&config);
    let mut adam = nn::Adam::default().build(&vs, 5e-3).unwrap();
    let (x, eps) = (images(2, &config), images(2, &config));
    let t = Tensor::from_slice(&[100f32, 800.0]);
    let mut loss = f64::NAN;
    for _ in 0..300 {
        let out = net.forward(&x, &t, &Conditioning::none(), true);
        let error = out.mse_loss(&eps, Reduction::Mean);
        adam.backward_step(&error);
        loss = error.double_value(&[]);
    }
    assert!(loss < 0.1, "still {loss} after 300 steps");
}

#[test]
fn a_network_in_bf16_still_tells_late_steps_apart() {
    let (mut vs, net) = awake(&tiny(TimeConditioning::Add));
    let x = images(2, net.config());
    let exact = max_diff(&plain(&net, &x, &[999.0]), &plain(&net, &x, &[1000.0]));
    vs.bfloat16();
    let x = x.to_kind(Kind::BFloat16);
    let rounded = max_diff(&plain(&net, &x, &[999.0]), &plain(&net, &x, &[1000.0]));
    assert!(exact > 0.0 && rounded > 0.0, "f32 {exact:e}, bf16 {rounded:e}");
    assert_eq!(plain(&net, &x, &[999.0]).kind(), Kind::BFloat16);
}

#[test]
#[should_panic(expected = "with sides that 4 divides, not [1, 1, 30, 30]")]
fn an_image_of_the_wrong_size_is_refused() {
    let (_vs, net) = fresh(&UnetConfig::tiny());
    let _ = plain(&net, &Tensor::zeros([1, 1, 30, 30], F32), &[1.0]);
}

#[test]
fn it_builds_on_the_device_of_its_path() {
    let (vs, _net) = fresh(&UnetConfig::tiny());
    assert!(vs.variables().values().all(|v| v.device() == Device::Cpu && v.requires_grad()));
}
