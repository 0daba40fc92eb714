"""PSNR and SSIM of small pictures of 8 bits, by scikit-image in f64.

SSIM as Wang et al. 2004 define it: Gaussian weights, and covariances of the population.
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from common import write_json

EXACT = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, "channel_axis": 0}


def main():
    rng = np.random.default_rng(0)
    cases = []
    for shape, noise in (((1, 14, 17), 8.0), ((3, 16, 12), 40.0), ((1, 11, 11), 90.0)):
        y, x = np.mgrid[: shape[1], : shape[2]]
        smooth = 127.5 * (1 + np.sin(x / 3 + np.arange(shape[0])[:, None, None]) * np.cos(y / 4))
        real = np.rint(smooth).astype(np.uint8)
        image = np.clip(np.rint(smooth + noise * rng.standard_normal(shape)), 0, 255).astype(np.uint8)
        cases.append(
            {
                "shape": list(shape),
                "image": image.flatten().tolist(),
                "real": real.flatten().tolist(),
                "psnr": float(peak_signal_noise_ratio(real, image, data_range=255)),
                "ssim": float(structural_similarity(real.astype(float), image.astype(float), **EXACT)),
            }
        )
    write_json("similarity.json", {"cases": cases}, depth=3)


if __name__ == "__main__":
    main()
