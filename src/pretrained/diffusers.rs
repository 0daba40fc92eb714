//! Models as diffusers keeps them: `UNet2DModel` and a scheduler, in two JSON files beside the
//! weights.
//!
//! `google/ddpm-cifar10-32` and its siblings lie so, all in one folder; diffusers itself writes
//! `unet/` and `scheduler/`. Names and shapes of the tensors are ours.

use super::ImageConfig;
use crate::checkpoint::{CheckpointError, load_published, save_weights};
use crate::data::{Color, Format, Source};
use crate::denoiser::{Head, Parameterization, Target, TimeInput};
use crate::nn::UnetConfig;
use crate::nn::embedding::Layout;
use crate::nn::resample::Padding;
use crate::nn::unet::{Dialect, Resampling, TimeConditioning};
use crate::schedule::ScheduleConfig;
use crate::util::files::write_atomically;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tch::nn::VarStore;

/// The fields of `UNet2DModel`, with diffusers' defaults.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Unet2d {
    sample_size: i64,
    in_channels: i64,
    out_channels: i64,
    center_input_sample: bool,
    time_embedding_type: String,
    freq_shift: i64,
    flip_sin_to_cos: bool,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    block_out_channels: Vec<i64>,
    layers_per_block: i64,
    mid_block_type: String,
    mid_block_scale_factor: f64,
    downsample_padding: i64,
    downsample_type: String,
    upsample_type: String,
    dropout: f64,
    act_fn: String,
    attention_head_dim: Option<i64>,
    norm_num_groups: i64,
    norm_eps: f64,
    resnet_time_scale_shift: String,
    add_attention: bool,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Default for Unet2d {
    fn default() -> Self {
        let blocks = |first: &str, rest: &str| [first, rest, rest, rest].map(str::to_owned).into();
        Self {
            sample_size: 0, // none: it is asked for
            in_channels: 3,
            out_channels: 3,
            center_input_sample: false,
            time_embedding_type: "positional".into(),
            freq_shift: 0,
            flip_sin_to_cos: true,
            down_block_types: blocks("DownBlock2D", "AttnDownBlock2D"),
            up_block_types: ["AttnUpBlock2D"; 3]
                .into_iter()
                .chain(["UpBlock2D"])
                .map(Into::into)
                .collect(),
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            mid_block_type: "UNetMidBlock2D".into(),
            mid_block_scale_factor: 1.0,
            downsample_padding: 1,
            downsample_type: "conv".into(),
            upsample_type: "conv".into(),
            dropout: 0.0,
            act_fn: "silu".into(),
            attention_head_dim: Some(8),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            resnet_time_scale_shift: "default".into(),
            add_attention: true,
            others: Map::new(),
        }
    }
}

/// The fields of diffusers' schedulers that say what the network was trained on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Scheduler {
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: String,
    trained_betas: Option<Vec<f64>>,
    prediction_type: String,
    variance_type: String,
    clip_sample: bool,
    rescale_betas_zero_snr: bool,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            trained_betas: None,
            prediction_type: "epsilon".into(),
            variance_type: "fixed_small".into(),
            clip_sample: true,
            rescale_betas_zero_snr: false,
        }
    }
}

/// Settings that this crate has no form of, each by its name: `upsample_type = "resnet"`.
type Refusal = String;

fn only<T: PartialEq + Serialize>(name: &str, found: T, known: &[T]) -> Result<(), Refusal> {
    match known.contains(&found) {
        true => Ok(()),
        false => Err(format!("{name} = {}", json!(found))),
    }
}

