//! Names, sizes and costs, and what is refused before anything is built.

use super::fresh;
use from_noise::nn::unet::{Resampling, TimeConditioning, TokenAttention, TokenForm, UnetConfig};
use std::collections::BTreeSet;

#[test]
fn cifar10_has_the_tensors_of_google_ddpm_cifar10_32() {
    let list = include_str!("../golden/ddpm_cifar10_32_keys.txt");
    let published: BTreeSet<String> = list.lines().map(str::to_owned).collect();
    assert_eq!(published.len(), 328);
    let (vs, _net) = fresh(&UnetConfig::cifar10());
    let variables = vs.variables();
    let ours = variables.iter().map(|(name, v)| format!("{name} {:?}", v.size()));
    assert_eq!(ours.collect::<BTreeSet<_>>(), published);
    let params: usize = variables.values().map(|v| v.numel()).sum();
    assert_eq!(params, 35_746_307);
    assert_eq!(UnetConfig::cifar10().cost().unwrap().params, 35_746_307);
}

fn tokens(form: TokenForm, dim: i64) -> Option<TokenAttention> {
    Some(TokenAttention { form, dim })
}

#[test]
fn the_cost_counts_every_parameter() {
    let tiny = UnetConfig::tiny();
    let times = [
        TimeConditioning::Add,
        TimeConditioning::ScaleShift,
        TimeConditioning::Channel,
        TimeConditioning::Ignored,
    ];
    let mut configs: Vec<_> =
        times.iter().map(|&time| UnetConfig { time, ..tiny.clone() }).collect();
    configs.push(UnetConfig::mnist());
    configs.push(UnetConfig { channels: vec![8, 24, 16], space_to_depth: 1, ..tiny.clone() });
    let resampling = Resampling::ResBlock;
    for time in [TimeConditioning::Add, TimeConditioning::ScaleShift] {
        configs.push(UnetConfig { time, resampling, skip_rescale: true, ..tiny.clone() });
    }
    for form in [TokenForm::Concatenated, TokenForm::CrossAttention] {
        let tokens = tokens(form, 10);
        configs.push(UnetConfig { tokens, attention: vec![0], layers: 2, ..tiny.clone() });
    }
    configs.push(UnetConfig { attention: vec![0, 1], layers: 3, in_channels: 2, ..tiny });
    for config in configs {
        let (vs, _net) = fresh(&config);
        let built: i64 = vs.variables().values().map(|v| v.numel() as i64).sum();
        assert_eq!(config.cost().unwrap().params, built, "{config:?}");
    }
}

/// PyTorch's own counter on diffusers' networks (tests/golden/make_flops.py).
#[test]
fn the_cost_is_what_pytorch_counts() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../golden/flops.json")).unwrap();
    let folded = UnetConfig { channels: vec![16, 40], attention: vec![], ..UnetConfig::mnist() };
    let configs = [
        ("unet_ddpm", super::golden::ddpm()),
        ("unet_adagn", super::golden::adagn()),
        ("folded", folded),
        ("cifar10", UnetConfig::cifar10()),
        ("unet_glide", super::golden::glide()),
        ("unet_ldm", super::golden::ldm()),
    ];
    for (name, config) in configs {
        let cost = config.cost().unwrap();
        assert_eq!(golden[name]["params"], cost.params, "{name}");
        assert_eq!(golden[name]["flops"], cost.flops, "{name}");
    }
}

#[test]
fn configs_survive_json_and_refuse_misspellings() {
    let (tiny, form) = (UnetConfig::tiny(), TokenForm::CrossAttention);
    let attentive = UnetConfig { tokens: tokens(form, 512), ..tiny.clone() };
    let json = serde_json::to_string(&attentive).unwrap();
    assert!(json.ends_with(r#","tokens":{"form":"cross-attention","dim":512}}"#), "{json}");
    for config in [tiny, attentive, UnetConfig::mnist(), UnetConfig::cifar10()] {
        config.check().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<UnetConfig>(&json).unwrap(), config);
    }
    let error = serde_json::from_str::<UnetConfig>(r#"{"chanels": [8]}"#).unwrap_err().to_string();
    assert!(error.contains("chanels") && error.contains("channels"), "{error}");
}

/// The weights that come along were written before a U-Net could attend to tokens.
#[test]
fn an_older_config_is_read_and_written_to_the_same_bytes() {
    let file = include_str!("../../weights/mnist-ddpm/config.json");
    let all: serde_json::Value = serde_json::from_str(file).unwrap();
    let network = all["config"]["network"].clone();
    let config: UnetConfig = serde_json::from_value(network).unwrap();
    assert_eq!(config.tokens, None);
    let json = serde_json::to_string_pretty(&config).unwrap().replace('\n', "\n    ");
    assert!(file.contains(&format!("\n    \"network\": {json},\n")), "{json}");
}

#[test]
fn what_cannot_be_built_is_refused_in_a_sentence() {
    let ok = UnetConfig::tiny();
    let four = UnetConfig { space_to_depth: 1, channels: vec![8; 4], ..ok.clone() };
    let cases = [
        (
            four,
            "no U-Net has image_size = 28: space_to_depth 1 and 4 levels need a multiple of 8: \
             pad the images to 32, or use fewer levels",
        ),
        (
            UnetConfig { channels: vec![8, 18], ..ok.clone() },
            "no U-Net has channels = [8, 18]: each must be a multiple of the 4 groups",
        ),
        (
            UnetConfig { channels: vec![], ..ok.clone() },
            "no U-Net has channels = []: name at least one level",
        ),
        (
            UnetConfig { channels: vec![3, 8], groups: 1, ..ok.clone() },
            "no U-Net has channels = [3, 8]: the first must be even and at least 4",
        ),
        (
            UnetConfig { attention: vec![2], ..ok.clone() },
            "no U-Net has attention = [2]: with 2 levels they are numbered 0 to 1",
        ),
        (
            UnetConfig { head_dim: Some(5), ..ok.clone() },
            "no U-Net has head_dim = 5: it must divide the 16 channels of level 1",
        ),
        (UnetConfig { dropout: 1.0, ..ok.clone() }, "no U-Net has dropout = 1: it lies in [0, 1)"),
        (UnetConfig { layers: 0, ..ok.clone() }, "no U-Net has layers = 0: it is at least 1"),
        (UnetConfig { groups: 0, ..ok.clone() }, "no U-Net has groups = 0: it is at least 1"),
        (
            UnetConfig { tokens: tokens(TokenForm::Concatenated, 0), ..ok.clone() },
            "no U-Net has tokens.dim = 0: it is at least 1",
        ),
        (
            UnetConfig { space_to_depth: 0, ..ok.clone() },
            "no U-Net has space_to_depth = 0: it is at least 1",
        ),
        (
            UnetConfig { image_size: 4100, ..ok.clone() },
            "no U-Net has image_size = 4100: it is at most 4096",
        ),
        (
            UnetConfig { channels: vec![8, 8200], ..ok },
            "no U-Net has channels = [8, 8200]: at most 16 levels of at most 8192",
        ),
    ];
    for (config, want) in cases {
        assert_eq!(config.check().unwrap_err().to_string(), want);
        assert_eq!(config.cost().unwrap_err().to_string(), want);
    }
}
