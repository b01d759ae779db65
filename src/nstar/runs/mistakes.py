"""Impossible values in a table of runs: refused, each with its remedy."""

from collections.abc import Mapping

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions
from nstar.verdicts import Status

COUNTS = ("N", "D", "C", "budget")
MAY_BE_EMPTY = ("budget", "se")


def find_impossible(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    """Find values that no run can have, one problem a column.

    N, D, C and a budget are positive and finite, a standard error finite and not
    negative. An empty budget or standard error is none.
    """
    return [
        problem
        for name in (*COUNTS, "se")
        if name in runs and (problem := _impossible(runs, named, name))
    ]


def _impossible(
    runs: Observations, named: Mapping[str, str], name: str
) -> Problem | None:
    usual = named.get("log10_D_se", name) if name == "se" else name
    column, values = named.get(name, usual), runs[name]
    bad = ~(np.isfinite(values) & ((values >= 0) if name == "se" else (values > 0)))
    if name in MAY_BE_EMPTY:
        bad &= ~np.isnan(values)
    if not bad.any():
        return None
    kind = (
        "a standard error, finite and not negative"
        if name == "se"
        else "a positive finite count"
    )
    sign = ">=" if name == "se" else ">"
    return _refusal(runs, name, column, bad, kind, f"{column}{sign}0")


def find_missing_losses(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    """Find losses that are empty, infinite or not positive: runs with no loss to fit.

    Where most losses are negative they are of another kind, such as normalised ones.
    """
    if "L" not in runs:
        return []
    bad = ~np.isfinite(runs["L"])
    negative = ~bad & (runs["L"] <= 0)
    if negative.mean() < 0.5:
        bad |= negative
    if not bad.any() or bad.all():
        return []
    column = named.get("L", "L")
    problem = _refusal(
        runs, "L", column, bad, "a positive finite number", f"{column}>0"
    )
    return [problem]


def _refusal(
    runs: Observations,
    name: str,
    column: str,
    bad: np.ndarray,
    kind: str,
    condition: str,
) -> Problem:
    rows = tuple(runs.rows[bad].tolist())
    shown = tuple("an empty cell" if np.isnan(v) else f"{v:g}" for v in runs[name][bad])
    first = ", ".join(dict.fromkeys(shown))
    n = len(rows)
    by_filter = f", or keep the others with --where '{condition}'" if condition else ""
    return Problem(
        "missing losses" if name == "L" else "impossible values",
        Status.FAIL,
        f"expected {kind}, got {first} ({n} such row{'s' if n > 1 else ''})",
        f"correct them or leave them out with --skip-rows {','.join(map(str, rows[:8]))}{',...' if n > 8 else ''}{by_filter}",
        column=column,
        ours=name,
        rows=rows,
        repair=ReadOptions(skip_rows=rows),
    )


def possible(runs: Observations) -> np.ndarray:
    """Mark the runs whose sizes and losses are those of runs, (run,)."""
    fine = np.ones(len(runs), dtype=bool)
    for name in ("N", "D", "C"):
        if name in runs:
            fine &= np.isfinite(runs[name]) & (runs[name] > 0)
    return fine
