//! Weights as PyTorch and diffusers save them, and what diffusers computes with them.

use crate::{parity, uniform};
use from_noise::checkpoint::{CheckpointError, load_published, load_tensors, save_tensors};
use from_noise::data::{Color, Format, Source};
use from_noise::guide::DenoiserExt;
use from_noise::network::Network;
use from_noise::nn::unet::{Dialect, TimeConditioning};
use from_noise::nn::{Unet, UnetConfig};
use from_noise::pretrained::{Diffusers, ImageConfig, export_diffusers, load_openai};
use from_noise::sample::ddim;
use from_noise::schedule::Path as Levels;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, nn};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A layer for the small checkpoints.
fn layer(inputs: i64, outputs: i64) -> nn::VarStore {
    let vs = nn::VarStore::new(Device::Cpu);
    nn::linear(vs.root() / "layer", inputs, outputs, Default::default());
    vs
}

fn without_steps(name: &str) -> Option<String> {
    (name != "steps").then(|| name.to_owned())
}

#[test]
fn both_forms_of_torch_save_are_read_and_views_are_gathered() {
    // torch.manual_seed(0); torch.randn(4, 3)
    let first = [1.540_996_1, -0.293_428_9, -2.178_789_4, 0.568_431_26];
    for name in ["checkpoint-zip.pth", "checkpoint-legacy.pth"] {
        let vs = layer(3, 4);
        load_published(&vs, golden(name), without_steps).unwrap();
        let found = vs.variables();
        let weight = Vec::<f32>::try_from(found["layer.weight"].flatten(0, -1)).unwrap();
        assert_eq!(weight[..4], first, "{name}");
        assert_eq!(Vec::<f32>::try_from(&found["layer.bias"]).unwrap(), [0.0, 1.0, 2.0, 3.0]);
    }
    let plain = layer(3, 4);
    load_published(&plain, golden("checkpoint-zip.pth"), without_steps).unwrap();
    let bias_aside = |name: &str| (name == "layer.weight").then(|| name.to_owned());
    let alone = nn::VarStore::new(Device::Cpu);
    let _ = alone.root().sub("layer").zeros("weight", &[3, 4]);
    load_published(&alone, golden("checkpoint-turned.pth"), bias_aside).unwrap();
    assert_eq!(alone.variables()["layer.weight"], plain.variables()["layer.weight"].tr());
}

#[test]
fn what_does_not_fit_is_listed_and_nothing_is_changed() {
    let refused = |vs: &nn::VarStore, path: &Path, names: fn(&str) -> Option<String>| {
        let values = || {
            let copy = |(name, tensor): (String, Tensor)| (name, tensor.copy());
            vs.variables().into_iter().map(copy).collect::<BTreeMap<_, _>>()
        };
        let before = values();
        let error = load_published(vs, path, names).unwrap_err();
        let after = values();
        assert_eq!(before, after, "weights were touched");
        error.to_string()
    };
    let same: fn(&str) -> Option<String> = |name| Some(name.to_owned());
    let zip = golden("checkpoint-zip.pth");
    let extra = refused(&layer(3, 4), &zip, same);
    assert!(extra.contains("only in the file: steps []"), "{extra}");
    let transposed = refused(&layer(3, 4), &golden("checkpoint-turned.pth"), without_steps);
    let want = "wrong shape: layer.weight is [3, 4] in the file, [4, 3] here";
    assert!(transposed.contains(want), "{transposed}");
    let more = layer(3, 4);
    let _ = more.root().zeros("another", &[2]);
    let missing = refused(&more, &zip, without_steps);
    assert!(missing.contains("missing from the file: another [2]"), "{missing}");
    let whole = nn::VarStore::new(Device::Cpu);
    let path = whole.root() / "layer";
    let _ = path.zeros("weight", &[4, 3]);
    let _ = path.add("bias", Tensor::zeros([4], tch::kind::INT64_CPU), false);
    let dtype = refused(&whole, &zip, without_steps);
    assert!(dtype.contains("wrong dtype: layer.bias is Float in the file, Int64 here"), "{dtype}");
    let twice = refused(&layer(3, 4), &zip, |_| Some("layer.weight".into()));
    assert!(twice.contains("two of its tensors are `layer.weight` here"), "{twice}");
}

#[test]
fn a_damaged_file_and_one_of_another_kind_are_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = load_published(&layer(3, 4), &path, without_steps).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{name}: {error:?}");
        error.to_string()
    };
    for form in ["checkpoint-zip.pth", "checkpoint-legacy.pth"] {
        let whole = fs::read(golden(form)).unwrap();
        for part in [whole.len() - 3, whole.len() / 2, 10] {
            let error = refused(form, &whole[..part]);
            assert!(error.contains("is damaged or cut short"), "{error}");
        }
    }
    refused("words.pth", b"this is no checkpoint");
    refused("empty.pt", b"");
    refused("words.safetensors", b"this is no checkpoint");
    let error = load_published(&layer(3, 4), dir.path().join("none.pth"), without_steps);
    assert!(matches!(error, Err(CheckpointError::Io { .. })), "{error:?}");
}

