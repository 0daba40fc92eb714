"""Terms of the variational bound from definitions alone: quadrature and 30-digit tails, none of DDPM's closed forms."""

from mpmath import erfc, exp, inf, linspace, log, mp, mpf, pi, quad, sqrt

from common import write_json

mp.dps = 30


def normal(x, mean, var):
    return exp(-((x - mean) ** 2) / (2 * var)) / sqrt(2 * pi * var)


def integrate(f, lo, hi):
    return quad(f, linspace(lo, hi, 41))


# The decoder -----------------------------------------------------------------------------------


def upper_tail(z):
    return erfc(z / sqrt(mpf(2))) / 2


def decoder(level, mean, std):
    """log of the mass that N(mean, std^2) puts on the bin of an 8-bit level; the outer bins are open."""
    x, half = mpf(2 * level) / 255 - 1, mpf(1) / 255
    lo = -inf if level == 0 else (x - half - mean) / std
    hi = inf if level == 255 else (x + half - mean) / std
    mass = upper_tail(-hi) - upper_tail(-lo) if lo < 0 else upper_tail(lo) - upper_tail(hi)
    return {"level": level, "mean": float(mean), "std": float(std), "log_p": float(log(mass))}


def decoders():
    for level, mean, std in [
        (0, -1.0, 0.01),
        (0, -0.9, 0.05),
        (0, 0.3, 0.5),
        (1, -1.0, 0.004),
        (17, -0.85, 0.02),
        (127, 0.0, 0.001),
        (128, 0.0, 0.01),
        (128, 0.01, 2.0),
        (200, 0.55, 0.01),
        (200, 0.5, 0.01),  # 6 standard deviations out, on the right: the mirrored tail
        (90, -0.23, 0.01),  # 6 out, on the left
        (254, 1.0, 0.004),
        (255, 1.0, 0.01),
        (255, 0.95, 0.01),
        (255, -0.3, 0.5),
        (255, 3.0, 0.5),
    ]:
        yield decoder(level, mpf(mean), mpf(std))


# Kullback-Leibler ------------------------------------------------------------------------------


def kl(mean_q, var_q, mean_p, var_p):
    reach = 14 * sqrt(var_q)

    def integrand(x):
        log_ratio = (x - mean_p) ** 2 / (2 * var_p) - (x - mean_q) ** 2 / (2 * var_q) + log(var_p / var_q) / 2
        return normal(x, mean_q, var_q) * log_ratio

    return integrate(integrand, mean_q - reach, mean_q + reach)


def divergences():
    for row in [(0.0, 1.0, 0.0, 1.0), (0.3, 0.5, -0.2, 2.0), (-1.2, 2.0, 0.7, 0.3), (0.5, 1e-4, 0.51, 1e-4), (0, 1e-5, 0.003, 2e-5)]:
        names = ("mean_q", "var_q", "mean_p", "var_p")
        yield dict(zip(names, map(float, row))) | {"kl": float(kl(*map(mpf, row)))}


# Bayes' rule on a grid -------------------------------------------------------------------------


def linear(steps):
    """DDPM's linear schedule, both ends scaled by 1000 / T, as exact as mpmath: beta and alpha_bar, from index 0."""
    first, last = (mpf(v) * 1000 / steps for v in ("0.0001", "0.02"))
    beta = [mpf(0)] + [min(first + (last - first) * i / (steps - 1), mpf("0.999")) for i in range(steps)]
    alpha_bar = [mpf(1)]
    for b in beta[1:]:
        alpha_bar.append(alpha_bar[-1] * (1 - b))
    return beta, alpha_bar


def bayes(abar_t, abar_s, x0, x_t):
    """Moments of q(x_s | x_t, x0), proportional to q(x_t | x_s) q(x_s | x0), by integrating that product."""
    scale, spread = sqrt(abar_t / abar_s), sqrt(1 - abar_t / abar_s)
    joint = lambda x: normal(x_t, scale * x, spread**2) * normal(x, sqrt(abar_s) * x0, 1 - abar_s)
    # where both factors live
    lo = max((x_t - 14 * spread) / scale, sqrt(abar_s) * x0 - 14 * sqrt(1 - abar_s))
    hi = min((x_t + 14 * spread) / scale, sqrt(abar_s) * x0 + 14 * sqrt(1 - abar_s))
    mass = integrate(joint, lo, hi)
    mean = integrate(lambda x: x * joint(x), lo, hi) / mass
    return mean, integrate(lambda x: (x - mean) ** 2 * joint(x), lo, hi) / mass