impl Unet2d {
    fn network(&self) -> Result<UnetConfig, Refusal> {
        only("center_input_sample", self.center_input_sample, &[false])?;
        only("time_embedding_type", self.time_embedding_type.as_str(), &["positional"])?;
        only("act_fn", self.act_fn.as_str(), &["silu", "swish"])?;
        only("mid_block_type", self.mid_block_type.as_str(), &["UNetMidBlock2D"])?;
        only("mid_block_scale_factor", self.mid_block_scale_factor, &[1.0])?;
        only("downsample_type", self.downsample_type.as_str(), &["conv"])?;
        only("upsample_type", self.upsample_type.as_str(), &["conv"])?;
        only("add_attention", self.add_attention, &[true])?;
        let meant = |(name, value): &(&String, &Value)| {
            let off = value.is_null() || **value == json!(false);
            !off && !name.starts_with('_') && *name != "num_train_timesteps"
        };
        if let Some((name, value)) = self.others.iter().find(meant) {
            return Err(format!("{name} = {value}"));
        }
        let layout = match (self.flip_sin_to_cos, self.freq_shift) {
            (true, 0) => Layout::CosSin,
            (false, 1) => Layout::SinCos,
            (flip, shift) => {
                return Err(format!("flip_sin_to_cos = {flip} with freq_shift = {shift}"));
            }
        };
        let padding = match self.downsample_padding {
            0 => Padding::RightBottom,
            1 => Padding::Around,
            other => return Err(format!("downsample_padding = {other}")),
        };
        let time = match self.resnet_time_scale_shift.as_str() {
            "default" => TimeConditioning::Add,
            "scale_shift" => TimeConditioning::ScaleShift,
            other => return Err(format!("resnet_time_scale_shift = {other:?}")),
        };
        let attends = |way: &str, kind: &String| match kind.replace(way, "").as_str() {
            "Block2D" => Ok(false),
            "AttnBlock2D" => Ok(true),
            _ => Err(format!("a block {kind:?}")),
        };
        let level = |(down, up): (&String, &String)| {
            let (down, up) = (attends("Down", down)?, attends("Up", up)?);
            let same = down == up;
            same.then_some(down).ok_or_else(|| "attention on one of the two ways alone".to_owned())
        };
        let levels = self.down_block_types.iter().zip(self.up_block_types.iter().rev());
        let attends = levels.map(level).collect::<Result<Vec<bool>, _>>()?;
        let count = self.block_out_channels.len();
        if self.down_block_types.len() != count || self.up_block_types.len() != count {
            return Err(format!("{count} block_out_channels and another number of blocks"));
        }
        Ok(UnetConfig {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            image_size: self.sample_size,
            space_to_depth: 1,
            channels: self.block_out_channels.clone(),
            layers: self.layers_per_block,
            attention: (0..count).filter(|&i| attends[i]).collect(),
            head_dim: self.attention_head_dim,
            groups: self.norm_num_groups,
            time,
            dropout: self.dropout,
            dialect: Dialect { layout, padding, norm_eps: self.norm_eps },
            resampling: Resampling::Conv,
            skip_rescale: false,
            tokens: None,
        })
    }

    fn of(network: &UnetConfig) -> Result<Self, Refusal> {
        let dialect = network.dialect;
        only("space_to_depth", network.space_to_depth, &[1])?;
        only("resampling", network.resampling, &[Resampling::Conv])?;
        only("skip_rescale", network.skip_rescale, &[false])?;
        only("attention to tokens", network.tokens.is_some(), &[false])?;
        let resnet_time_scale_shift = match network.time {
            TimeConditioning::Add => "default",
            TimeConditioning::ScaleShift => "scale_shift",
            other => return Err(format!("time = {}", json!(other))),
        };
        let block = |way: &str, i: usize| {
            let attention = if network.attention.contains(&i) { "Attn" } else { "" };
            format!("{attention}{way}Block2D")
        };
        let levels = 0..network.channels.len();
        Ok(Self {
            sample_size: network.image_size,
            in_channels: network.in_channels,
            out_channels: network.out_channels,
            freq_shift: i64::from(dialect.layout == Layout::SinCos),
            flip_sin_to_cos: dialect.layout == Layout::CosSin,
            down_block_types: levels.clone().map(|i| block("Down", i)).collect(),
            up_block_types: levels.rev().map(|i| block("Up", i)).collect(),
            block_out_channels: network.channels.clone(),
            layers_per_block: network.layers,
            downsample_padding: i64::from(dialect.padding == Padding::Around),
            dropout: network.dropout,
            attention_head_dim: network.head_dim,
            norm_num_groups: network.groups,
            norm_eps: dialect.norm_eps,
            resnet_time_scale_shift: resnet_time_scale_shift.into(),
            ..Self::default()
        })
    }
}

