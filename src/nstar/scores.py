"""Scores of predictions from draws: coverage, interval and energy score, CRPS, bias."""

from typing import NamedTuple

import numpy as np

from nstar.answers import Document

LEVELS = (0.5, 0.8, 0.9, 0.95)
NO_SPREAD = 1e-9  # sd below which draws are all the same


def scores(draws: np.ndarray, truth: np.ndarray) -> Document:
    """Score predictive draws, (draw, run), against measurements, (run,).

    Returns:
        coverage by level; the 90 % interval score of Gneiting & Raftery (2007, eq. 43)
        and width; CRPS from the draws (ibid., eq. 21); rmse and bias of the median.
    """
    bounds = {level: quantiles(draws, level) for level in LEVELS}
    inside = {
        str(level): float(np.mean((low <= truth) & (truth <= high)))
        for level, (low, high) in bounds.items()
    }
    low, high = bounds[0.9]
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    error = np.median(draws, axis=0) - truth
    return {
        "coverage": inside,
        "interval_score": {"0.9": float(np.mean(high - low + 2 / 0.1 * outside))},
        "crps": float(np.mean(crps(draws, truth))),
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "bias": float(np.mean(error)),
        "width": {"0.9": float(np.mean(high - low))},
    }


def quantiles(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the equal-tailed interval of this level."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def crps(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """E|X - y| - E|X - X'| / 2 for each run, by sorting."""
    n = len(draws)
    ordered = np.sort(draws, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1)[:, None]
    spread = np.sum(weight * ordered, axis=0) / n**2
    return np.mean(np.abs(draws - truth), axis=0) - spread


def energy_score(draws: np.ndarray, truth: np.ndarray) -> float:
    """Joint score of all runs: E|X - y| - E|X - X'| / 2 with |.| the root mean square.

    Gneiting & Raftery (2007, eq. 22) in units of one run: their Euclidean norm divided
    by the root of the number of runs, so a forecast without spread scores its rms error.
    """
    n, runs = draws.shape
    centred = draws - np.mean(draws, axis=0)
    square = np.sum(np.square(centred), axis=1)
    apart = square[:, None] + square - 2 * centred @ centred.T
    np.fill_diagonal(apart, 0.0)
    spread = np.sum(np.sqrt(np.maximum(apart, 0))) / n**2
    error = np.mean(np.sqrt(np.sum(np.square(draws - truth), axis=1)))
    return float((error - spread / 2) / np.sqrt(runs))


def joint_log_density(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    r"""Log density of what came, each given those before it, (run,); their sum is the joint one.

    Errors of one extrapolation agree, so the second of two that miss alike surprises
    little.  The joint forecast is read as a normal of the draws' medians m, the sd S of
    their 90 % intervals and the correlations R of their normal scores,

    $$ \log q(y_j \mid y_1 \dots y_{j-1}) = -\tfrac12 z_j^2 - \log \ell_{jj}
       - \tfrac12 \log 2\pi, \qquad \ell \ell^\top = S R S, \quad \ell z = y - m $$

    which a few draws far out, as a Student-t has them, do not move.

    Args:
        draws: joint predictive draws, (draw, run).
        truth: what came, (run,).
    """
    from scipy import stats  # half a second nobody else pays

    ranks = stats.rankdata(draws, axis=0) - 0.5
    normal = stats.norm.ppf(ranks / len(draws))
    normal /= np.maximum(np.std(normal, axis=0), NO_SPREAD)
    R = (1 - NO_SPREAD) * normal.T @ normal / len(draws)
    np.fill_diagonal(R, 1.0)
    low, high = quantiles(draws, 0.9)
    S = np.maximum((high - low) / (2 * stats.norm.ppf(0.95)), NO_SPREAD)
    root = np.linalg.cholesky(S[:, None] * R * S)
    z = np.linalg.solve(root, truth - np.median(draws, axis=0))
    return stats.norm.logpdf(z) - np.log(np.diag(root))


class Misses(NamedTuple):
    """Runs outside their intervals, and how many the forecast itself would have."""

    observed: int
    simulated: np.ndarray  # draws with 0, 1, ... all runs outside, (run + 1,)

    @property
    def at_least(self) -> float:
        """Probability of as many misses as came, or more."""
        return float(np.sum(self.simulated[self.observed :]) / np.sum(self.simulated))

    @property
    def probability(self) -> float:
        """Twice the smaller tail with what came in it, at most 1."""
        at_most = np.sum(self.simulated[: self.observed + 1]) / np.sum(self.simulated)
        return float(min(1.0, 2 * min(self.at_least, at_most)))


def misses(draws: np.ndarray, truth: np.ndarray, level: float = 0.9) -> Misses:
    """Count runs outside the interval of each, and the same of every joint draw.

    Errors of one ladder go together, so its number of misses is far from binomial: a
    draw that lies low at one run lies low at the next.  Each draw stands for the truth
    in turn, against intervals of all the draws.
    """
    low, high = quantiles(draws, level)
    outside = np.sum((draws < low) | (draws > high), axis=1)
    counts = np.bincount(outside, minlength=draws.shape[1] + 1)
    return Misses(int(np.sum((truth < low) | (truth > high))), counts)
