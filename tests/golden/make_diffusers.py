"""Models as diffusers saves them: a tiny random one in both layouts and both namings of attention, and google/ddpm-cifar10-32
with weights made by a formula, each with what diffusers computes from it."""

import json
import shutil

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import load_file

from common import HERE, report, uniform, write_tensors

# google/ddpm-cifar10-32
CIFAR10 = dict(
    sample_size=32,
    block_out_channels=(128, 256, 256, 256),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    norm_eps=1e-6,
    freq_shift=1,
    flip_sin_to_cos=False,
    downsample_padding=0,
    attention_head_dim=None,
)

TINY = CIFAR10 | dict(
    sample_size=16,
    block_out_channels=(8, 12),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=4,
)

OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def fill(name, tensor):
    u = torch.from_numpy(uniform(name, tensor.numel())).reshape(tensor.shape)
    if tensor.dim() > 1:
        return u * np.sqrt(3 / np.prod(tensor.shape[1:]))
    return u / 10 + (1 if "norm" in name and name.endswith("weight") else 0)


def ten_steps(net, x):
    """DDIM, eta = 0, clipped, ten evaluations that divide T."""
    scheduler = DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(10)
    for t in scheduler.timesteps:
        x = scheduler.step(net(x, t).sample, t, x, use_clipped_model_output=True).prev_sample
    return x


def main():
    torch.manual_seed(0)
    net = UNet2DModel(**TINY).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p += fill(name, p).float() / 5
    scheduler = DDPMScheduler(variance_type="fixed_large")
    folder = HERE / "diffusers"
    shutil.rmtree(folder, ignore_errors=True)
    DDPMPipeline(net, scheduler).save_pretrained(folder / "pipeline")
    weights = folder / "pipeline/unet/diffusion_pytorch_model.safetensors"
    old = folder / "old"
    old.mkdir()
    shutil.copy(folder / "pipeline/unet/config.json", old)
    shutil.copy(folder / "pipeline/scheduler/scheduler_config.json", old)
    state = {}
    for name, tensor in load_file(weights).items():
        for new, was in OLD.items():
            name = name.replace(f".{new}.", f".{was}.")
        state[name] = tensor
    torch.save(state, old / "diffusion_pytorch_model.bin")
    for path in sorted(folder.rglob("*.*")):
        report(path)
    x = torch.randn(2, 3, 16, 16)
    t = torch.tensor([3, 700])
    full = UNet2DModel(**CIFAR10).eval()
    full.load_state_dict({name: fill(name, tensor).float() for name, tensor in full.state_dict().items()})
    noise = torch.from_numpy(uniform("x", 2 * 3 * 32 * 32)).float().reshape(2, 3, 32, 32)
    with torch.no_grad():
        tensors = {"x": x, "t": t, "out": net(x, t).sample, "ddim": ten_steps(net, x), "full": full(noise, t).sample}
    write_tensors("diffusers.safetensors", tensors)
    print({name: (v.float().std().item(), v.float().abs().max().item()) for name, v in tensors.items()})
    print(json.dumps(sum(p.numel() for p in full.parameters())))


if __name__ == "__main__":
    main()
