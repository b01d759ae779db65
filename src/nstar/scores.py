"""How good was a prediction: coverage, interval score, CRPS, bias, from draws."""

from typing import Any

import numpy as np

LEVELS = (0.5, 0.8, 0.9, 0.95)


def scores(draws: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Score predictive draws, (draw, run), against what came, (run,).

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
