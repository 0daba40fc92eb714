"""Single steps of DDPMScheduler and DDIMScheduler in f64, with the noise they used written down."""

import diffusers.schedulers.scheduling_ddpm as ddpm_module
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from common import double_precision, write_json

SHAPE = (2, 3)
LINEAR = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
COSINE = dict(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
TARGETS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
# (schedule, spacing, S, positions on the path: the first step, some between, the last)
WALKS = [
    ("linear", LINEAR, "leading", 1000, (0, 500, 998, 999)),
    ("linear", LINEAR, "leading", 10, (0, 4, 9)),
    ("linear", LINEAR, "trailing", 10, (0, 9)),
    ("linear", LINEAR, "linspace", 7, (0, 5, 6)),
    ("linear", LINEAR, "leading", 13, (1, 12)),
    ("cosine", COSINE, "leading", 1000, (1, 700, 999)),
    ("cosine", COSINE, "trailing", 20, (1, 10, 19)),
]


def draw(clean):
    """x_t, model output and noise; a step to the clean image uses no noise (DDPM, Algorithm 2, line 3)."""
    x_t, output, noise = (torch.randn(SHAPE, dtype=torch.float64) for _ in range(3))
    return x_t, output, torch.zeros_like(noise) if clean else noise


def record(s, t, prev, **more):
    """`alpha_bar` is stored beside t and s, so that a step can be checked without a schedule."""
    table = lambda i: s.alphas_cumprod[i].item() if i >= 0 else 1.0
    return {"t": t + 1, "s": prev + 1, "alpha_bar_t": table(t), "alpha_bar_s": table(prev)} | more


def ddpm(prediction, variance, clip):
    for name, schedule, spacing, n, positions in WALKS:
        s = DDPMScheduler(
            **schedule, prediction_type=prediction, variance_type=variance, clip_sample=clip, timestep_spacing=spacing
        )
        s.set_timesteps(n)
        for i in positions:
            t = s.timesteps[i].item()
            prev = s.timesteps[i + 1].item() if i + 1 < n else -1
            x_t, output, noise = draw(clean=prev < 0)
            if variance == "learned_range":  # twice the columns: the second half is 2 nu - 1
                output = torch.cat([output, torch.tanh(torch.randn(SHAPE, dtype=torch.float64))], 1)
            ddpm_module.randn_tensor = lambda shape, **_: noise
            got = s.step(output, t, x_t)
            yield {"schedule": name, "target": TARGETS[prediction], "variance": variance, "clip": clip} | record(
                s, t, prev, x_t=x_t, output=output, noise=noise, x_s=got.prev_sample, x0=got.pred_original_sample
            )


def ddim(prediction, eta, clip):
    for name, schedule, spacing, n, positions in WALKS:
        s = DDIMScheduler(**schedule, prediction_type=prediction, clip_sample=clip, timestep_spacing=spacing)
        s.set_timesteps(n)
        for i in positions:
            t = s.timesteps[i].item()
            prev = t - 1000 // n  # what the scheduler does, whatever comes next on its list
            x_t, output, noise = draw(clean=prev < 0)
            # eps is re-derived from the clipped x0, as in the DDIM, GLIDE and guided-diffusion code
            got = s.step(output, t, x_t, eta=eta, use_clipped_model_output=True, variance_noise=noise)
            yield {"schedule": name, "target": TARGETS[prediction], "eta": eta, "clip": clip} | record(
                s, t, max(prev, -1), x_t=x_t, output=output, noise=noise, x_s=got.prev_sample, x0=got.pred_original_sample
            )


if __name__ == "__main__":
    torch.manual_seed(3)
    with double_precision():
        ddpm_cases = [
            case
            for prediction, variance, clip in (
                ("epsilon", "fixed_small", False),
                ("epsilon", "fixed_small", True),
                ("epsilon", "fixed_large", True),
                ("sample", "fixed_large", False),
                ("sample", "fixed_small", True),
                ("v_prediction", "fixed_small", False),
                ("v_prediction", "fixed_large", True),
                ("epsilon", "learned_range", False),
            )
            for case in ddpm(prediction, variance, clip)
        ]
        ddim_cases = [
            case
            for prediction, eta, clip in (
                ("epsilon", 0.0, False),
                ("epsilon", 0.0, True),
                ("epsilon", 0.2, True),
                ("epsilon", 0.5, False),
                ("epsilon", 1.0, False),
                ("epsilon", 1.0, True),
                ("sample", 0.5, True),
                ("v_prediction", 0.2, False),
                ("v_prediction", 1.0, True),
            )
            for case in ddim(prediction, eta, clip)
        ]
    write_json("steps_ddpm.json", ddpm_cases)
    write_json("steps_ddim.json", ddim_cases)
