"""Where diffusers' DDIMScheduler ends when T // S is not the distance of its own timesteps, on an exact noise predictor.

Data are the mixture of make_trajectories.py, runs are f64. `timesteps` is what the scheduler says it visits.
"""

import torch
from diffusers import DDIMScheduler

from common import double_precision, write_json
from make_trajectories import LINEAR, X_T, exact_eps, vp


def main():
    runs = []
    with double_precision():
        for steps, spacing, clip in [(10, "trailing", False), (13, "trailing", False), (21, "linspace", True)]:
            scheduler = DDIMScheduler(**LINEAR, clip_sample=clip, timestep_spacing=spacing)
            scheduler.set_timesteps(steps)
            x = torch.tensor(X_T)
            for t in scheduler.timesteps:
                eps = exact_eps(x, *vp(scheduler.alphas_cumprod[t]))
                x = scheduler.step(eps, t, x, use_clipped_model_output=True).prev_sample
            timesteps = [int(t) for t in scheduler.timesteps]
            runs.append({"steps": steps, "spacing": spacing, "clip": clip, "timesteps": timesteps, "end": x.flatten()})
    write_json("peers.json", {"start": [x for [x] in X_T], "runs": runs})


if __name__ == "__main__":
    main()
