"""Filters on rows, as in `corpus=c4`, `C<=1e20` or `least error by C`."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from nstar.files.tables import Table
from nstar.runs.columns import numbers, suggest

CONDITION = re.compile(r"^\s*([^=!<>]+?)\s*(==|=|!=|<=|>=|<|>)\s*(.*?)\s*$", re.DOTALL)
BEST = re.compile(r"^\s*(least|most)\s+(\S+)\s+by\s+(\S+)\s*$")
COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def keep_rows(
    table: Table, conditions: Sequence[str], named: Mapping[str, str] | None = None
) -> Table:
    """Keep the rows for which every condition, as in `col=value` or `col<=1e20`, holds.

    `least error by C` keeps the best runs: those that none with as little C beats;
    `most accuracy by C` likewise.  Conditions hold one after the other.

    Raises:
        ValueError: a condition cannot be read, names no column, or leaves no row.
    """
    for condition in conditions:
        if best := BEST.match(condition):
            table = table.take(_best(table, *best.groups(), condition, named or {}))
            continue
        column, sign, value = _parts(table, condition, named or {})
        keep = _holds(table, column, sign, value, condition)
        if not keep.any():
            values = list(dict.fromkeys(str(c) for c in table.columns[column]))
            ellipsis = ", ..." if len(values) > 8 else ""
            msg = (
                f"filter {condition!r} leaves no row of {table.source}; values seen in "
                f"{column!r}: {', '.join(map(repr, values[:8]))}{ellipsis}"
            )
            raise ValueError(msg)
        table = table.take(keep)
    return table


def columns_of(
    table: Table, conditions: Sequence[str], named: Mapping[str, str]
) -> set[str]:
    """Name the table's columns that conditions are on."""
    comparisons = [c for c in conditions if not BEST.match(c)]
    return {_parts(table, condition, named)[0] for condition in comparisons}


def _best(
    table: Table,
    kind: str,
    value: str,
    by: str,
    condition: str,
    named: Mapping[str, str],
) -> np.ndarray:
    """Mark the rows that no row with as little of `by` beats."""
    sign = 1.0 if kind == "least" else -1.0
    y, x = (numbers(table, _column(table, n, condition, named), n) for n in (value, by))
    finite = np.isfinite(x) & np.isfinite(y)
    order = np.lexsort((sign * y, np.where(finite, x, np.inf)))
    running_best = np.minimum.accumulate(np.where(finite, sign * y, np.inf)[order])
    keep = np.zeros(len(x), dtype=bool)
    keep[order] = finite[order] & (
        (sign * y)[order] < np.concatenate([[np.inf], running_best[:-1]])
    )
    return keep


def _parts(
    table: Table, condition: str, named: Mapping[str, str]
) -> tuple[str, str, str]:
    match = CONDITION.match(condition)
    if match is None:
        msg = f"filter {condition!r}: expected col=value, col!=value, col<x, col<=x, col>x or col>=x, or least col by col"
        raise ValueError(msg)
    name, sign, value = match.groups()
    return _column(table, name, condition, named), sign, value


def _column(table: Table, name: str, condition: str, named: Mapping[str, str]) -> str:
    column = name if name in table.columns else named.get(name)
    if column is None:
        known = [*table.columns, *(n for n in named if n not in table.columns)]
        msg = f"filter {condition!r}: {table.source} has no column {name!r}; {suggest(name, known)}"
        raise ValueError(msg)
    return column


def _holds(
    table: Table, column: str, sign: str, value: str, condition: str
) -> np.ndarray:
    bound = _number(value)
    if sign in {"=", "==", "!="}:
        equal = np.array([str(c) == value for c in table.columns[column]])
        if bound is not None:
            equal |= np.array([_number(c) == bound for c in table.columns[column]])
        return ~equal if sign == "!=" else equal
    if bound is None:
        msg = f"filter {condition!r}: expected a number after {sign}, got {value!r}"
        raise ValueError(msg)
    try:
        cells = numbers(table, column, column)
    except ValueError as error:
        msg = f"filter {condition!r}: {sign} compares numbers, but {error}"
        raise ValueError(msg) from None
    return COMPARE[sign](cells, bound)


def _number(cell: object) -> float | None:
    try:
        return float(str(cell))
    except ValueError:
        return None
