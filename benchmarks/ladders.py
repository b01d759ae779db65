"""The measured ladders that extrapolation is scored on: every set that spans two decades.

Where several tables or conditions share runs or a paper they are one `source`, and
scores are averaged within a source before they are averaged over sources.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import nstar
from nstar.runs.observations import Observations

SPAN = 2.0  # decades of compute a ladder must span
FEWEST = 8  # runs left to learn from when its top decade is held out


class Ladder(NamedTuple):
    """One table of runs under one recipe."""

    name: str
    source: str
    runs: Observations


SETS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    # data set: source, filters, the column whose values are ladders of their own
    "chinchilla_epoch": ("chinchilla", ("outlier=0",), None),
    "llama3": ("llama3", (), None),
    "marin_isoflop": ("marin", ("validation_optimal=0",), "corpus"),
    "farseer": ("farseer", ("split=train",), None),
    "gadre_overtrain": ("gadre", (), "corpus"),
    "porian_isoflop": ("porian", (), "ladder"),
    "datablations": ("muennighoff", ("epochs<=1.01",), None),
}


def ladders() -> Iterator[Ladder]:
    """Read every ladder; duplicated rows are dropped."""
    for name, (source, where, by) in SETS.items():
        runs = nstar.read_runs(name, where=where)
        parts = (
            [(name, runs)]
            if by is None
            else [
                (f"{name} {v}", runs.take(runs[by] == v)) for v in np.unique(runs[by])
            ]
        )
        for title, part in parts:
            part = _distinct(part)
            log_C = np.log10(part["C"])
            kept = np.sum(log_C < log_C.max() - 1)
            if np.ptp(log_C) >= SPAN and kept >= FEWEST:
                yield Ladder(title, source, part)


def _distinct(runs: Observations) -> Observations:
    rows = np.stack([runs["N"], runs["D"], runs["L"]], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    return runs.take(np.isin(np.arange(len(runs)), first))


if __name__ == "__main__":
    for ladder in ladders():
        log_C = np.log10(ladder.runs["C"])
        held = [int(np.sum(log_C >= log_C.max() - h - 1e-6)) for h in (1, 2)]
        print(
            f"{ladder.source:12} {ladder.name:60} {len(log_C):4} runs, {np.ptp(log_C):.2f} decades, top decade {held[0]}, two {held[1]}"
        )
