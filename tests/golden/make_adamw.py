"""Five steps of torch.optim.AdamW and torch.optim.Adam in f64, as adamw.json."""

import json
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
CASES = [
    dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0),
    dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
    dict(lr=0.3, betas=(0.5, 0.8), eps=1e-2, weight_decay=0.05),
]


def run(options):
    generator = torch.Generator().manual_seed(1)
    theta = torch.nn.Parameter(torch.randn(4, generator=generator))
    optimizer = torch.optim.AdamW([theta], **options, foreach=False)
    start, grads, thetas = theta.tolist(), [], []
    for _ in range(5):
        theta.grad = torch.randn(4, generator=generator)
        optimizer.step()
        grads.append(theta.grad.tolist())
        thetas.append(theta.tolist())
    return dict(options, start=start, grads=grads, thetas=thetas)


text = ",\n".join(json.dumps(run(options)) for options in CASES)
(Path(__file__).parent / "adamw.json").write_text(f"[\n{text}\n]\n")
