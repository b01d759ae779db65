"""Ladders whose budgets have measured optima, and their ordered hold-outs."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import nstar
from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima
from nstar.validation.optima import near_minimum

FIRST = {"llama3": 5, "porian": 5, "marin": 4}  # budgets the shortest split learns from
SETS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    # data set: source, filters, the column whose values are ladders of their own
    "llama3": ("llama3", (), None),
    "porian_isoflop": ("porian", (), "ladder"),
    "marin_isoflop": ("marin", ("validation_optimal=0",), "corpus"),
}


class Ladder(NamedTuple):
    """Profiles of one recipe and their measured optima."""

    name: str
    source: str
    runs: Observations
    optima: Observations


class HoldOut(NamedTuple):
    """What is learned from, and the optima that come next, in log FLOP and log tokens."""

    ladder: Ladder
    train: Observations  # whole profiles of the smaller budgets
    learned: Observations  # and their measured optima
    C: np.ndarray  # held-out budgets, within `decades` of the largest learned from
    D: np.ndarray  # and their measured optima


def ladders() -> Iterator[Ladder]:
    """Read every ladder; optima are minima of parabolas within 0.75 decades."""
    for name, (source, where, by) in SETS.items():
        runs = nstar.read_runs(name, where=where)
        values = [None] if by is None else np.unique(runs[by])
        for value in values:
            part = runs if value is None else runs.take(runs[by] == value)
            optima = measured_optima(near_minimum(part))
            yield Ladder(str(value or name), source, part, optima)


def hold_outs(ladder: Ladder, decades: tuple[float, float]) -> Iterator[HoldOut]:
    """Learn from the first budgets, 4 or 5 to all but one, and look so far beyond."""
    C, D = np.log(ladder.optima["C"]), np.log(ladder.optima["D"])
    for k in range(FIRST[ladder.source], len(C)):
        beyond = (C - C[k - 1]) / np.log(10)
        held = (beyond > decades[0] + 0.01) & (beyond <= decades[1] + 0.01)
        if held.any():
            low = ladder.runs["budget"] <= np.exp(C[k - 1]) * 1.001
            learned = ladder.optima.take(np.arange(len(C)) < k)
            yield HoldOut(ladder, ladder.runs.take(low), learned, C[held], D[held])
