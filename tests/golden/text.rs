//! Our text transformer against torch's `nn.TransformerEncoder`, with weights made by a formula.

use crate::{EXACT, assert_close, flat, read, uniform};
use from_noise::nn::text_encoder::EncodedText;
use from_noise::nn::{Captions, TextConfig, TextTransformer};
use serde::Deserialize;
use tch::{Device, Tensor, nn};

#[derive(Deserialize)]
struct Golden {
    captions: Vec<Vec<i64>>,
    embeddings: Vec<Vec<Vec<f64>>>,
    pooled: Vec<Vec<f64>>,
}

#[test]
fn captions_become_what_torch_makes_of_them() {
    let golden: Golden = read("text.json");
    let config = TextConfig { vocabulary: 11, length: 7, width: 12, layers: 2, heads: 3 };
    let mut vs = nn::VarStore::new(Device::Cpu);
    let transformer = TextTransformer::new(&vs.root(), &config);
    vs.double();
    tch::no_grad(|| {
        for (name, mut variable) in vs.variables() {
            let u = Tensor::from_slice(&uniform(&name, variable.numel())).view_as(&variable);
            let is_scale = name.contains("norm") && name.ends_with("weight");
            variable.copy_(&if is_scale { 1.0 + u / 5.0 } else { u / 2.0 });
        }
    });
    let captions = Captions::new(&Tensor::from_slice2(&golden.captions));
    let EncodedText { tokens, pooled } = transformer.forward(&captions);
    let live = tokens.embeddings * tokens.mask.unsqueeze(-1);
    assert_close("embeddings", &flat(&live), &golden.embeddings.concat().concat(), EXACT);
    assert_close("pooled", &flat(&pooled), &golden.pooled.concat(), EXACT);
}
