"""A small U-Net of OpenAI's improved-diffusion with weights made by a formula: the names and shapes of its checkpoint, and
what it makes of an input. Takes the path of a clone (README.md says which)."""

import sys
import types

import torch

from common import uniform, write_json, write_tensors

sys.path.insert(0, sys.argv[1])
sys.modules["mpi4py"] = types.ModuleType("mpi4py")
sys.modules["mpi4py"].MPI = None

from improved_diffusion.unet import UNetModel  # noqa: E402


def main():
    torch.manual_seed(3)
    # two heads of 16 channels: GroupNorm32 there wants multiples of 32
    net = UNetModel(
        in_channels=3,
        model_channels=32,
        out_channels=6,
        num_res_blocks=1,
        attention_resolutions=(2,),
        channel_mult=(1, 1),
        num_heads=2,
        use_scale_shift_norm=True,
    ).eval()
    state = net.state_dict()
    for name, tensor in state.items():
        u = torch.from_numpy(uniform(name, tensor.numel())).reshape(tensor.shape)
        spread = (3 / tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.2
        state[name] = (u * spread + (1 if tensor.dim() == 1 and "weight" in name else 0)).float()
    net.load_state_dict(state)
    write_json("openai.json", {name: list(tensor.shape) for name, tensor in state.items()}, depth=1)
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([5, 900])
    with torch.no_grad():
        write_tensors("openai.safetensors", {"x": x, "t": t, "out": net(x, t)})


if __name__ == "__main__":
    main()
