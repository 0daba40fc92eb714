"""Losses of OpenAI's improved-diffusion, in f64. Takes the path of a clone (README.md says which)."""

import sys
import types

import numpy as np
import torch

from common import write_json

np.int = int  # numpy 1.24 dropped the alias
torch.Tensor.float = torch.Tensor.double  # tables are cut to f32 there
torch.set_default_dtype(torch.float64)
sys.path.insert(0, sys.argv[1])
sys.modules["mpi4py"] = types.ModuleType("mpi4py")
sys.modules["mpi4py"].MPI = None

from improved_diffusion import gaussian_diffusion as gd  # noqa: E402
from improved_diffusion.resample import LossSecondMomentResampler  # noqa: E402


def diffusion(schedule, steps, loss):
    return gd.GaussianDiffusion(
        betas=gd.get_named_beta_schedule(schedule, steps),
        model_mean_type=gd.ModelMeanType.EPSILON,
        model_var_type=gd.ModelVarType.LEARNED_RANGE,
        loss_type=loss,
        rescale_timesteps=False,
    )


def losses():
    generator = torch.Generator().manual_seed(7)
    t = torch.tensor([0, 1, 2, 40, 300, 999])  # theirs count from 0
    normal = lambda: torch.randn(len(t), 1, 2, 3, generator=generator)
    x0 = torch.randint(0, 256, (len(t), 1, 2, 3), generator=generator) / 127.5 - 1
    eps, error, nu = normal(), normal(), normal()
    output = torch.cat([eps + 0.1 * error, 2 * nu], 1)  # some fractions beyond 0 and 1
    yield {"x0": x0.flatten(1), "eps": eps.flatten(1), "t": t + 1, "output": output.flatten(1)}
    for schedule, steps in [("linear", 1000), ("cosine", 4000)]:
        for name, loss in [("hybrid", gd.LossType.RESCALED_MSE), ("vlb", gd.LossType.RESCALED_KL)]:
            said = output.clone().requires_grad_()
            terms = diffusion(schedule, steps, loss).training_losses(lambda x, t: said, x0, t, noise=eps)
            terms["loss"].mean().backward()
            yield {"objective": name, "schedule": schedule, "steps": steps, "loss": terms["loss"], "gradient": said.grad.flatten(1)}


def second_moment():
    sampler = LossSecondMomentResampler(types.SimpleNamespace(num_timesteps=4))
    rounds = [([0, 1, 2, 3], [0.5 + 0.1 * i, 2.0 / (1 + i), 3.0, 0.01 * i]) for i in range(9)]
    rounds += [([3, 2, 1], [0.5, 1.5, 2.5]), ([0], [4.0]), ([0, 0, 2], [5.0, 0.25, 1.0])]
    for t, values in rounds:
        sampler.update_with_all_losses(t, values)
        weights = sampler.weights()
        yield {"t": [i + 1 for i in t], "losses": values, "p": weights / weights.sum()}


first, *cases = losses()
write_json("improved.json", {"batch": first, "cases": cases, "second_moment": list(second_moment())})
