"""Closed forms of the allocation law with a bend, to try processes in seconds.

Given the amplitude, the scatter of optima and the width of the exponent's prior, log D*
is a Gaussian linear model; those three are summed over a grid of prior quantiles.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL_SD, SLOPE_SD = 0.5, 0.0875  # of log D* at the centre; of alpha1, Student-t of 4
NODES = 9  # prior quantiles of each unknown summed over


class Bend(NamedTuple):
    """A process for log D*(C) about its power law."""

    kind: str  # straight, stationary, orthogonal, integrated
    length: float = 1.0  # e-folds
    amplitude: float = 0.0  # prior median
    spread: float = 0.7  # sd of its log

    def __str__(self) -> str:
        """Name the process and its constants."""
        if self.kind == "straight":
            return "straight line"
        return f"{self.kind}, length {self.length:g}, amplitude {self.amplitude:g} (sd of log {self.spread:g})"


def matern(r: np.ndarray) -> np.ndarray:
    """Correlation of a Matern-3/2 process at r lengths."""
    return (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r)


def covariance(bend: Bend, c: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Covariance of the process at c for unit amplitude; `design` are the budgets."""

    def process(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return matern(np.abs(a[:, None] - b) / bend.length)

    if bend.kind == "straight":
        return np.zeros((len(c), len(c)))
    if bend.kind == "stationary":
        return process(c, c)
    if bend.kind == "orthogonal":  # less its least-squares line over the budgets
        fit = np.linalg.pinv(np.stack([np.ones_like(design), design], axis=1))
        H = np.stack([np.ones_like(c), c], axis=1) @ fit
        cross = process(c, design) @ H.T
        return process(c, c) - cross - cross.T + H @ process(design, design) @ H.T
    a, b = c[:, None] / bend.length, c / bend.length  # the exponent walks at random
    near, far = np.minimum(np.abs(a), np.abs(b)), np.maximum(np.abs(a), np.abs(b))
    return np.where(a * b > 0, near**2 * (3 * far - near) / 6, 0.0)


def forecast(
    bend: Bend, C: np.ndarray, D: np.ndarray, se: np.ndarray, new: np.ndarray, seed: int
) -> np.ndarray:
    """Draws of the measured log D* at new log budgets, (draw, budget)."""
    rng, k = np.random.default_rng(seed), len(C)
    c = np.r_[C, new] - C.mean()
    quantile = (np.arange(NODES) + 0.5) / NODES
    amplitudes = bend.amplitude * np.exp(bend.spread * stats.norm.ppf(quantile))
    sigmas = 0.1 * np.exp(stats.norm.ppf(quantile))
    widths = 4 / stats.chi2(4).ppf(quantile)  # a Student-t is a mixture of normals
    K = covariance(bend, c, c[:k])
    known = np.r_[se, np.full(len(new), np.median(se))]
    mean = (C.mean() + np.log(20 / 6)) / 2 + 0.49 * c
    line = np.stack([np.ones_like(c), c], axis=1)
    weights, means, sds = [], [], []
    for tau in amplitudes if bend.amplitude else amplitudes[:1]:
        for sigma in sigmas:
            for v in widths:
                prior = np.diag([LEVEL_SD**2, SLOPE_SD**2 * v])
                S = line @ prior @ line.T + tau**2 * K + np.diag(sigma**2 + known**2)
                gain = np.linalg.solve(S[:k, :k], S[:k, k:])
                left = D - mean[:k]
                weights.append(_log_normal(left, S[:k, :k]))
                means.append(mean[k:] + gain.T @ left)
                sds.append(np.sqrt(np.diag(S[k:, k:] - S[k:, :k] @ gain)))
    weight = np.exp(np.array(weights) - np.max(weights))
    at = rng.choice(len(weight), 4000, p=weight / weight.sum())
    return np.array(means)[at] + np.array(sds)[at] * rng.normal(size=(4000, len(new)))


def _log_normal(left: np.ndarray, S: np.ndarray) -> float:
    return float(-0.5 * left @ np.linalg.solve(S, left) - np.linalg.slogdet(S)[1] / 2)


TRIED = [Bend("straight")]
TRIED += [Bend("stationary", ell, a) for ell in (3, 6, 10) for a in (0.1, 0.2, 0.4)]
TRIED += [
    Bend("stationary", *at)
    for at in ((8, 0.2), (8, 0.25), (8, 0.3, 0.5), (14, 0.4), (20, 0.6))
]
TRIED += [Bend("orthogonal", ell, a) for ell in (3, 6, 10) for a in (0.1, 0.2, 0.4)]
TRIED += [
    Bend("orthogonal", *at)
    for at in ((8, 0.15), (10, 0.25), (10, 0.2, 0.4), (10, 0.2, 1.0), (14, 0.3))
]
TRIED += [Bend("integrated", 3, a) for a in (0.03, 0.06, 0.09, 0.12, 0.25)]

type Forecast = Callable[..., np.ndarray]
