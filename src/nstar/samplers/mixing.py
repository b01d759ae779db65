"""Whether chains have mixed, and how many effective draws their worst coordinate has."""

import numpy as np

MIXED = 1.007  # R-hat of every coordinate; the gate on unknowns is 1.01


def enough(z: np.ndarray, least: float) -> bool:
    """Say whether chains may end, (chain, draw, unknown).

    As ArviZ has R-hat, bulk and tail effective sample size (Vehtari et al. 2021,
    arXiv:1903.08008).
    """
    from arviz_stats.base import array_stats

    where = {"chain_axis": 0, "draw_axis": 1}
    for coordinate in np.moveaxis(z, -1, 0):
        if not array_stats.rhat(coordinate, **where) <= MIXED:
            return False
        if not array_stats.ess(coordinate, method="bulk", **where) >= least:
            return False
        if (
            not array_stats.ess(coordinate, method="tail", prob=(0.05, 0.95), **where)
            >= least
        ):
            return False
    return True
