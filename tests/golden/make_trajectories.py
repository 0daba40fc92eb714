"""Whole runs of diffusers' samplers on an exact noise predictor, in f64, every level and state written down."""

import diffusers.schedulers.scheduling_ddpm as ddpm_module
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from common import double_precision, write_json

WEIGHTS, MEANS, SPREADS = (0.3, 0.7), (-1.0, 0.6), (0.15, 0.25)
LINEAR = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
COSINE = dict(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
X_T = [[-1.9], [-0.7], [0.1], [0.8], [2.2]]


def exact_eps(x, alpha, sigma):
    """E[eps | x_t] for data from the mixture: eps = (x_t - alpha E[x0 | x_t]) / sigma, each mode weighed by Bayes."""
    w, m, s = (torch.tensor(v) for v in (WEIGHTS, MEANS, SPREADS))
    var = alpha**2 * s**2 + sigma**2
    resp = torch.softmax(w.log() - 0.5 * var.log() - (x - alpha * m) ** 2 / (2 * var), -1)
    return (resp * sigma * (x - alpha * m) / var).sum(-1, keepdim=True)


def vp(alpha_bar):
    alpha_bar = torch.as_tensor(alpha_bar)
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def ve(sigma):
    """Of a scheduler that works on x / alpha and sigma / alpha."""
    alpha = 1 / (1 + sigma**2).sqrt()
    return alpha, sigma * alpha


def run(kind, settings, levels, states, **more):
    """`levels`: t, alpha, sigma of every state; t is the paper's (0 = clean)."""
    rows = [[float(t), float(a), float(s)] for t, (a, s) in levels]
    assert len(rows) == len(states)
    return {"sampler": kind, **settings, "levels": rows, "states": [x.flatten() for x in states], **more}


def ddpm(schedule, n, spacing, variance, clip=False):
    s = DDPMScheduler(**schedule, variance_type=variance, clip_sample=clip, timestep_spacing=spacing)

    def step(eps, t, x, noise):
        ddpm_module.randn_tensor = lambda *_, **__: noise
        return s.step(eps, t, x).prev_sample

    return ancestral("ddpm", s, step, {"S": n, "spacing": spacing, "clip": clip, "variance": variance})


def ddim(schedule, n, spacing, eta, clip=False):
    s = DDIMScheduler(**schedule, clip_sample=clip, timestep_spacing=spacing)

    def step(eps, t, x, noise):
        return s.step(eps, t, x, eta=eta, use_clipped_model_output=True, variance_noise=noise).prev_sample

    result = ancestral("ddim", s, step, {"S": n, "spacing": spacing, "clip": clip, "eta": eta})
    # the scheduler steps down by T // S whatever its own list says: only lists that agree are of use
    path = s.timesteps.tolist()
    assert [t - 1000 // n for t in path[:-1]] == path[1:] and path[-1] < 1000 // n
    return result


def ancestral(kind, s, step, settings):
    s.set_timesteps(settings["S"])
    x = torch.tensor(X_T)
    levels, states, tape = [], [x], []
    for i, t in enumerate(s.timesteps.tolist()):
        # no noise in the step to the clean image (DDPM, Algorithm 2, line 3)
        noise = torch.zeros_like(x) if i + 1 == settings["S"] else torch.randn_like(x)
        at = vp(s.alphas_cumprod[t])
        x = step(exact_eps(x, *at), t, x, noise)
        levels.append((t + 1, at))
        states.append(x)
        tape.append(noise.flatten())
    levels.append((0, vp(1.0)))
    return run(kind, settings, levels, states, noise=tape)


def inverse(schedule, n, told):
    """From clean to noisy. The network is told the level x is at ("source") or, as diffusers' pipelines do, the next."""
    s = DDIMInverseScheduler(**schedule, clip_sample=False, timestep_spacing="leading")
    s.set_timesteps(n)
    path = s.timesteps.tolist()
    x = torch.tensor([[-1.1], [-0.8], [0.3], [0.6], [0.9]])
    levels, states, outputs = [(0, vp(1.0))], [x], []
    for before, t in zip([0] + path, path):
        # the clean level has no noise to predict: there the network is told t = 1
        eps = exact_eps(x, *vp(s.alphas_cumprod[t if told == "destination" else before]))
        outputs.append(eps.flatten())
        x = s.step(eps, t, x).prev_sample
        levels.append((t + 1, vp(s.alphas_cumprod[t])))
        states.append(x)
    return run("ddim_inverse", {"S": n, "told": told}, levels, states, eps=outputs)


def dpm_solver(schedule, n, spacing, algorithm, order, lower_order_final):
    final = "zero" if algorithm == "dpmsolver++" else "sigma_min"
    s = DPMSolverMultistepScheduler(
        **schedule,
        algorithm_type=algorithm,
        solver_order=order,
        solver_type="midpoint",
        final_sigmas_type=final,
        lower_order_final=lower_order_final,
        timestep_spacing=spacing,
    )
    s.set_timesteps(n)
    path = s.timesteps.tolist()
    x = torch.tensor(X_T)
    levels, states = [], [x]
    for i, t in enumerate(path):
        at = ve(s.sigmas[i])
        levels.append((t + 1, at))
        x = s.step(exact_eps(x, *at), t, x).prev_sample
        states.append(x)
    levels.append((0 if final == "zero" else 1, ve(s.sigmas[n])))
    settings = {"S": n, "spacing": spacing, "algorithm": algorithm, "order": order}
    return run("dpm_solver_multistep", settings | {"lower_order_final": lower_order_final}, levels, states)


def dpm_solver_sde(schedule, n, spacing):
    s = DPMSolverMultistepScheduler(
        **schedule,
        algorithm_type="sde-dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        timestep_spacing=spacing,
    )
    s.set_timesteps(n)
    path = s.timesteps.tolist()
    x = torch.tensor(X_T)
    levels, states, tape = [], [x], []
    for i, t in enumerate(path):
        # the step to the clean level adds none: sigma is 0 there
        noise = torch.zeros_like(x) if i + 1 == n else torch.randn_like(x)
        at = ve(s.sigmas[i])
        x = s.step(exact_eps(x, *at), t, x, variance_noise=noise).prev_sample
        levels.append((t + 1, at))
        states.append(x)
        tape.append(noise.flatten())
    levels.append((0, vp(1.0)))
    return run("dpm_solver_sde", {"S": n, "spacing": spacing}, levels, states, noise=tape)


def heun(schedule, n, spacing):
    s = HeunDiscreteScheduler(**schedule, timestep_spacing=spacing)
    s.set_timesteps(n)
    alpha, _ = ve(s.sigmas[0])
    x = torch.tensor(X_T) / alpha
    levels, states = [], []
    for i, t in enumerate(s.timesteps):
        at = ve(s.sigmas[i])
        if s.state_in_first_order:
            levels.append((t + 1, at))
            states.append(at[0] * x)
        x = s.step(exact_eps(at[0] * x, *at), t, x).prev_sample
    levels.append((0, vp(1.0)))
    states.append(x)
    return run("heun", {"S": n, "spacing": spacing}, levels, states)


def unipc(schedule, n, spacing):
    s = UniPCMultistepScheduler(
        **schedule, solver_order=2, solver_type="bh2", final_sigmas_type="zero", timestep_spacing=spacing
    )
    s.set_timesteps(n)
    x = torch.tensor(X_T)
    levels, states = [], [x]
    for i, t in enumerate(s.timesteps.tolist()):
        at = ve(s.sigmas[i])
        x = s.step(exact_eps(x, *at), t, x).prev_sample
        levels.append((t + 1, at))
        states.append(x)  # as predicted: the place where the network is asked next
    levels.append((0, vp(1.0)))
    return run("unipc", {"S": n, "spacing": spacing}, levels, states)


SCHEDULES = {"linear": LINEAR, "cosine": COSINE}
# cosine's last level, alpha_bar = 2e-9, is left out: dividing by alpha = 5e-5 would magnify rounding
SPACINGS = {"linear": ("leading", "trailing"), "cosine": ("leading",)}


def ancestral_runs():
    for name, schedule in SCHEDULES.items():
        for spacing in SPACINGS[name]:
            for n in (10, 20):
                for variance in ("fixed_small", "fixed_large"):
                    yield name, ddpm(schedule, n, spacing, variance)
                for eta in (0.0, 0.5, 1.0):
                    yield name, ddim(schedule, n, spacing, eta)
        yield name, ddpm(schedule, 7, "leading", "fixed_small", clip=True)
        yield name, ddim(schedule, 13, "leading", 0.2, clip=True)
    yield "linear", ddpm(LINEAR, 7, "linspace", "fixed_small")


def ode_runs():
    for name, schedule in SCHEDULES.items():
        for n in (10, 20):
            for told in ("source", "destination"):
                yield name, inverse(schedule, n, told)
            spacing = "linspace" if name == "linear" else "leading"
            for algorithm in ("dpmsolver++", "dpmsolver"):
                for order in (1, 2, 3):
                    # below 15 steps diffusers ends on lower orders, unless told not to
                    for lower_order_final in (True, False) if n < 15 and order > 1 else (True,):
                        yield name, dpm_solver(schedule, n, spacing, algorithm, order, lower_order_final)
            yield name, heun(schedule, n, spacing)
        yield name, heun(schedule, 13, "leading")
    for name, schedule in SCHEDULES.items():
        for n in (5, 10, 20):
            yield name, unipc(schedule, n, "linspace" if name == "linear" else "leading")


def sde_runs():
    for name, schedule in SCHEDULES.items():
        for n in (7, 10, 20):
            yield name, dpm_solver_sde(schedule, n, "linspace" if name == "linear" else "leading")


def write(file, runs):
    mixture = {"weights": WEIGHTS, "means": MEANS, "spreads": SPREADS}
    write_json(file, {"mixture": mixture, "runs": [{"schedule": name} | run for name, run in runs]}, depth=3)


if __name__ == "__main__":
    torch.manual_seed(4)
    with double_precision():
        write("trajectories_ancestral.json", ancestral_runs())
        write("trajectories_ode.json", ode_runs())
        write("trajectories_sde.json", sde_runs())
