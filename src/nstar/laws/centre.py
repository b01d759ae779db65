"""Where a law puts its reference run."""

import numpy as np

from nstar.types import Array, Inputs


def centre(values: Array) -> float:
    """Geometric centre of a design's column."""
    return float(np.exp(np.mean(np.log(np.asarray(values, dtype=float)))))


def typical_error(x: Inputs) -> float:
    """Median standard error of measured optima, log tokens; zero where none is known."""
    return float(np.median(x["se"])) if "se" in x else 0.0


def spread_of(values: Array) -> float:
    """Standard deviation of a design's column, at least a hundredth."""
    return max(float(np.std(np.asarray(values, dtype=float))), 0.01)
