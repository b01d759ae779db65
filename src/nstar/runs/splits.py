"""Ordered splits: the largest budgets held out, the smaller ones learned from."""

from typing import NamedTuple

import numpy as np

from nstar.runs.observations import Observations

EDGE = 1e-6  # of a decade: a budget on the boundary is held out


class Split(NamedTuple):
    """Runs to learn from and larger ones to predict."""

    decades: float  # of compute, or of another input, held out
    train: Observations
    test: Observations


def split(
    runs: Observations, decades: float, along: str = "C", top: float | None = None
) -> Split:
    """Hold out the runs with C >= C_max / 10^decades.

    Args:
        runs: a ladder.
        decades: held out.
        along: another input in place of C; of a loss L, the smallest are held out.
        top: what stands for C_max; the largest of the runs unless given.

    Raises:
        ValueError: no run is left to learn from, or there is no such column.
    """
    if along not in runs:
        msg = f"{runs.source}: no column {along!r} to hold out along; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    sign = -1 if along == "L" else 1
    x = np.log10(runs[along]) * sign
    end = x.max() if top is None else np.log10(top) * sign
    largest = x >= end - decades - EDGE
    if largest.all():
        msg = f"{runs.source}: holding out {decades:g} decades leaves no run to learn from (the runs span {np.ptp(x):.2f})"
        raise ValueError(msg)
    return Split(decades, runs.take(~largest), runs.take(largest))
