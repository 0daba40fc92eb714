"""Tiny random U-Nets of diffusers, two without and two with tokens: weights, inputs, outputs and gradients.

Weights are f32, as in published checkpoints; everything computed from them is f64.
"""

import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D

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

TOKENS = dict(
    sample_size=8,
    in_channels=3,
    out_channels=3,
    block_out_channels=(8, 8),
    layers_per_block=1,
    norm_num_groups=4,
    norm_eps=1e-5,
    freq_shift=0,
    flip_sin_to_cos=True,
    cross_attention_dim=6,
)

# keys and values of the tokens beside those of the pixels
GLIDE = TOKENS | dict(
    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    attention_head_dim=4,
    resnet_time_scale_shift="scale_shift",
)

# latent diffusion: a transformer block after each residual block
LDM = TOKENS | dict(
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    mid_block_type="UNetMidBlock2DCrossAttn",
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    attention_head_dim=2,  # here diffusers means the number of heads
)

# the second caption is shorter
MASK = [[True] * 5, [True, True, False, False, False]]

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

SHARED_GRADIENTS = [
    "conv_in.weight",
    "time_embedding.linear_1.weight",
    "mid_block.resnets.0.time_emb_proj.weight",
]

GLIDE_GRADIENTS = SHARED_GRADIENTS + [
    "down_blocks.1.attentions.0.to_k.weight",
    "down_blocks.1.attentions.0.add_k_proj.weight",
    "down_blocks.0.downsamplers.0.conv1.weight",
    "up_blocks.0.upsamplers.0.norm1.weight",
    "mid_block.attentions.0.add_v_proj.weight",
    "up_blocks.0.attentions.1.to_out.0.weight",
]

LDM_GRADIENTS = SHARED_GRADIENTS + [
    "down_blocks.1.attentions.0.norm.weight",
    "down_blocks.1.attentions.0.proj_in.weight",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "up_blocks.0.attentions.1.transformer_blocks.0.attn2.to_v.weight",
    "up_blocks.0.attentions.1.transformer_blocks.0.ff.net.0.proj.weight",
]


def build(config):
    if "cross_attention_dim" not in config:
        net = UNet2DModel(**config)
        if config == ADAGN:
            # every sum of a block and its shortcut over the root of 2, as score_sde's skip_rescale
            for block in net.modules():
                if isinstance(block, ResnetBlock2D):
                    block.output_scale_factor = 2**0.5
                if isinstance(block, Attention):
                    block.rescale_output_factor = 2**0.5
        return net
    return UNet2DConditionModel(**config)


def random_net(config, seed):
    """Fresh weights in which every part shows: no bias at 0, no norm at 1, attention far from uniform."""
    torch.manual_seed(seed)
    net = build(config).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() == 1:
                p += 0.2 * torch.randn_like(p)
            elif any(part in name for part in ("to_q", "to_k", "add_k_proj")):
                p *= 4.0
    return net


def make(name, config, t, seed, gradients=GRADIENTS):
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
        tokens = random_tokens(config)
        words = {"encoder_hidden_states": tokens.get("tokens"), "encoder_attention_mask": tokens.get("mask")}
        out = net(x, t, **(words if tokens else {})).sample
        loss = (out * w).sum()
        loss.backward()
        grads = {k: p.grad for k, p in net.named_parameters()}
        write_tensors(
            f"{name}.io.safetensors",
            {"x": x, "t": t, "emb": emb, "temb": net.time_embedding(emb), "out": out, "w": w, "grad.x": x.grad}
            | tokens
            | {f"grad.{k}": v.grad for k, v in tokens.items() if v.requires_grad}
            | {f"grad.{k}": grads[k] for k in gradients},
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


def random_tokens(config):
    """Embeddings and the mask of two sequences, for a network that takes them."""
    if "cross_attention_dim" not in config:
        return {}
    mask = torch.tensor(MASK)
    return {"tokens": torch.randn(*mask.shape, config["cross_attention_dim"]).requires_grad_(), "mask": mask}


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
    make("unet_glide", GLIDE, [613.0, 42.0], seed=3, gradients=GLIDE_GRADIENTS)
    make("unet_ldm", LDM, [88.0, 901.0], seed=4, gradients=LDM_GRADIENTS)
    embeddings()
