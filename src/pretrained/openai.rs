//! U-Nets as OpenAI saves them: improved-diffusion and guided-diffusion.
//!
//! Their checkpoints hold weights alone. The configuration stands in the flags of the commands that
//! trained them, so it is asked for.

use super::ImageConfig;
use crate::checkpoint::{CheckpointError, copy_published, read_published};
use crate::nn::UnetConfig;
use crate::nn::unet::Resampling;
use std::collections::BTreeMap;
use std::path::Path;
use tch::Tensor;
use tch::nn::VarStore;

/// What lies under a name of theirs.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A convolution, a linear layer or a norm: only the name differs.
    Layer,
    ResBlock,
    Attention,
}

/// Copies the weights of a checkpoint (`.pt`) of improved-diffusion or guided-diffusion into the
/// network of `config` in `vs`.
///
/// Their attention has one matrix for queries, keys and values, head by head; here there are three.
///
/// # Errors
/// As [`load_published`](crate::checkpoint::load_published).
pub fn load_openai(
    config: &ImageConfig,
    vs: &VarStore,
    path: impl AsRef<Path>,
) -> Result<(), CheckpointError> {
    let (path, network) = (path.as_ref(), &config.network);
    let parts = parts(network);
    let mut ours = BTreeMap::new();
    for (name, tensor) in read_published(path)? {
        // the longest: `input_blocks.1.0` and not `input_blocks.1`
        let known = parts.iter().filter(|(theirs, ..)| {
            name.strip_prefix(theirs.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        let Some((theirs, place, part)) = known.max_by_key(|(theirs, ..)| theirs.len()) else {
            ours.insert(name, tensor); // and the strict copy says that nobody asked for it
            continue;
        };
        let rest = &name[theirs.len() + 1..];
        ours.extend(translated(rest, tensor, place, *part, network));
    }
    copy_published(vs, path, ours)
}

/// Every part of the network, by its name there and here.
fn parts(network: &UnetConfig) -> Vec<(String, String, Part)> {
    let mut parts = vec![
        ("time_embed.0".into(), "time_embedding.linear_1".into(), Part::Layer),
        ("time_embed.2".into(), "time_embedding.linear_2".into(), Part::Layer),
        ("input_blocks.0.0".into(), "conv_in".into(), Part::Layer),
        ("middle_block.0".into(), "mid_block.resnets.0".into(), Part::ResBlock),
        ("middle_block.1".into(), "mid_block.attentions.0".into(), Part::Attention),
        ("middle_block.2".into(), "mid_block.resnets.1".into(), Part::ResBlock),
        ("out.0".into(), "conv_norm_out".into(), Part::Layer),
        ("out.2".into(), "conv_out".into(), Part::Layer),
    ];
    let resampler = |theirs: String, ours: String, conv: &str| match network.resampling {
        Resampling::Conv => (format!("{theirs}.{conv}"), format!("{ours}.conv"), Part::Layer),
        Resampling::ResBlock => (theirs, ours, Part::ResBlock),
    };
    let levels = network.channels.len();
    let mut block = 0; // of input_blocks
    for level in 0..levels {
        let ours = format!("down_blocks.{level}");
        for layer in 0..network.layers {
            block += 1;
            let theirs = format!("input_blocks.{block}");
            parts.push((format!("{theirs}.0"), format!("{ours}.resnets.{layer}"), Part::ResBlock));
            let attention = format!("{ours}.attentions.{layer}");
            parts.push((format!("{theirs}.1"), attention, Part::Attention));
        }
        if level + 1 < levels {
            block += 1;
            let theirs = format!("input_blocks.{block}.0");
            parts.push(resampler(theirs, format!("{ours}.downsamplers.0"), "op"));
        }
    }
    let mut block = 0; // of output_blocks
    for up in 0..levels {
        let (ours, attends) =
            (format!("up_blocks.{up}"), network.attention.contains(&(levels - 1 - up)));
        for layer in 0..=network.layers {
            let theirs = format!("output_blocks.{block}");
            block += 1;
            parts.push((format!("{theirs}.0"), format!("{ours}.resnets.{layer}"), Part::ResBlock));
            if attends {
                let attention = format!("{ours}.attentions.{layer}");
                parts.push((format!("{theirs}.1"), attention, Part::Attention));
            }
            if layer == network.layers && up + 1 < levels {
                let place = format!("{theirs}.{}", 1 + i64::from(attends));
                parts.push(resampler(place, format!("{ours}.upsamplers.0"), "conv"));
            }
        }
    }
    parts
}

/// A tensor `rest` of a part, by our name below `place`; of queries, keys and values three.
fn translated(
    rest: &str,
    tensor: Tensor,
    place: &str,
    part: Part,
    network: &UnetConfig,
) -> Vec<(String, Tensor)> {
    let named = |ours: &str, theirs: &str, tensor: Tensor| {
        rest.strip_prefix(theirs).map(|end| vec![(format!("{place}.{ours}{end}"), tensor)])
    };
    let layers: &[(&str, &str)] = match part {
        Part::Layer => return vec![(format!("{place}.{rest}"), tensor)],
        Part::ResBlock => &[
            ("norm1", "in_layers.0"),
            ("conv1", "in_layers.2"),
            ("time_emb_proj", "emb_layers.1"),
            ("norm2", "out_layers.0"),
            ("conv2", "out_layers.3"),
            ("conv_shortcut", "skip_connection"),
        ],
        Part::Attention => {
            // a convolution over a row of one pixel: `[out, in, 1]`
            let matrix =
                if tensor.dim() == 3 { tensor.squeeze_dim(2) } else { tensor.shallow_clone() };
            if let Some(end) = rest.strip_prefix("qkv") {
                return queries_keys_values(&matrix, network)
                    .into_iter()
                    .zip(["to_q", "to_k", "to_v"])
                    .map(|(tensor, name)| (format!("{place}.{name}{end}"), tensor))
                    .collect();
            }
            return named("to_out.0", "proj_out", matrix)
                .or_else(|| named("group_norm", "norm", tensor.shallow_clone()))
                .unwrap_or_else(|| vec![(format!("{place}.{rest}"), tensor)]);
        }
    };
    let found =
        layers.iter().find_map(|(ours, theirs)| named(ours, theirs, tensor.shallow_clone()));
    found.unwrap_or_else(|| vec![(format!("{place}.{rest}"), tensor)])
}

/// `[3 C, ...]`, of each head first its queries, then its keys, then its values, as three of
/// `[C, ...]`.
fn queries_keys_values(joined: &Tensor, network: &UnetConfig) -> Vec<Tensor> {
    let shape = joined.size();
    let channels = shape[0] / 3;
    let heads = network.head_dim.map_or(1, |dim| channels / dim);
    let inputs = &shape[1..];
    let by_head = joined.view([&[heads, 3, channels / heads], inputs].concat().as_slice());
    let one = |i| by_head.select(1, i).reshape([&[channels], inputs].concat());
    (0..3).map(one).collect()
}