impl Scheduler {
    fn schedule(&self) -> Result<ScheduleConfig, Refusal> {
        let (steps, first, last) = (self.num_train_timesteps, self.beta_start, self.beta_end);
        only("rescale_betas_zero_snr", self.rescale_betas_zero_snr, &[false])?;
        if self.trained_betas.is_some() {
            return Err("trained_betas, betas one by one".into());
        }
        match self.beta_schedule.as_str() {
            "linear" => Ok(ScheduleConfig::Linear { steps, first, last }),
            "scaled_linear" => Ok(ScheduleConfig::Quadratic { steps, first, last }),
            "squaredcos_cap_v2" => Ok(ScheduleConfig::Cosine { steps, s: 0.008 }),
            other => Err(format!("beta_schedule = {other:?}")),
        }
    }

    fn target(&self) -> Result<Target, Refusal> {
        match self.prediction_type.as_str() {
            "epsilon" => Ok(Target::Eps),
            "sample" => Ok(Target::X0),
            "v_prediction" => Ok(Target::V),
            other => Err(format!("prediction_type = {other:?}")),
        }
    }

    fn of(config: &ImageConfig) -> Result<Self, Refusal> {
        let plain = Self::default();
        let (num_train_timesteps, beta_schedule, beta_start, beta_end) = match config.schedule {
            ScheduleConfig::Linear { steps, first, last } => (steps, "linear", first, last),
            ScheduleConfig::Quadratic { steps, first, last } => {
                (steps, "scaled_linear", first, last)
            }
            ScheduleConfig::Cosine { steps, s: 0.008 } => {
                (steps, "squaredcos_cap_v2", plain.beta_start, plain.beta_end)
            }
            other => return Err(format!("schedule = {}", json!(other))),
        };
        let prediction_type = match config.parameterization.target {
            Target::Eps => "epsilon",
            Target::X0 => "sample",
            Target::V => "v_prediction",
            other => return Err(format!("target = {}", json!(other))),
        };
        only("time_input", config.parameterization.time_input, &[TimeInput::ZeroBased])?;
        let variance_type = match config.parameterization.head {
            Head::Mean => plain.variance_type.clone(),
            Head::MeanAndNu => "learned_range".into(),
        };
        Ok(Self {
            num_train_timesteps,
            beta_start,
            beta_end,
            beta_schedule: beta_schedule.into(),
            prediction_type: prediction_type.into(),
            variance_type,
            ..plain
        })
    }
}

/// A model in diffusers' form, read from a folder.
#[derive(Debug)]
pub struct Diffusers {
    pub config: ImageConfig,
    /// The file of its weights.
    pub weights: PathBuf,
    /// Whether its scheduler asks for the large variance, `beta_t`, in DDPM's steps.
    pub large_variance: bool,
}

impl Diffusers {
    /// Reads the two configurations of the folder `dir`, all in one place or in `unet/` and
    /// `scheduler/`. `data` is what it was trained on, which diffusers does not write down.
    ///
    /// # Errors
    /// Files that are missing or damaged, and settings that no network here has, by their names.
    pub fn read(dir: impl AsRef<Path>, data: Source) -> Result<Self, CheckpointError> {
        let dir = dir.as_ref();
        let below = |folder: &str| match dir.join(folder).is_dir() {
            true => dir.join(folder),
            false => dir.to_owned(),
        };
        let (unet_dir, path) = (below("unet"), below("scheduler").join("scheduler_config.json"));
        let unet_path = unet_dir.join("config.json");
        let (unet, scheduler): (Unet2d, Scheduler) = (read(&unet_path)?, read(&path)?);
        let class = unet.others.get("_class_name").and_then(Value::as_str);
        let refuse = |path: &Path, what: Refusal| CheckpointError::Config {
            path: path.to_owned(),
            why: format!("it has {what}, of which this crate has no form"),
        };
        if let Some(other) = class.filter(|class| *class != "UNet2DModel") {
            return Err(refuse(&unet_path, format!("the class {other}")));
        }
        let network = unet.network().map_err(|what| refuse(&unet_path, what))?;
        let color = match network.in_channels {
            1 => Color::Gray,
            3 => Color::Rgb,
            other => return Err(refuse(&unet_path, format!("in_channels = {other}"))),
        };
        let head = match scheduler.variance_type.as_str() {
            "learned_range" => Head::MeanAndNu,
            "fixed_small" | "fixed_small_log" | "fixed_large" | "fixed_large_log" => Head::Mean,
            other => return Err(refuse(&path, format!("variance_type = {other:?}"))),
        };
        let config = ImageConfig {
            data,
            format: Format { color, size: network.image_size as u32 },
            schedule: scheduler.schedule().map_err(|what| refuse(&path, what))?,
            network,
            parameterization: Parameterization {
                target: scheduler.target().map_err(|what| refuse(&path, what))?,
                head,
                time_input: TimeInput::ZeroBased,
            },
            ..ImageConfig::mnist()
        };
        config.check().map_err(|why| CheckpointError::Config { path: unet_path, why })?;
        let files = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"];
        let files = files.map(|name| unet_dir.join(name));
        let [first, _] = &files;
        let weights = files.iter().find(|path| path.is_file()).unwrap_or(first).clone();
        let large_variance = scheduler.variance_type.starts_with("fixed_large");
        Ok(Self { config, weights, large_variance })
    }

