"""Ordered splits: the largest budgets held out, the smaller ones learned from."""

from typing import NamedTuple

import numpy as np

from nstar.observations import Observations

EDGE = 1e-6  # of a decade: a budget on the boundary is held out


class Split(NamedTuple):
    """Runs to learn from and larger ones to predict."""

    decades: float  # of compute held out
    train: Observations
    test: Observations


def split(runs: Observations, decades: float) -> Split:
    """Hold out the runs with C >= C_max / 10^decades.

    Raises:
        ValueError: no run is left to learn from.
    """
    log_C = np.log10(runs["C"])
    held = log_C >= log_C.max() - decades - EDGE
    if held.all():
        msg = f"{runs.source}: holding out {decades:g} decades leaves no run to learn from (the runs span {np.ptp(log_C):.2f})"
        raise ValueError(msg)
    return Split(decades, runs.take(~held), runs.take(held))
