"""Frechet distances between Gaussians: |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), three ways.

`distance` is the truth: 40 digits of mpmath from the matrices, or, for samples, singular values in f64: the trace of
the root of S1 S2 is the nuclear norm of A B^T when S1 = A^T A and S2 = B^T B, which never takes the root of a rounded
zero. `sqrtm` is what scipy's matrix square root gives, as the published FID code computes it.
"""

import numpy as np
import scipy.linalg
from mpmath import mp

from common import write_json, write_tensors

mp.dps = 40


def root(matrix):
    values, vectors = mp.eigsy(matrix)
    half = mp.diag([mp.sqrt(max(v, 0)) for v in values])
    return vectors * half * vectors.T


def exact(mu1, sigma1, mu2, sigma2):
    mu1, sigma1, mu2, sigma2 = (mp.matrix(m.tolist()) for m in (mu1, sigma1, mu2, sigma2))
    half = root(sigma1)
    inner = half * sigma2 * half
    cross = sum(mp.sqrt(max(v, 0)) for v in mp.eigsy((inner + inner.T) / 2, eigvals_only=True))
    trace = lambda m: sum(m[i, i] for i in range(m.rows))
    return float(mp.norm(mu1 - mu2) ** 2 + trace(sigma1) + trace(sigma2) - 2 * cross)


def by_sqrtm(mu1, sigma1, mu2, sigma2):
    cross = scipy.linalg.sqrtm(sigma1 @ sigma2)
    return float(((mu1 - mu2) ** 2).sum() + np.trace(sigma1 + sigma2) - 2 * np.trace(cross).real)


def by_singular_values(a, b):
    centred = lambda x: (x - x.mean(0)) / np.sqrt(len(x) - 1)
    a_c, b_c = centred(a), centred(b)
    cross = np.linalg.svd(a_c @ b_c.T, compute_uv=False).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + (a_c**2).sum() + (b_c**2).sum() - 2 * cross)


def gaussian(rng, dim, rank):
    """Covariance B B^T of the given rank; entries in steps of 1/16, so that it has that rank in f64 too."""
    b = np.round(rng.normal(size=(dim, rank)) * 16) / 16
    return rng.normal(size=dim), b @ b.T


def main():
    rng = np.random.default_rng(5)
    tensors, cases = {}, []
    pairs = {
        "d4": (gaussian(rng, 4, 8), gaussian(rng, 4, 6)),
        "d4_rank2": (gaussian(rng, 4, 8), gaussian(rng, 4, 2)),
        "d32": (gaussian(rng, 32, 64), gaussian(rng, 32, 40)),
        "d32_rank20": (gaussian(rng, 32, 20), gaussian(rng, 32, 64)),
    }
    pairs["d32_same"] = (pairs["d32"][0], pairs["d32"][0])
    for name, (one, two) in pairs.items():
        tensors |= {f"{name}.mu1": one[0], f"{name}.sigma1": one[1], f"{name}.mu2": two[0], f"{name}.sigma2": two[1]}
        cases.append({"name": name, "from": "moments", "distance": exact(*one, *two), "sqrtm": by_sqrtm(*one, *two)})

    write_tensors("frechet_moments.safetensors", tensors)

    mix = rng.normal(size=(128, 128)) / 12
    a = (rng.normal(size=(200, 128)) @ mix + 0.1).astype(np.float32)
    b = (rng.normal(size=(96, 128)) @ mix * 1.1).astype(np.float32)
    write_tensors("frechet_samples.safetensors", {"d128.a": a, "d128.b": b})
    a, b = a.astype(np.float64), b.astype(np.float64)
    moments = lambda x: (x.mean(0), np.cov(x, rowvar=False))
    cases.append(
        {"name": "d128", "from": "samples", "distance": by_singular_values(a, b), "sqrtm": by_sqrtm(*moments(a), *moments(b))}
    )
    write_json("frechet.json", cases, depth=1)


if __name__ == "__main__":
    main()
