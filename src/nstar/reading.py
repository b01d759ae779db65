"""From a table to observations: read, named, completed and checked once at the door."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nstar import datasets, mistakes, tables
from nstar.columns import GROUPS, LOG10_SE, name_columns, numbers, where
from nstar.costs import FLOP_PER_PARAM_TOKEN, PerParamToken
from nstar.observations import Observations
from nstar.tables import Table
from nstar.verdicts import Check, Status


def read_runs(
    source: Any,
    columns: Mapping[str, str] | None = None,
    where_: Sequence[str] = (),
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
        where_: filters, as in `["corpus=c4", "C<=1e20"]`, on the table's own names.
        k: FLOP per parameter and token; C = k N D completes the third of N, D and C.
        params_counted: "total", "non-embedding" or "unknown".
        loss_unit: the unit of L, for the record.

    Raises:
        ValueError: anything a careful reader would stop at, naming file, row, column,
            value and remedy.
        FileNotFoundError: no such file.
    """
    table, chosen, facts, usual = _open(source, columns)
    if not (np.isfinite(k) and k > 0):
        msg = f"FLOP per parameter and token must be positive and finite, got {k}"
        raise ValueError(msg)
    said = " ".join(where_)
    usual = [f"{name}={value}" for name, value in usual.items() if name not in said]
    table = where(table, [*usual, *where_])
    named = name_columns(table, chosen)
    values = {
        ours: numbers(table, ours, theirs)
        for ours, theirs in named.items()
        if ours not in GROUPS
    }
    if LOG10_SE in table.columns and "se" not in values:
        values["se"] = numbers(table, "se", LOG10_SE) * np.log(10)
    groups = {g: table.columns[named[g]].astype(str) for g in GROUPS if g in named}
    others = _other_numbers(table, set(named.values()) | {LOG10_SE})
    runs = Observations(
        values | groups | others,
        table.rows,
        table.source,
        table.sha256,
        PerParamToken(k),
        params_counted or facts.get("params_counted", "unknown"),
        loss_unit or facts.get("loss_unit", "unknown"),
    )
    if usual:
        note = f"rows with {', '.join(usual)}, as this data set is usually read; others with --where"
        runs = runs.noting(Check("rows taken", Status.PASS, note))
    mistakes.stop(runs, named)
    return _with_budgets(_complete(_drop_duplicates(runs), named))


def _open(
    source: Any, columns: Mapping[str, str] | None
) -> tuple[Table, dict[str, str], dict[str, str], Mapping[str, str]]:
    """Return the table, its column map, and what the registry knows of it."""
    if not isinstance(source, str | Path):
        return tables.from_columns(source), dict(columns or {}), {}, {}
    if Path(source).exists() or str(source) not in datasets.names():
        if not Path(source).exists() and not Path(source).suffix:
            near = difflib.get_close_matches(
                str(source), datasets.names(), n=3, cutoff=0.3
            )
            msg = f"{source}: neither a file nor a data set; did you mean {near or datasets.names()}?"
            raise ValueError(msg)
        return tables.read(Path(source)), dict(columns or {}), {}, {}
    entry = datasets.get(str(source))
    located = datasets.locate(entry)
    table = tables.read(located.path, entry.name)
    known = {
        ours: theirs
        for ours, theirs in located.columns.items()
        if theirs in table.columns
    }
    facts = {"params_counted": entry.params_counted, "loss_unit": entry.loss_unit}
    return table, known | dict(columns or {}), facts, located.where


def _other_numbers(table: Table, taken: set[str]) -> dict[str, np.ndarray]:
    """Columns we have no name for, kept where every cell is a number or text."""
    others = {}
    for name in table.columns:
        if name in taken:
            continue
        try:
            others[name] = numbers(table, name, name)
        except ValueError:
            others[name] = table.columns[name].astype(str)
    return others


def _drop_duplicates(runs: Observations) -> Observations:
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


def _complete(runs: Observations, named: Mapping[str, str]) -> Observations:
    """Fill the third of N, D and C by the FLOP convention, or hold it against it."""
    have = [name for name in ("N", "D", "C") if name in runs]
    if len(have) == 2:
        cost = runs.cost
        missing = ({"N", "D", "C"} - set(have)).pop()
        value = {
            "N": lambda: cost.params(runs["D"], runs["C"]),
            "D": lambda: cost.tokens(runs["N"], runs["C"]),
            "C": lambda: cost.flop(runs["N"], runs["D"]),
        }[missing]()
        columns = runs.columns | {missing: value}
        derived = f"{missing} follows from {have[0]} and {have[1]} by {cost}"
        return replace(runs, columns=columns, derived=derived)
    return mistakes.notice(runs, named) if len(have) == 3 else runs


def _with_budgets(runs: Observations) -> Observations:
    """Name isoFLOP budgets where C repeats: at least three values of three runs or more."""
    if "budget" in runs or "C" not in runs or runs.derived.startswith("C"):
        return mistakes.notice_groups(runs)
    budgets, inverse, counts = np.unique(
        np.round(np.log(runs["C"]), 2), return_inverse=True, return_counts=True
    )
    if (counts >= 3).sum() >= 3 and counts[counts >= 3].sum() >= 0.8 * len(runs):
        nominal = np.array(
            [np.median(runs["C"][inverse == b]) for b in range(len(budgets))]
        )
        budget = np.where(counts[inverse] >= 3, nominal[inverse], np.nan)
        runs = replace(runs, columns=runs.columns | {"budget": budget})
    return mistakes.notice_groups(runs)


def _some(rows: list[int], most: int = 6) -> str:
    shown = ", ".join(str(row) for row in rows[:most])
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")
