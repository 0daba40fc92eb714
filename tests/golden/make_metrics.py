"""Inception Score, KID, precision and recall of the features in frechet_samples.safetensors, by torch-fidelity in f64.

Features are the first `dims` of every row. Logits are three times the first ten. KID there wants sets of one size, so
both sides are cut to the smaller; its one subset is then the whole. Distances to the nearest neighbours are numpy's.
"""

import numpy as np
import torch
from safetensors.numpy import load_file
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd
from torch_fidelity.metric_prc import prc_features_to_metric

from common import HERE, write_json


def main():
    samples = {k: v.astype(np.float64) for k, v in load_file(HERE / "frechet_samples.safetensors").items()}
    a, b = samples["d128.a"], samples["d128.b"]
    fewest = min(len(a), len(b))
    scores, kids, shares, nearest = [], [], [], []
    for splits in (1, 3, 10):
        found = isc_features_to_metric(torch.from_numpy(3 * a[:, :10]), splits=splits, shuffle=False)
        mean, std = found["inception_score_mean"], found["inception_score_std"]
        scores.append({"splits": splits, "mean": mean, "std": std})
    kernel = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    for dims in (4, 128):
        kids.append({"dims": dims, "kid": kernel_mmd(a[:fewest, :dims], b[:fewest, :dims], **kernel)})
    for dims, k in ((3, 1), (6, 3), (8, 5), (128, 3)):
        one, two = (torch.from_numpy(x[:, :dims].copy()) for x in (a, b))
        found = prc_features_to_metric(
            one, two, prc_neighborhood=k, prc_batch_size=10000, save_cpu_ram=False, verbose=False
        )
        # the shares are means in f32: the counts behind them are whole
        inside = {"samples": round(found["precision"] * len(a)), "real": round(found["recall"] * len(b))}
        shares.append({"dims": dims, "k": k, "inside": inside})
    for dims in (6, 128):
        distances = np.linalg.norm(b[:8, None, :dims] - a[None, :, :dims], axis=-1)
        order = np.argsort(distances, axis=1)[:, :3]
        nearest.append({"dims": dims, "indices": order, "distances": np.take_along_axis(distances, order, axis=1)})
    write_json(
        "metrics.json", {"inception_score": scores, "kid": kids, "precision_recall": shares, "nearest": nearest}, depth=3
    )


if __name__ == "__main__":
    main()
