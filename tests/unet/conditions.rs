//! The three places where a condition enters.

use super::{F32, awake, images, max_diff};
use from_noise::conditioning::{Conditioning, Tokens};
use from_noise::network::Network;
use from_noise::nn::unet::{TimeConditioning, Unet, UnetConfig};
use tch::{Device, Kind, Tensor};

fn with(net: &Unet, x: &Tensor, conditioning: Conditioning) -> Tensor {
    net.forward(x, &Tensor::from_slice(&[300f32]), &conditioning, false)
}

fn emb(emb: Tensor) -> Conditioning {
    Conditioning { emb: Some(emb), ..Conditioning::none() }
}

#[test]
fn an_embedding_is_added_to_the_time() {
    for time in [TimeConditioning::Add, TimeConditioning::ScaleShift] {
        let config = UnetConfig { time, ..UnetConfig::tiny() };
        let (_vs, net) = awake(&config);
        let x = images(3, &config);
        let none = with(&net, &x, Conditioning::none());
        let width = config.emb_dim();
        let zero = with(&net, &x, emb(Tensor::zeros([3, width], F32)));
        assert!(max_diff(&zero, &none) < 1e-5, "{time:?}: a zero embedding is heard");

        let rows = Tensor::randn([3, width], F32);
        let all = with(&net, &x, emb(rows.shallow_clone()));
        assert!(max_diff(&all, &none) > 1e-3, "{time:?}: the embedding is not heard");
        for i in 0..3 {
            let one = with(&net, &x.narrow(0, i, 1), emb(rows.narrow(0, i, 1)));
            let diff = max_diff(&one, &all.narrow(0, i, 1));
            assert!(diff < 1e-5, "{time:?}: sample {i} hears another's condition ({diff:e})");
        }
        let shared = with(&net, &x, emb(rows.narrow(0, 0, 1)));
        let each = with(&net, &x, emb(rows.narrow(0, 0, 1).repeat([3, 1])));
        assert!(max_diff(&shared, &each) < 1e-5);
    }
}

/// Added before the blocks' first `silu`, as the bias of the embedding's last layer is.
#[test]
fn an_embedding_acts_as_a_bias_of_the_time_embedding() {
    for time in [TimeConditioning::Add, TimeConditioning::ScaleShift] {
        let config = UnetConfig { time, ..UnetConfig::tiny() };
        let (vs, net) = awake(&config);
        let x = images(3, &config);
        let row = Tensor::randn([1, config.emb_dim()], F32);
        let added = with(&net, &x, emb(row.shallow_clone()));
        let mut bias = vs.variables()["time_embedding.linear_2.bias"].shallow_clone();
        let _ = tch::no_grad(|| bias.g_add_(&row.squeeze()));
        let diff = max_diff(&with(&net, &x, Conditioning::none()), &added);
        assert!(diff < 1e-5, "{time:?}: off by {diff:e}");
    }
}

#[test]
fn planes_are_channels_after_the_image() {
    let config = UnetConfig { in_channels: 3, out_channels: 1, ..UnetConfig::tiny() };
    let (_vs, net) = awake(&config);
    let all = images(2, &config);
    let planes = Some(all.narrow(1, 1, 2));
    let split = with(&net, &all.narrow(1, 0, 1), Conditioning { planes, ..Conditioning::none() });
    assert_eq!(split, with(&net, &all, Conditioning::none()));
}

#[test]
#[should_panic(expected = "takes [B, 3, H, W] (planes included)")]
fn missing_planes_are_refused() {
    let config = UnetConfig { in_channels: 3, out_channels: 1, ..UnetConfig::tiny() };
    let (_vs, net) = awake(&config);
    let _ = with(&net, &Tensor::zeros([1, 1, 28, 28], F32), Conditioning::none());
}

#[test]
#[should_panic(expected = "[1, 5], this U-Net adds it to [B, 32]")]
fn an_embedding_of_another_width_is_refused() {
    let config = UnetConfig::tiny();
    let (_vs, net) = awake(&config);
    let _ = with(&net, &images(1, &config), emb(Tensor::zeros([1, 5], F32)));
}

#[test]
#[should_panic(expected = "Channel has no place for Conditioning.emb")]
fn an_embedding_needs_blocks_that_listen() {
    let config = UnetConfig { time: TimeConditioning::Channel, ..UnetConfig::tiny() };
    let (_vs, net) = awake(&config);
    let _ = with(&net, &images(1, &config), emb(Tensor::zeros([1, 32], F32)));
}

#[test]
#[should_panic(expected = "no cross-attention")]
fn tokens_are_refused() {
    let config = UnetConfig::tiny();
    let (_vs, net) = awake(&config);
    let mask = Tensor::ones([1, 4], (Kind::Bool, Device::Cpu));
    let tokens = Some(Tokens { embeddings: Tensor::zeros([1, 4, 8], F32), mask });
    let _ = with(&net, &images(1, &config), Conditioning { tokens, ..Conditioning::none() });
}