/// The tiny model of diffusers in one of its two layouts.
fn tiny(layout: &str) -> (Diffusers, nn::VarStore, Unet) {
    let found = Diffusers::read(golden("diffusers").join(layout), Source::Cifar10).unwrap();
    let vs = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(&vs.root(), &found.config.network);
    found.load(&vs).unwrap();
    (found, vs, net)
}

#[test]
fn a_model_of_diffusers_is_read_in_both_layouts_and_computes_the_same() {
    let io = load_tensors(golden("diffusers.safetensors")).unwrap();
    for layout in ["pipeline", "old"] {
        let (found, _vs, net) = tiny(layout);
        assert!(found.large_variance, "{layout}");
        assert_eq!(found.config.format, Format { color: Color::Rgb, size: 16 });
        let t = io["t"].to_kind(Kind::Float);
        let out = net.forward(&io["x"], &t, &Default::default(), false);
        let error = (&out - &io["out"]).abs().max().double_value(&[]);
        parity(&format!("a tiny UNet2DModel, layout `{layout}`: diffusers"), error, 1e-5);
    }
}

#[test]
fn ten_steps_end_to_end_are_diffusers() {
    let io = load_tensors(golden("diffusers.safetensors")).unwrap();
    let (found, mut vs, _net) = tiny("pipeline");
    vs.freeze();
    // by the way that a user goes: a model, clipped, and DDIM
    let model_vs = nn::VarStore::new(Device::Cpu);
    let model = found.config.build(&model_vs.root());
    found.load(&model_vs).unwrap();
    let schedule = found.config.schedule.build();
    let model = model.given(None).clip(1.0);
    let path = schedule.path(Levels::Trailing, 10);
    let x0 =
        tch::no_grad(|| ddim(&model, &path, io["x"].shallow_clone(), 0.0, &mut |x| x.zeros_like()));
    let error = (&x0 - &io["ddim"]).abs().max().double_value(&[]);
    parity("ten clipped DDIM steps, end to end: diffusers", error, 1e-4);
}

#[test]
fn what_is_exported_is_what_diffusers_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (mut found, vs, _net) = tiny("old"); // of the old names: the new ones are written
    found.config.parameterization.head = from_noise::denoiser::Head::Mean;
    export_diffusers(&found.config, &vs, dir.path()).unwrap();
    let theirs = golden("diffusers/pipeline");
    let weights = "unet/diffusion_pytorch_model.safetensors";
    let [ours_read, theirs_read] =
        [dir.path(), &theirs].map(|dir| load_tensors(dir.join(weights)).unwrap());
    assert_eq!(ours_read, theirs_read);
    for name in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"] {
        let read = |dir: &Path| -> serde_json::Map<String, serde_json::Value> {
            serde_json::from_str(&fs::read_to_string(dir.join(name)).unwrap()).unwrap()
        };
        let (ours, theirs) = (read(dir.path()), read(&theirs));
        for (key, value) in &ours {
            if key == "variance_type" {
                continue; // how it is sampled, not what it is
            }
            let same = match (value.as_f64(), theirs[key].as_f64()) {
                (Some(ours), Some(theirs)) => ours == theirs, // 1 and 1.0
                _ => *value == theirs[key],
            };
            assert!(same, "{name}: {key} = {value}, theirs {}", theirs[key]);
        }
        assert!(ours.contains_key("_class_name"), "{name}");
    }
    let again = Diffusers::read(dir.path(), Source::Cifar10).unwrap();
    let config = |found: &Diffusers| serde_json::to_value(&found.config).unwrap();
    assert_eq!(config(&again), config(&found));
}

