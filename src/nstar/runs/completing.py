"""What follows from the columns of a table: duplicates, the third of N, D, C, budgets."""

from dataclasses import replace

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.problems import Problem
from nstar.verdicts import Status

SAME_BUDGET = 0.02  # runs of one budget differ less in log C, whole steps of training
LEAST_OF_BUDGET = 3  # runs that show how a budget may be spent


def leave_out_gaps(runs: Observations) -> tuple[Observations, list[Problem]]:
    """Leave out rows of a registered data set where its authors give no N, D or C."""
    counts = [runs[name] for name in ("N", "D", "C") if name in runs]
    gaps = np.any([np.isnan(values) for values in counts], axis=0)
    if not np.any(gaps) or np.all(gaps):
        return runs, []
    note = f"{gaps.sum()} rows without N, D or C left out (rows {_some(runs.rows[gaps].tolist())})"
    return runs.take(~gaps), [Problem("rows without a size", Status.PASS, note)]


def drop_duplicates(runs: Observations) -> tuple[Observations, list[Problem]]:
    """Leave out rows that repeat another in every column."""
    if "successes" in runs and "problem" not in runs:
        return runs, []  # two problems may well have the same counts
    cells = zip(*(values.tolist() for values in runs.columns.values()), strict=True)
    seen: dict[str, int] = {}
    first = [seen.setdefault(str(row), i) == i for i, row in enumerate(cells)]
    keep = np.array(first, dtype=bool)
    if keep.all():
        return runs, []
    rows = runs.rows[~keep].tolist()
    note = f"{len(rows)} exact duplicates dropped (rows {_some(rows)})"
    return runs.take(keep), [Problem("duplicates", Status.PASS, note)]


def complete(runs: Observations) -> Observations:
    """Fill the third of N, D and C by the FLOP convention."""
    present = [name for name in ("N", "D", "C") if name in runs]
    if len(present) == 1 and "C" not in runs and _spends_budgets(runs):
        runs = replace(runs, columns=runs.columns | {"C": runs["budget"]})
        runs = complete(runs)
        return replace(runs, derived=f"{runs.derived}, C being the budget of each run")
    if len(present) != 2:
        return runs
    cost = runs.cost
    missing = ({"N", "D", "C"} - set(present)).pop()
    value = {
        "N": lambda: cost.params(runs["D"], runs["C"]),
        "D": lambda: cost.tokens(runs["N"], runs["C"]),
        "C": lambda: cost.flop(runs["N"], runs["D"]),
    }[missing]()
    columns = runs.columns | {missing: value}
    derived = f"{missing} follows from {present[0]} and {present[1]} by {cost}"
    return replace(runs, columns=columns, derived=derived)


def _spends_budgets(runs: Observations) -> bool:
    """Tell whether every run has a budget, which is then its compute."""
    return "budget" in runs and bool(np.all(runs["budget"] > 0))


def name_budgets(runs: Observations) -> Observations:
    """Name isoFLOP budgets where C repeats: at least three profiles of three runs."""
    if "budget" in runs or "C" not in runs or runs.derived.startswith("C"):
        return runs
    log_C = np.log(runs["C"])
    order = np.argsort(log_C, kind="stable")
    group = np.empty(len(runs), dtype=int)
    group[order] = np.cumsum(np.diff(log_C[order], prepend=-np.inf) > SAME_BUDGET)
    budget = np.full(len(runs), np.nan)
    for g in np.flatnonzero(np.bincount(group) >= LEAST_OF_BUDGET):
        at = group == g
        if _is_profile(runs, at) and np.ptp(log_C[at]) < 3 * SAME_BUDGET:
            budget[at] = np.median(runs["C"][at])
    on = np.isfinite(budget)
    if np.unique(budget[on]).size < 3 or on.mean() < 0.8:
        return runs
    return replace(runs, columns=runs.columns | {"budget": budget})


def _is_profile(runs: Observations, at: np.ndarray) -> bool:
    """Say whether runs of one budget differ in how they spend it."""
    return "D" not in runs or np.unique(np.round(np.log(runs["D"][at]), 2)).size >= 3


def _some(rows: list[int], most: int = 6) -> str:
    shown = ", ".join(str(row) for row in rows[:most])
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")
