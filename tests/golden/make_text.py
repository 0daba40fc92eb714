"""A transformer over captions of different lengths, by torch.nn.TransformerEncoder, with weights made by a formula."""

import torch
from torch import nn

from common import uniform, write_json

VOCABULARY, LENGTH, WIDTH, LAYERS, HEADS = 11, 7, 12, 2, 3
END, PAD = 1, 0
CAPTIONS = [[4, 7, 2, 10, 3, 9, END], [5, 5, END, PAD, PAD, PAD, PAD], [END, PAD, PAD, PAD, PAD, PAD, PAD]]


def weights(name, *shape):
    u = torch.from_numpy(uniform(name, int(torch.tensor(shape).prod()))).reshape(shape)
    return 1 + u / 5 if "norm" in name and name.endswith("weight") else u / 2


def linear(name, inputs, outputs):
    return weights(f"{name}.weight", outputs, inputs), weights(f"{name}.bias", outputs)


def fill(module, name, inputs, outputs):
    module.weight.data, module.bias.data = linear(name, inputs, outputs)


def norm(module, name):
    module.weight.data, module.bias.data = weights(f"{name}.weight", WIDTH), weights(f"{name}.bias", WIDTH)


def main():
    torch.set_default_dtype(torch.float64)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
    final = nn.LayerNorm(WIDTH)
    encoder = nn.TransformerEncoder(layer, LAYERS, final, enable_nested_tensor=False).eval()
    for i, layer in enumerate(encoder.layers):
        parts = [linear(f"layers.{i}.{part}", WIDTH, WIDTH) for part in ("to_q", "to_k", "to_v")]
        layer.self_attn.in_proj_weight.data = torch.cat([weight for weight, _ in parts])
        layer.self_attn.in_proj_bias.data = torch.cat([bias for _, bias in parts])
        fill(layer.self_attn.out_proj, f"layers.{i}.to_out", WIDTH, WIDTH)
        fill(layer.linear1, f"layers.{i}.linear_1", WIDTH, 4 * WIDTH)
        fill(layer.linear2, f"layers.{i}.linear_2", 4 * WIDTH, WIDTH)
        norm(layer.norm1, f"layers.{i}.norm_1")
        norm(layer.norm2, f"layers.{i}.norm_2")
    norm(encoder.norm, "final_layer_norm")
    tokens = torch.tensor(CAPTIONS)
    x = weights("token_embedding.weight", VOCABULARY, WIDTH)[tokens] + weights("positional_embedding", LENGTH, WIDTH)
    with torch.no_grad():
        embeddings = encoder(x, src_key_padding_mask=tokens == PAD)
    pooled = embeddings[torch.arange(3), (tokens == END).int().argmax(1)]
    embeddings[tokens == PAD] = 0
    write_json("text.json", {"captions": CAPTIONS, "embeddings": embeddings, "pooled": pooled})


if __name__ == "__main__":
    main()