STEPS = [(2, 1), (3, 2), (100, 99), (500, 499), (1000, 999), (1000, 900), (601, 301), (901, 1)]


def posteriors():
    _, alpha_bar = linear(1000)
    for t, s in STEPS:
        for x0, eps in ((mpf("0.4"), mpf("-0.7")), (mpf(-1), mpf("1.3"))):
            x_t = sqrt(alpha_bar[t]) * x0 + sqrt(1 - alpha_bar[t]) * eps
            mean, var = bayes(alpha_bar[t], alpha_bar[s], x0, x_t)
            var_large = 1 - alpha_bar[t] / alpha_bar[s]
            yield {"t": t, "s": s} | {k: float(v) for k, v in dict(x0=x0, x_t=x_t, mean=mean, var=var, var_large=var_large).items()}


def terms():
    """L_{t-1} when the model believes `eps_hat`; the model's mean is Bayes' for the x0 that it believes."""
    _, alpha_bar = linear(1000)
    for t in (2, 3, 10, 100, 500, 1000):
        for x0, eps, eps_hat in ((mpf("0.4"), mpf("-0.7"), mpf("-0.5")), (mpf(-1), mpf("1.3"), mpf("1.25"))):
            now, before = alpha_bar[t], alpha_bar[t - 1]
            x_t = sqrt(now) * x0 + sqrt(1 - now) * eps
            believed = (x_t - sqrt(1 - now) * eps_hat) / sqrt(now)
            mean_q, var_q = bayes(now, before, x0, x_t)
            mean_p, _ = bayes(now, before, believed, x_t)
            row = {"t": t} | {k: float(v) for k, v in dict(x0=x0, eps=eps, eps_hat=eps_hat).items()}
            for name, var_p in (("small", var_q), ("large", 1 - now / before)):
                row[f"l_t_{name}"] = float(kl(mean_q, var_q, mean_p, var_p))
            yield row


def priors():
    """L_T: how far q(x_T | x0) is from N(0, I)."""
    for steps in (10, 100, 1000):
        _, alpha_bar = linear(steps)
        for x0 in (mpf(1), mpf("0.25")):
            value = kl(sqrt(alpha_bar[-1]) * x0, 1 - alpha_bar[-1], mpf(0), mpf(1))
            yield {"T": steps, "x0": float(x0), "l_T": float(value)}


# The whole bound, for Gaussian data and the exact denoiser ---------------------------------------


def bound(steps, data_var, variance):
    """E_q[-log p(x_T) - sum log p(x_{t-1} | x_t) + sum log q(x_t | x_{t-1})], the bound before DDPM's eq. 5 rearranges
    it: no posterior and no KL of q appears. Data N(0, data_var), so every expectation is of a bivariate normal.

    The model's mean is E[x_{t-1} | x_t] of the forward chain, linear for Gaussian data. Its variance is beta ("large") or
    what is left of x_{t-1} given x_t and x_0 ("small"), at t = 1 that of t = 2.
    """
    beta, alpha_bar = linear(steps)
    var = [alpha_bar[t] * data_var + 1 - alpha_bar[t] for t in range(steps + 1)]
    cross_entropy = lambda error, of: (log(2 * pi * of) + error / of) / 2

    def left_over(t):
        # var of x_{t-1} given x_0, minus what x_t tells of it: the conditional variance of a bivariate normal
        prior = 1 - alpha_bar[t - 1]
        return prior - (1 - beta[t]) * prior**2 / ((1 - beta[t]) * prior + beta[t])

    total = cross_entropy(var[steps], mpf(1))
    for t in range(1, steps + 1):
        covariance = sqrt(1 - beta[t]) * var[t - 1]
        error = var[t - 1] - covariance**2 / var[t]
        total += cross_entropy(error, beta[t] if variance == "large" else left_over(max(t, 2)))
        total -= log(2 * pi * beta[t] * mp.e) / 2
    return total


def bounds():
    for steps in (10, 100, 1000):
        for data_var in (mpf(1), mpf("0.25")):
            entropy = log(2 * pi * mp.e * data_var) / 2
            for variance in ("small", "large"):
                total = bound(steps, data_var, variance)
                yield {"T": steps, "data_var": float(data_var), "variance": variance, "l_vlb": float(total), "gap": float(total - entropy)}


if __name__ == "__main__":
    write_json(
        "losses.json",
        {
            "decoder": list(decoders()),
            "kl": list(divergences()),
            "posterior": list(posteriors()),
            "l_t": list(terms()),
            "l_T": list(priors()),
            "l_vlb": list(bounds()),
        },
    )
