//! The U-Net and its parts, held to their definitions and to diffusers.

mod classifier;
mod conditions;
mod config;
mod golden;
mod parts;
mod tokens;
mod whole;

use from_noise::conditioning::Conditioning;
use from_noise::network::Network;
use from_noise::nn::unet::{Unet, UnetConfig};
use std::collections::HashMap;
use tch::{Device, Kind, Tensor, nn};

const F32: (Kind, Device) = (Kind::Float, Device::Cpu);
const F64: (Kind, Device) = (Kind::Double, Device::Cpu);

fn max_diff(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size(), "shapes differ");
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// A network with its initial weights. The tests run side by side, one thread each.
fn fresh(config: &UnetConfig) -> (nn::VarStore, Unet) {
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let vs = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(&vs.root(), config);
    (vs, net)
}

/// A network in which no weight is zero, so that every part shows in the output.
fn awake(config: &UnetConfig) -> (nn::VarStore, Unet) {
    let (vs, net) = fresh(config);
    shake(&vs);
    (vs, net)
}

/// Adds noise to every variable, in the order of their names.
fn shake(vs: &nn::VarStore) {
    let _guard = tch::no_grad_guard();
    let mut variables: Vec<_> = vs.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, mut v) in variables {
        let noise = v.randn_like() * 0.1;
        let _ = v.g_add_(&noise);
    }
}

/// Copies into `to` the tensors of `from` that both name with one shape.
fn copy_weights(from: &HashMap<String, Tensor>, to: &nn::VarStore) {
    let _guard = tch::no_grad_guard();
    for (name, mut v) in to.variables() {
        if let Some(weights) = from.get(&name).filter(|w| w.size() == v.size()) {
            v.copy_(weights);
        }
    }
}

fn copy_shared(from: &nn::VarStore, to: &nn::VarStore) {
    copy_weights(&from.variables(), to);
}

/// Sets to zero the variables whose name contains `part`; there must be some.
fn zero(vs: &nn::VarStore, part: &str) {
    let _guard = tch::no_grad_guard();
    let mut found = 0;
    for (name, mut v) in vs.variables() {
        if name.contains(part) {
            let _ = v.zero_();
            found += 1;
        }
    }
    assert!(found > 0, "no variable is called {part}");
}

fn images(n: i64, config: &UnetConfig) -> Tensor {
    Tensor::randn([n, config.in_channels, config.image_size, config.image_size], F32)
}

fn plain(net: &Unet, x: &Tensor, t: &[f32]) -> Tensor {
    net.forward(x, &Tensor::from_slice(t), &Conditioning::none(), false)
}