    /// Copies the weights into the network of [`config`](Self::config) in `vs`.
    ///
    /// # Errors
    /// As [`load_published`]. Both names of the attention layers are known, the old (`query`, ...)
    /// and the new (`to_q`, ...).
    pub fn load(&self, vs: &VarStore) -> Result<(), CheckpointError> {
        load_published(vs, &self.weights, |name| Some(attention_name(name)))
    }
}

/// The name of a tensor since diffusers 0.15.
fn attention_name(name: &str) -> String {
    let parts = [
        (".query.", ".to_q."),
        (".key.", ".to_k."),
        (".value.", ".to_v."),
        (".proj_attn.", ".to_out.0."),
    ];
    let in_attention = name.contains("attentions.");
    let old = parts.iter().find(|(old, _)| in_attention && name.contains(old));
    old.map_or(name.into(), |(old, new)| name.replace(old, new))
}

/// Writes a model as a `DDPMPipeline` of diffusers reads it: `model_index.json`, `unet/` and
/// `scheduler/` in the folder `dir`. `vs` holds its U-Net and nothing else.
///
/// # Errors
/// What diffusers has no form of, by its name: folded pixels, class labels, a network that is told
/// `t` from 1 on.
pub fn export_diffusers(
    config: &ImageConfig,
    vs: &VarStore,
    dir: impl AsRef<Path>,
) -> Result<(), CheckpointError> {
    let dir = dir.as_ref();
    let refuse = |what: Refusal| CheckpointError::Config {
        path: dir.to_owned(),
        why: format!("the model has {what}, of which diffusers' UNet2DModel has no form"),
    };
    let mut unet = Unet2d::of(&config.network).map_err(refuse)?;
    let scheduler = Scheduler::of(config).map_err(refuse)?;
    only("classes", config.classes, &[None]).map_err(refuse)?;
    only("image_condition", config.image_condition, &[None]).map_err(refuse)?;
    unet.others.insert("_class_name".into(), json!("UNet2DModel"));
    let mut scheduler = json!(scheduler);
    scheduler["_class_name"] = json!("DDPMScheduler");
    let index = json!({
        "_class_name": "DDPMPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    });
    for (place, value) in [
        ("unet/config.json", json!(unet)),
        ("scheduler/scheduler_config.json", scheduler),
        ("model_index.json", index),
    ] {
        let path = dir.join(place);
        let text = format!("{value:#}\n");
        let wrong =
            |source| CheckpointError::Io { path: path.clone(), doing: "write the file", source };
        let parent = path.parent().expect("a folder");
        std::fs::create_dir_all(parent).map_err(wrong)?;
        write_atomically(&path, text.as_bytes()).map_err(wrong)?;
    }
    save_weights(vs, dir.join("unet/diffusion_pytorch_model.safetensors"), 0)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    let text = std::fs::read_to_string(path).map_err(|source| CheckpointError::Io {
        path: path.into(),
        doing: "read the configuration",
        source,
    })?;
    serde_json::from_str(&text)
        .map_err(|e| CheckpointError::Config { path: path.into(), why: e.to_string() })
}
