"""Where a law puts its reference run."""

import numpy as np

from nstar.types import Array


def centre(values: Array) -> float:
    """Geometric centre of a design's column."""
    return float(np.exp(np.mean(np.log(np.asarray(values, dtype=float)))))
