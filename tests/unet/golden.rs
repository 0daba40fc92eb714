//! Output and gradients of tiny random U-Nets of diffusers (tests/golden/make_unet.py).

use super::{F64, max_diff};
use from_noise::conditioning::{Conditioning, Tokens};
use from_noise::network::Network;
use from_noise::nn::unet::{
    Dialect, Resampling, TimeConditioning, TokenAttention, TokenForm, Unet, UnetConfig,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tch::{Device, Kind, Tensor, nn};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

pub fn ddpm() -> UnetConfig {
    UnetConfig {
        in_channels: 3,
        out_channels: 3,
        image_size: 16,
        space_to_depth: 1,
        channels: vec![8, 16],
        layers: 1,
        attention: vec![1],
        head_dim: None,
        groups: 4,
        time: TimeConditioning::Add,
        dropout: 0.0,
        dialect: Dialect::DDPM,
        ..UnetConfig::tiny()
    }
}

pub fn adagn() -> UnetConfig {
    UnetConfig {
        in_channels: 1,
        out_channels: 1,
        image_size: 28,
        channels: vec![8, 8],
        layers: 2,
        head_dim: Some(4),
        time: TimeConditioning::ScaleShift,
        dialect: Dialect::OPENAI,
        skip_rescale: true,
        ..ddpm()
    }
}

pub fn glide() -> UnetConfig {
    let tokens = Some(TokenAttention { form: TokenForm::Concatenated, dim: 6 });
    let resampling = Resampling::ResBlock;
    UnetConfig {
        image_size: 8,
        layers: 1,
        in_channels: 3,
        out_channels: 3,
        resampling,
        skip_rescale: false,
        tokens,
        ..adagn()
    }
}

pub fn ldm() -> UnetConfig {
    let tokens = Some(TokenAttention { form: TokenForm::CrossAttention, dim: 6 });
    let (time, resampling) = (TimeConditioning::Add, Resampling::Conv);
    UnetConfig { time, resampling, tokens, ..glide() }
}

/// What the network of the file is conditioned on.
fn conditioning(io: &HashMap<String, Tensor>) -> Conditioning {
    let tokens = io.get("tokens").map(|embeddings| Tokens {
        embeddings: embeddings.set_requires_grad(true),
        mask: io["mask"].shallow_clone(),
    });
    Conditioning { tokens, ..Conditioning::none() }
}

fn tensors(file: &str) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(format!("{FOLDER}/{file}")).unwrap().into_iter().collect()
}

fn loaded(name: &str, config: &UnetConfig) -> (nn::VarStore, Unet) {
    let mut vs = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(&vs.root(), config);
    let weights = tensors(&format!("{name}.weights.safetensors"));
    let shapes = |of: &HashMap<String, Tensor>| -> BTreeSet<(String, Vec<i64>)> {
        of.iter().map(|(name, v)| (name.clone(), v.size())).collect()
    };
    assert_eq!(shapes(&vs.variables()), shapes(&weights), "names and shapes of {name}");
    super::copy_weights(&weights, &vs);
    vs.double();
    (vs, net)
}

fn agrees_with_diffusers(name: &str, config: &UnetConfig) {
    let (vs, net) = loaded(name, config);
    let io = tensors(&format!("{name}.io.safetensors"));
    let x = io["x"].set_requires_grad(true);
    let conditioning = conditioning(&io);
    let out = net.forward(&x, &io["t"], &conditioning, true);
    let diff = max_diff(&out, &io["out"]);
    assert!(diff < 1e-9, "{name}: the output is off by {diff:e}");

    let loss = (out * &io["w"]).sum(Kind::Double);
    loss.backward();
    let diff = max_diff(&x.grad(), &io["grad.x"]);
    assert!(diff < 1e-8, "{name}: the gradient of x is off by {diff:e}");
    if let Some(tokens) = &conditioning.tokens {
        let diff = max_diff(&tokens.embeddings.grad(), &io["grad.tokens"]);
        assert!(diff < 1e-8, "{name}: the gradient of the tokens is off by {diff:e}");
    }
    let variables = vs.variables();
    let mut compared = 0;
    for (parameter, want) in io.iter().filter_map(|(k, v)| Some((k.strip_prefix("grad.")?, v))) {
        let Some(variable) = variables.get(parameter) else { continue };
        let diff = max_diff(&variable.grad(), want);
        assert!(diff < 1e-8, "{name}: the gradient of {parameter} is off by {diff:e}");
        compared += 1;
    }
    assert_eq!(compared, 9, "{name}: gradients in the file");

    let json = std::fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(config.cost().unwrap().params, golden["parameters"].as_i64().unwrap());
    let norms: BTreeMap<String, f64> =
        serde_json::from_value(golden["grad_norms"].clone()).unwrap();
    for (parameter, want) in norms {
        let got = variables[&parameter].grad().norm().double_value(&[]);
        assert!(
            (got - want).abs() < 1e-9 * (1.0 + want),
            "{name}: |grad {parameter}| {got} {want}"
        );
    }
}

#[test]
fn the_ddpm_unet_is_diffusers() {
    agrees_with_diffusers("unet_ddpm", &ddpm());
}

#[test]
fn the_adagn_unet_is_diffusers() {
    agrees_with_diffusers("unet_adagn", &adagn());
}

#[test]
fn the_unet_with_concatenated_tokens_is_diffusers() {
    agrees_with_diffusers("unet_glide", &glide());
}

#[test]
fn the_unet_with_cross_attention_is_diffusers() {
    agrees_with_diffusers("unet_ldm", &ldm());
}

#[test]
fn in_f32_the_difference_stays_rounding() {
    let nets = [
        ("unet_ddpm", ddpm()),
        ("unet_adagn", adagn()),
        ("unet_glide", glide()),
        ("unet_ldm", ldm()),
    ];
    for (name, config) in nets {
        let (mut vs, net) = loaded(name, &config);
        vs.float();
        let io = tensors(&format!("{name}.io.safetensors"));
        let (x, t) = (io["x"].to_kind(Kind::Float), io["t"].to_kind(Kind::Float));
        let diff = max_diff(&net.forward(&x, &t, &conditioning(&io), false), &io["out"]);
        assert!(diff < 1e-5, "{name}: f32 is off by {diff:e}");
    }
}

#[test]
fn embeddings_are_diffusers() {
    use from_noise::nn::embedding::{Layout, sinusoidal};
    let json = std::fs::read_to_string(format!("{FOLDER}/embeddings.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&json).unwrap();
    let list = |v: &serde_json::Value| -> Vec<f64> { serde_json::from_value(v.clone()).unwrap() };
    let t = Tensor::from_slice(&list(&golden["t"])).to_kind(F64.0);
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let layout = match (&case["flip_sin_to_cos"], &case["freq_shift"]) {
            (flip, shift) if flip == false && shift == 1 => Layout::SinCos,
            (flip, shift) if flip == true && shift == 0 => Layout::CosSin,
            other => panic!("an unknown layout: {other:?}"),
        };
        let dim = case["dim"].as_i64().unwrap();
        let rows: Vec<f64> = case["emb"].as_array().unwrap().iter().flat_map(list).collect();
        let want = Tensor::from_slice(&rows).view([-1, dim]);
        let diff = max_diff(&sinusoidal(&t, dim, layout), &want);
        assert!(diff < 1e-12, "{layout:?} of {dim} is off by {diff:e}");
    }
}
