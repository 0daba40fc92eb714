"""Two tiny random UNet2DModels of diffusers: weights, inputs, outputs and gradients.

Weights are f32, as in published checkpoints; everything computed from them is f64.
"""

import torch
from diffusers import UNet2DModel
from diffusers.models.embeddings import get_timestep_embedding

from common import double_precision, write_json, write_tensors

DDPM = dict(
    sample_size=16,
    in_channels=3,
    out_channels=3,
    block_out_channels=(8, 16),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=4,
    norm_eps=1e-6,
    freq_shift=1,
    flip_sin_to_cos=False,
    downsample_padding=0,
    attention_head_dim=None,
)

ADAGN = dict(
    sample_size=28,
    in_channels=1,
    out_channels=1,
    block_out_channels=(8, 8),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=4,
    norm_eps=1e-5,
    # scale_shift alone would drop the norm of the middle attention
    attn_norm_num_groups=4,
    freq_shift=0,
    flip_sin_to_cos=True,
    downsample_padding=1,
    attention_head_dim=4,
    resnet_time_scale_shift="scale_shift",
)

GRADIENTS = [
    "conv_in.weight",
    "time_embedding.linear_1.weight",
    "down_blocks.0.resnets.0.norm1.weight",
    "down_blocks.0.downsamplers.0.conv.weight",
    "down_blocks.1.attentions.0.to_q.weight",
    "mid_block.resnets.0.time_emb_proj.weight",
    "up_blocks.0.resnets.0.conv_shortcut.weight",
    "up_blocks.0.upsamplers.0.conv.bias",
    "conv_norm_out.bias",
]


def random_net(config, seed):
    """Fresh weights in which every part shows: no bias at 0, no norm at 1, attention far from uniform."""
    torch.manual_seed(seed)
    net = UNet2DModel(**config).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() == 1:
                p += 0.2 * torch.randn_like(p)
            elif "to_q" in name or "to_k" in name:
                p *= 4.0
    return net


def make(name, config, t, seed):
    net = random_net(config, seed)
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    # the file of weights must be read back as what was computed with
    assert all(v.dtype == torch.float32 for v in weights.values())
    write_tensors(f"{name}.weights.safetensors", weights)

    with double_precision():
        net = net.double()
        shape = (2, config["in_channels"], config["sample_size"], config["sample_size"])
        x = torch.randn(shape).requires_grad_()
        w = torch.randn(shape)
        t = torch.tensor(t)
        emb = net.time_proj(t)
        out = net(x, t).sample
        loss = (out * w).sum()
        loss.backward()
        grads = {k: p.grad for k, p in net.named_parameters()}
        write_tensors(
            f"{name}.io.safetensors",
            {"x": x, "t": t, "emb": emb, "temb": net.time_embedding(emb), "out": out, "w": w, "grad.x": x.grad}
            | {f"grad.{k}": grads[k] for k in GRADIENTS},
        )
        write_json(
            f"{name}.json",
            {
                "config": {k: v for k, v in net.config.items() if not k.startswith("_")},
                "parameters": sum(p.numel() for p in net.parameters()),
                "loss": loss.item(),
                "grad_norms": {k: g.norm() for k, g in grads.items()},
            },
        )


def embeddings():
    """Both published layouts of the sinusoidal embedding."""
    t = [0.0, 1.0, 10.0, 250.5, 500.0, 999.0, 1000.0]
    with double_precision():
        cases = [
            {
                "dim": dim,
                "flip_sin_to_cos": flip,
                "freq_shift": shift,
                "emb": get_timestep_embedding(torch.tensor(t), dim, flip, shift),
            }
            for dim in (8, 32)
            for flip, shift in ((False, 1), (True, 0))
        ]
    write_json("embeddings.json", {"t": t, "cases": cases}, depth=3)


if __name__ == "__main__":
    make("unet_ddpm", DDPM, [3.0, 421.0], seed=1)
    make("unet_adagn", ADAGN, [730.0, 17.0], seed=2)
    embeddings()
