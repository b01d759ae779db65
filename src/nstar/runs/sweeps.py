"""Sweeps of settings: many runs of one N and D that differ in how they were tuned."""

import numpy as np

from nstar.runs.alike import designs, other_inputs
from nstar.runs.column_kinds import Column, as_text, kind_of, plain_columns
from nstar.runs.columns import SETTINGS
from nstar.runs.observations import Observations
from nstar.runs.problems import SWEEP, Problem, ReadOptions
from nstar.verdicts import Status

MOST_VALUES = 40  # of a setting
SHARE = 0.5  # of the runs lie in designs that were tuned
CROSSED = 0.5  # of the designs hold several values of a setting
FEW = 6  # values of a number of unknown meaning, to be taken for a setting


def check_sweep(runs: Observations, by: tuple[str, ...] = ()) -> list[Problem]:
    """Notice that N and D repeat while learning rate, batch or the like vary.

    Args:
        runs: named and complete.
        by: columns whose groups are fitted apart.
    """
    if "N" not in runs or "D" not in runs:
        return []
    design = designs(runs, by)
    counts = np.bincount(design)
    inside = counts[design] > 1
    if inside.mean() < SHARE:
        return []
    if "run" in runs and share_crossed(runs["run"], design) < CROSSED:
        return []  # one run measured several times
    settings = [
        name
        for name, values in plain_columns(runs).items()
        if name not in by and _is_setting(runs, name, values, design)
    ]
    if not settings:
        return []
    L = runs["L"]
    several = np.flatnonzero(counts > 1)
    spread = [L[design == d].max() / L[design == d].min() - 1 for d in several]
    best = np.zeros(len(runs), dtype=bool)
    for d in range(counts.size):
        at = np.flatnonzero(design == d)
        best[at[np.argmin(L[at])]] = True
    names = [runs.named.get(n, n) for n in settings]
    cell = ",".join(["N", "D", *other_inputs(runs), *by])
    condition = f"least L per {cell}"
    detail = (
        f"{len(runs)} rows are {counts.size} designs of N and D, each run with up to "
        f"{counts.max()} settings of {', '.join(names)}; inside a design the loss spreads by "
        f"{100 * np.median(spread):.2g} % (median; {100 * max(spread):.2g} % at most). Tuning "
        "is not noise: a fit of all rows learns the average of badly tuned runs"
    )
    tune = (
        "; nstar tune learns the best settings from them"
        if set(SETTINGS).issubset(settings)
        else ""
    )
    remedy = (
        f"keep the best of each design with --where '{condition}'; or fit all with --noise "
        f"one_sided --accept tuning-sweep, under which settings only ever hurt{tune}"
    )
    return [
        Problem(
            SWEEP,
            Status.FAIL,
            detail,
            remedy,
            column=", ".join(names) if len(names) == 1 else "",
            rows=tuple(runs.rows[~best].tolist()),
            repair=ReadOptions(where=(condition,)),
        )
    ]


def _is_setting(
    runs: Observations, name: str, values: np.ndarray, design: np.ndarray
) -> bool:
    """Tell whether a column is a setting that varies inside designs."""
    kind = kind_of(runs.named.get(name, name))
    if kind not in (Column.SETTING, Column.OTHER):
        return False
    text = as_text(values)
    distinct = len(np.unique(text))
    most = MOST_VALUES if kind is Column.SETTING else FEW
    numeric = values.dtype.kind == "f"
    if not 2 <= distinct <= most or (kind is Column.OTHER and not numeric):
        return False
    return share_crossed(text, design) >= CROSSED


def share_crossed(text: np.ndarray, design: np.ndarray) -> float:
    """Return the share of designs of several runs that hold several values of a column."""
    pairs = np.unique(
        np.stack([design, np.unique(text, return_inverse=True)[1].reshape(-1)]), axis=1
    )
    values = np.bincount(pairs[0], minlength=design.max() + 1)
    several = np.bincount(design) > 1
    return float((values[several] > 1).mean()) if several.any() else 0.0
