"""Groups of runs: a corpus, recipe, optimiser or family."""

import numpy as np
from numpy.typing import ArrayLike

from nstar.runs.observations import Observations

NEXT = "next"  # the group to come; no group of the runs may be called so


def group_names(runs: Observations, over: str) -> np.ndarray:
    """Name the group of each run, (run,).

    Raises:
        ValueError: there is no such column, a run has no group, or they are no groups.
    """
    if over not in runs:
        msg = f"{runs.source}: no column {over!r} to pool over; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    values = runs[over]
    if values.dtype.kind == "f":
        names = np.array(
            ["" if np.isnan(v) else repr(float(v)).removesuffix(".0") for v in values]
        )
    else:
        names = values.astype(str)
    title = runs.header(over)
    if (names == "").any():
        msg = f"{runs.source}, row {runs.rows[names == ''][0]}: column {title} names no group; leave such runs out with --where"
        raise ValueError(msg)
    groups = np.unique(names)
    if not 2 <= len(groups) <= len(runs) / 2:
        msg = f"{runs.source}: column {title} has {len(groups)} values in {len(runs)} runs; expected two groups at least, of two runs on average"
        raise ValueError(msg)
    if NEXT in groups:
        msg = f"{runs.source}: column {title} names a group {NEXT!r}, which is our word for a group not seen yet; rename it"
        raise ValueError(msg)
    return names


def number_within(shared: ArrayLike, group: ArrayLike) -> np.ndarray:
    """Number the distinct pairs of group and shared value, (run,)."""
    pairs = np.stack([group, shared])
    return np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1).astype(float)