#[test]
fn settings_without_a_form_here_or_there_are_named() {
    let refused = |file: &str, from: &str, to: &str| {
        let dir = tempfile::tempdir().unwrap();
        for name in ["config.json", "scheduler_config.json"] {
            let text = fs::read_to_string(golden("diffusers/old").join(name)).unwrap();
            let text = if name == file { text.replacen(from, to, 1) } else { text };
            fs::write(dir.path().join(name), text).unwrap();
        }
        Diffusers::read(dir.path(), Source::Cifar10).unwrap_err().to_string()
    };
    let unet = "config.json";
    for (from, to, named) in [
        ("\"AttnDownBlock2D\"", "\"SkipDownBlock2D\"", "a block \"SkipDownBlock2D\""),
        ("\"AttnDownBlock2D\"", "\"DownBlock2D\"", "attention on one of the two ways alone"),
        ("\"UNet2DModel\"", "\"UNet2DConditionModel\"", "the class UNet2DConditionModel"),
        ("\"act_fn\": \"silu\"", "\"act_fn\": \"mish\"", "act_fn = \"mish\""),
        ("\"freq_shift\": 1", "\"freq_shift\": 0", "flip_sin_to_cos = false with freq_shift = 0"),
        ("\"num_class_embeds\": null", "\"num_class_embeds\": 10", "num_class_embeds = 10"),
        ("{", "{\"new_feature\": 3,", "new_feature = 3"),
    ] {
        let error = refused(unet, from, to);
        assert!(error.contains(named), "{to}: {error}");
    }
    let scheduler = "scheduler_config.json";
    let error = refused(scheduler, "\"linear\"", "\"sigmoid\"");
    assert!(error.contains("beta_schedule = \"sigmoid\""), "{error}");
    let error = refused(scheduler, "\"epsilon\"", "\"flow\"");
    assert!(error.contains("prediction_type = \"flow\""), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let vs = nn::VarStore::new(Device::Cpu);
    let digits = ImageConfig::mnist();
    let error = export_diffusers(&digits, &vs, dir.path()).unwrap_err().to_string();
    assert!(error.contains("space_to_depth = 2"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was written");
}

/// A checkpoint of improved-diffusion as `make_openai.py` fills it.
#[test]
fn a_checkpoint_of_openai_computes_the_same() {
    let shapes: BTreeMap<String, Vec<i64>> = crate::read("openai.json");
    let dir = tempfile::tempdir().unwrap();
    let made = shapes.iter().map(|(name, shape)| {
        let count = shape.iter().product::<i64>();
        let u = Tensor::from_slice(&uniform(name, count as usize)).view(&shape[..]);
        let filled = match shape.len() {
            1 => u * 0.2 + f64::from(u8::from(name.contains("weight"))),
            _ => u * (3.0 * shape[0] as f64 / count as f64).sqrt(),
        };
        (&*name.clone().leak(), filled.to_kind(Kind::Float))
    });
    let path = dir.path().join("checkpoint.safetensors");
    save_tensors(made, &path).unwrap();
    let network = UnetConfig {
        in_channels: 3,
        out_channels: 6,
        image_size: 8,
        channels: vec![32, 32],
        layers: 1,
        attention: vec![1],
        head_dim: Some(16),
        groups: 32,
        time: TimeConditioning::ScaleShift,
        dropout: 0.0,
        dialect: Dialect::OPENAI,
        ..UnetConfig::cifar10()
    };
    let config = ImageConfig { network: network.clone(), ..ImageConfig::mnist() };
    let vs = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(&vs.root(), &network);
    load_openai(&config, &vs, &path).unwrap();
    let io = load_tensors(golden("openai.safetensors")).unwrap();
    let t = io["t"].to_kind(Kind::Float);
    let out = tch::no_grad(|| net.forward(&io["x"], &t, &Default::default(), false));
    let error = (&out - &io["out"]).abs().max().double_value(&[]);
    parity("improved-diffusion's U-Net with two heads: OpenAI", error, 1e-5);

    let other = ImageConfig { network: UnetConfig { layers: 2, ..network }, ..config };
    let vs = nn::VarStore::new(Device::Cpu);
    let _net = Unet::new(&vs.root(), &other.network);
    let error = load_openai(&other, &vs, &path).unwrap_err().to_string();
    assert!(error.contains("missing from the file: down_blocks.0.resnets.1"), "{error}");
}

/// google/ddpm-cifar10-32 as `make_diffusers.py` fills it.
#[test]
fn the_network_for_cifar10_of_ddpm_is_diffusers() {
    let vs = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(&vs.root(), &UnetConfig::cifar10());
    let variables = vs.variables();
    assert_eq!(variables.len(), 328);
    assert_eq!(variables.values().map(Tensor::numel).sum::<usize>(), 35_746_307);
    let dir = tempfile::tempdir().unwrap();
    let made = variables.into_iter().map(|(name, variable)| {
        let shape = variable.size();
        let u = Tensor::from_slice(&uniform(&name, variable.numel())).view(&shape[..]);
        let filled = match shape[..] {
            [_] if name.contains("norm") && name.ends_with("weight") => u / 10.0 + 1.0,
            [_] => u / 10.0,
            _ => u * (3.0 / shape[1..].iter().product::<i64>() as f64).sqrt(),
        };
        (&*name.leak(), filled.to_kind(Kind::Float))
    });
    let path = dir.path().join("weights.safetensors");
    save_tensors(made, &path).unwrap();
    load_published(&vs, &path, |name| Some(name.to_owned())).unwrap();
    let io = load_tensors(golden("diffusers.safetensors")).unwrap();
    let x = Tensor::from_slice(&uniform("x", 2 * 3 * 32 * 32)).view([2, 3, 32, 32]);
    let (x, t) = (x.to_kind(Kind::Float), io["t"].to_kind(Kind::Float));
    let out = tch::no_grad(|| net.forward(&x, &t, &Default::default(), false));
    let error = (&out - &io["full"]).abs().max().double_value(&[]);
    parity("google/ddpm-cifar10-32's network, 35.7 M parameters: diffusers", error, 1e-4);
}
