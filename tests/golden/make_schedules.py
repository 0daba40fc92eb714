"""Noise schedules and timestep spacings of diffusers' schedulers, and the DDIM repository's jsd betas and two skips."""

import numpy as np
from diffusers import DDIMScheduler, DDPMScheduler
from mpmath import mp, mpf

from common import double_precision, write_json

mp.dps = 40

SOME = [1, 2, 3, 10, 50, 100, 250, 500, 750, 900, 990, 998, 999, 1000]


def entry(name, parameters, betas, alpha_bar):
    steps = len(betas)
    t = [t for t in SOME if t <= steps] if steps > 100 else range(1, steps + 1)
    t = list(range(1, steps + 1)) if (name, steps) == ("linear", 1000) else list(t)
    pick = lambda table: [float(table[i - 1]) for i in t]
    return {"name": name, "T": steps, **parameters, "t": t, "beta": pick(betas), "alpha_bar": pick(alpha_bar)}


def of_diffusers(name, kind, steps, first=None, last=None, zero_snr=False):
    ends = {} if first is None else {"beta_start": first, "beta_end": last}
    with double_precision():
        s = DDPMScheduler(num_train_timesteps=steps, beta_schedule=kind, rescale_betas_zero_snr=zero_snr, **ends)
    assert str(s.alphas_cumprod.dtype) == "torch.float64"
    parameters = {} if first is None else {"first": first, "last": last}
    return entry(name, parameters, s.betas.numpy(), s.alphas_cumprod.numpy())


def sigmoid_alpha_bar(steps, start, end, tau):
    """Jabri et al. 2023, with every beta capped at 0.999; 40 digits of mpmath, since diffusers has no such schedule."""
    sigmoid = lambda x: 1 / (1 + mp.exp(-x / tau))
    v_start, v_end = sigmoid(mpf(start)), sigmoid(mpf(end))
    curve = [(v_end - sigmoid(start + (end - start) * mpf(i) / steps)) / (v_end - v_start) for i in range(steps + 1)]
    betas = [min(1 - b / a, mpf(999) / 1000) for a, b in zip(curve, curve[1:])]
    alpha_bar, product = [], mpf(1)
    for beta in betas:
        product *= 1 - beta
        alpha_bar.append(product)
    return entry("sigmoid_alpha_bar", {"start": start, "end": end, "tau": tau}, betas, alpha_bar)


def jsd(steps):
    """The DDIM repository's formula; its last beta is 1."""
    betas = 1 / np.linspace(steps, 1, steps)
    return entry("jsd", {}, betas, np.cumprod(1 - betas))


def schedules():
    for steps in (1000, 100):
        yield of_diffusers("linear", "linear", steps, 1e-4, 0.02)
        yield of_diffusers("quadratic", "scaled_linear", steps, 1e-4, 0.02)
        yield of_diffusers("quadratic", "scaled_linear", steps, 0.00085, 0.012)
        yield of_diffusers("cosine", "squaredcos_cap_v2", steps)
        yield of_diffusers("sigmoid_beta", "sigmoid", steps, 1e-4, 0.02)
        yield sigmoid_alpha_bar(steps, -3, 3, 1)
        yield sigmoid_alpha_bar(steps, 0, 3, mpf(1) / 2) | {"tau": 0.5}
        yield jsd(steps)
        yield of_diffusers("linear_zero_terminal_snr", "linear", steps, 1e-4, 0.02, zero_snr=True)
        yield of_diffusers("quadratic_zero_terminal_snr", "scaled_linear", steps, 0.00085, 0.012, zero_snr=True)


def paths():
    for steps, counts in ((1000, (10, 20, 50, 100, 1000, 7, 13, 300)), (100, (10, 7, 100))):
        for spacing in ("leading", "linspace", "trailing"):
            for n in counts:
                s = DDIMScheduler(num_train_timesteps=steps, timestep_spacing=spacing)
                s.set_timesteps(n)
                yield {"spacing": spacing, "T": steps, "S": n, "published": s.timesteps}
        for n in counts:
            quad = (np.linspace(0, np.sqrt(steps * 0.8), n) ** 2).astype(int)
            yield {"spacing": "quad", "T": steps, "S": n, "published": quad[::-1]}
            skip = np.arange(0, steps, steps // n)
            yield {"spacing": "uniform", "T": steps, "S": n, "published": skip[::-1]}


if __name__ == "__main__":
    write_json("schedules.json", {"schedules": list(schedules()), "paths": list(paths())}, depth=3)
