"""Runs that are alike: of one size, length and whatever else a law reads."""

from collections.abc import Sequence

import numpy as np

from nstar.runs.columns import ALIASES, GROUPS, SETTINGS
from nstar.runs.observations import Observations

SAME = 0.005  # numbers whose logarithms differ less are one; whole steps of training
NOT_INPUTS = (
    *("N", "D", "C", "L", "se", "log10_D_se", "budget"),
    *GROUPS,
    *SETTINGS,
)


def number_alike(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Number the distinct rows of columns, numbers to half a percent, (run,)."""
    labels = [_label(values) for values in columns]
    return np.unique(np.stack(labels), axis=1, return_inverse=True)[1].reshape(-1)


def _label(values: np.ndarray) -> np.ndarray:
    """Number the distinct values of a column, (run,)."""
    if values.dtype.kind in "fiu":
        values = values.astype(float)
        size = np.log(np.where(values > 0, values, 1.0))
        values = np.where(values > 0, np.round(size / SAME), values - 1e9)
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def other_inputs(runs: Observations) -> list[str]:
    """List what laws read of these runs besides N, D and C, such as unique tokens."""
    return [n for n in ALIASES if n in runs and n not in NOT_INPUTS]


def designs(runs: Observations, by: Sequence[str] = ()) -> np.ndarray:
    """Number the designs: runs of one N, D, other inputs and groups, (run,)."""
    names = [n for n in ("N", "D", *other_inputs(runs), *by) if n in runs]
    return number_alike([runs[name] for name in names])
