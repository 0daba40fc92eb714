"""Parameters and operations of UNet2DModels of diffusers, by PyTorch's own counter.

One sample, one multiply-add as two operations. `folded` is a network for digits, wider than our
`UnetConfig::mnist()`, after folding 2 x 2 pixels into channels.
"""

import torch
from diffusers import UNet2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from common import write_json
from make_unet import ADAGN, DDPM, GLIDE, LDM, build

CIFAR10 = dict(
    sample_size=32,
    in_channels=3,
    out_channels=3,
    block_out_channels=(128, 256, 256, 256),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    attention_head_dim=None,
)

FOLDED = dict(
    sample_size=14,
    in_channels=4,
    out_channels=4,
    block_out_channels=(16, 40),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D"),
    norm_num_groups=8,
    attention_head_dim=None,
)


def forward_flops(net, config, tokens):
    x = torch.empty(1, config["in_channels"], config["sample_size"], config["sample_size"], device="meta")
    t = torch.empty(1, device="meta")
    words = [torch.empty(1, tokens, config["cross_attention_dim"], device="meta")] if tokens else []
    # the fused kernels are not all known to the counter; the plain one is
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(x, t, *words)
    return counter.get_total_flops()


def count(config):
    with torch.device("meta"):
        net = build(config)
    if "cross_attention_dim" in config:
        # linear in the number of tokens; ours leaves out what grows with it
        one, two, three = (forward_flops(net, config, tokens) for tokens in (1, 2, 3))
        assert three - two == two - one
        flops = 2 * one - two
    else:
        flops = forward_flops(net, config, 0)
    return {"params": sum(p.numel() for p in net.parameters()), "flops": flops}


if __name__ == "__main__":
    nets = {"unet_ddpm": DDPM, "unet_adagn": ADAGN, "folded": FOLDED, "cifar10": CIFAR10}
    nets |= {"unet_glide": GLIDE, "unet_ldm": LDM}
    write_json("flops.json", {name: count(config) for name, config in nets.items()})
