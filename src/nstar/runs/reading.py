"""Read a table into observations: columns named, completed and checked, once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, PerParamToken
from nstar.files.tables import Table
from nstar.runs import mistakes, notices
from nstar.runs.columns import (
    ALIASES,
    GROUPS,
    name_columns,
    numbers_or_text,
    read_numbers,
    texts,
)
from nstar.runs.filters import columns_of, keep_rows
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, TableProblems
from nstar.runs.sources import open_source
from nstar.verdicts import Check, Status

COUNTED = ("total", "non-embedding", "active", "unknown")
SAME_BUDGET = 0.02  # runs of one budget differ less in log C, whole steps of training


def read_runs(
    source: Any,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    *,
    k: float = FLOP_PER_PARAM_TOKEN,
    params_counted: str | None = None,
    loss_unit: str | None = None,
) -> Observations:
    """Read and check a table of runs.

    Args:
        source: path of a CSV or Parquet file, name of a data set of the registry, a
            dict of arrays, or a pandas, polars or Arrow frame.
        columns: our names to the table's, as in `{"N": "params_total"}`; usual aliases
            need no mention.
        where: filters, as in `["corpus=c4", "C<=1e20"]`, on the table's names or ours.
        k: FLOP per parameter and token; C = k N D completes the third of N, D and C.
        params_counted: "total", "non-embedding", "active" (of a mixture of experts) or
            "unknown".
        loss_unit: the unit of L, for the record.

    Raises:
        ValueError: an impossible or ambiguous value or column; the message names file,
            row, column, value and remedy.
        FileNotFoundError: no such file, or a data set that cannot be fetched.
        TypeError: `source` is not a table.
    """
    if not (isinstance(k, Real) and np.isfinite(k) and k > 0):
        msg = (
            f"FLOP per parameter and token must be a positive finite number, got {k!r}"
        )
        raise ValueError(msg)
    if params_counted is not None and params_counted not in COUNTED:
        msg = f"parameters counted: expected one of {', '.join(COUNTED)}, got {params_counted!r}"
        raise ValueError(msg)
    table, chosen, facts, defaults = open_source(source, columns)
    naming = name_columns(table, chosen)
    _require_read(table, naming.problems)
    named = naming.columns
    conditions = [where] if isinstance(where, str) else list(where)
    conditioned = columns_of(table, conditions, named)
    defaults = [
        f"{name}={value}" for name, value in defaults.items() if name not in conditioned
    ]
    table = keep_rows(table, [*defaults, *conditions], named)
    runs = Observations(
        _columns(table, named),
        table.rows,
        table.source,
        table.sha256,
        PerParamToken(float(k)),
        params_counted or facts.get("params_counted", "unknown"),
        loss_unit or facts.get("loss_unit", "unknown"),
        named=named,
        notes=tuple(p.as_check() for p in naming.problems),
    )
    if defaults:
        note = f"rows with {', '.join(defaults)}, as this data set is usually read; others with --where"
        runs = runs.noting(Check("rows taken", Status.PASS, note))
    if facts:
        runs = _without_gaps(runs)
    data_unit = facts.get("data_unit", "tokens")
    mistakes.refuse(runs, named)
    runs = _complete(_drop_duplicates(runs))
    if data_unit == "tokens" and all(name in runs for name in ("N", "D", "C")):
        mistakes.refuse_flop(runs, named)
        mistakes.refuse_sizes(runs, named)
    return notices.note(_with_budgets(runs), named, data_unit)


def _columns(table: Table, named: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Return columns by our names, then all others, as numbers or as text."""
    values = {}
    problems: list[Problem] = []
    for ours, theirs in named.items():
        if ours in ALIASES and ours not in GROUPS:
            cells = read_numbers(table, ours, theirs)
            values[ours] = cells.values
            problems += cells.problems
        elif ours in GROUPS:
            values[ours] = texts(table, theirs)
        else:
            values[ours] = numbers_or_text(table, theirs)
    _require_read(table, problems)
    decades = values.pop("log10_D_se", None)
    if decades is not None and "se" not in values:
        values["se"] = decades * np.log(10)
    others = {
        name: numbers_or_text(table, name)
        for name in table.columns
        if name not in values and name not in named.values()
    }
    return values | others


def _require_read(table: Table, problems: list[Problem]) -> None:
    stops = [problem for problem in problems if problem.status is Status.FAIL]
    if stops:
        raise TableProblems(table.source, stops)


def _without_gaps(runs: Observations) -> Observations:
    """Leave out rows of a registered data set where its authors give no N, D or C."""
    counts = [runs[name] for name in ("N", "D", "C") if name in runs]
    gaps = np.any([np.isnan(values) for values in counts], axis=0)
    if not np.any(gaps) or np.all(gaps):
        return runs
    note = f"{gaps.sum()} rows without N, D or C left out (rows {_some(runs.rows[gaps].tolist())})"
    return runs.take(~gaps).noting(Check("rows without a size", Status.PASS, note))


def _drop_duplicates(runs: Observations) -> Observations:
    if "successes" in runs and "problem" not in runs:
        return runs  # two problems may well have the same counts
    seen: dict[tuple, int] = {}
    keep = np.ones(len(runs), dtype=bool)
    for i in range(len(runs)):
        key = tuple(str(values[i]) for values in runs.columns.values())
        keep[i] = seen.setdefault(key, i) == i
    if keep.all():
        return runs
    rows = runs.rows[~keep].tolist()
    note = f"{len(rows)} exact duplicates dropped (rows {_some(rows)})"
    return runs.take(keep).noting(Check("duplicates", Status.PASS, note))


def _complete(runs: Observations) -> Observations:
    """Fill the third of N, D and C by the FLOP convention."""
    present = [name for name in ("N", "D", "C") if name in runs]
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


def _with_budgets(runs: Observations) -> Observations:
    """Name isoFLOP budgets where C repeats: at least three profiles of three runs."""
    if "budget" in runs or "C" not in runs or runs.derived.startswith("C"):
        return runs
    log_C = np.log(runs["C"])
    order = np.argsort(log_C, kind="stable")
    group = np.empty(len(runs), dtype=int)
    group[order] = np.cumsum(np.diff(log_C[order], prepend=-np.inf) > SAME_BUDGET)
    budget = np.full(len(runs), np.nan)
    for g in np.unique(group):
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
