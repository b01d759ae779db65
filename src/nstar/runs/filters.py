"""Filters on rows, as in `corpus=c4`, `C<=1e20` or `least error by C`."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nstar.amounts import ANY, read_amount
from nstar.files.tables import Table
from nstar.runs.alike import number_alike
from nstar.runs.columns import numbers, numbers_or_text, read_numbers, suggest
from nstar.runs.headers import QUANTITIES

CONDITION = re.compile(r"^\s*([^=!<>]+?)\s*(==|=|!=|<=|>=|<|>)\s*(.*?)\s*$", re.DOTALL)
BEST = re.compile(r"^\s*(least|most)\s+(\S+)\s+by\s+(\S+)\s*$")
PER = re.compile(r"^\s*(least|most)\s+(.+?)\s+per\s+(.+?)\s*$")
COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def keep_rows(
    table: Table,
    conditions: Sequence[str],
    named: Mapping[str, str] | None = None,
    *,
    decimal: str = "",
    units: Mapping[str, float] | None = None,
) -> Table:
    """Keep the rows for which every condition, as in `col=value` or `N<=1B`, holds.

    `least error by C` keeps the best runs: those that none with as little C beats;
    `most accuracy by C` likewise.  `least L per N,D` keeps the best of each N and D, and
    `most D per run` the last row of each run.  Conditions hold one after the other.

    Args:
        table: whose rows they are.
        conditions: on the table's names, whose cells are taken as they are written, or
            on ours, whose cells are counts.
        named: our names to the table's.
        decimal: the decimal sign where it is stated, "comma" or "point".
        units: factors of columns by our names.

    Raises:
        ValueError: a condition cannot be read, names no column, or leaves no row.
    """
    read = _Reader(named or {}, decimal, units or {})
    for condition in conditions:
        if best := BEST.match(condition):
            table = table.take(_best(table, *best.groups(), condition, read))
            continue
        if choice := PER.match(condition):
            table = table.take(_best_of_each(table, *choice.groups(), condition, read))
            continue
        name, sign, value = _parts(condition)
        keep = _holds(table, name, sign, value, condition, read)
        if not keep.any():
            column = _column(table, name, condition, read.named)
            values = list(dict.fromkeys(str(c) for c in table.columns[column]))
            ellipsis = ", ..." if len(values) > 8 else ""
            msg = (
                f"filter {condition!r} leaves no row of {table.source}; values seen in "
                f"{column!r}: {', '.join(map(repr, values[:8]))}{ellipsis}"
            )
            raise ValueError(msg)
        table = table.take(keep)
    return table


def require_filter(condition: str) -> None:
    """Refuse a condition that cannot be read, before there is a table.

    Raises:
        ValueError: it is none of the forms.
    """
    forms = (BEST, PER, CONDITION)
    if not any(form.match(condition) for form in forms):
        raise _unread(condition)


def columns_of(
    table: Table, conditions: Sequence[str], named: Mapping[str, str]
) -> set[str]:
    """Name the table's columns that conditions are on."""
    comparisons = [c for c in conditions if not (BEST.match(c) or PER.match(c))]
    return {_column(table, _parts(c)[0], c, named) for c in comparisons}


class _Reader(NamedTuple):
    """How cells are read."""

    named: Mapping[str, str]
    decimal: str
    units: Mapping[str, float]

    def numbers(self, table: Table, name: str, condition: str) -> np.ndarray:
        """Read a column by the table's name of it, or by ours."""
        column = _column(table, name, condition, self.named)
        unit = None if name in table.columns else self.units.get(name)
        return numbers(table, name, column, self.decimal, unit)


def _best(
    table: Table, kind: str, value: str, by: str, condition: str, read: _Reader
) -> np.ndarray:
    """Mark the rows that no row with as little of `by` beats."""
    sign = 1.0 if kind == "least" else -1.0
    y, x = (read.numbers(table, name, condition) for name in (value, by))
    finite = np.isfinite(x) & np.isfinite(y)
    order = np.lexsort((sign * y, np.where(finite, x, np.inf)))
    running_best = np.minimum.accumulate(np.where(finite, sign * y, np.inf)[order])
    keep = np.zeros(len(x), dtype=bool)
    keep[order] = finite[order] & (
        (sign * y)[order] < np.concatenate([[np.inf], running_best[:-1]])
    )
    return keep


def _best_of_each(
    table: Table, kind: str, value: str, groups: str, condition: str, read: _Reader
) -> np.ndarray:
    """Mark the best row of each group of rows that are alike; one without a name is its own."""
    y = (1.0 if kind == "least" else -1.0) * read.numbers(table, value, condition)
    names = [
        _column(table, n.strip(), condition, read.named) for n in groups.split(",")
    ]
    cells = [numbers_or_text(table, name, read.decimal) for name in names]
    unnamed = np.any([c == "" for c in cells if c.dtype.kind == "U"], axis=0)
    group = np.where(unnamed, -1 - np.arange(len(y)), number_alike(cells))
    order = np.lexsort((np.where(np.isfinite(y), y, np.inf), group))
    first = order[np.unique(group[order], return_index=True)[1]]
    keep = np.zeros(len(y), dtype=bool)
    keep[first] = np.isfinite(y[first])
    return keep


def _parts(condition: str) -> tuple[str, str, str]:
    match = CONDITION.match(condition)
    if match is None:
        raise _unread(condition)
    name, sign, value = match.groups()
    return name, sign, value


def _unread(condition: str) -> ValueError:
    return ValueError(
        f"filter {condition!r}: expected col=value, col!=value, col<x, col<=x, col>x or col>=x, least col by col, or least col per col"
    )


def _column(table: Table, name: str, condition: str, named: Mapping[str, str]) -> str:
    column = name if name in table.columns else named.get(name)
    if column is None:
        known = [*table.columns, *(n for n in named if n not in table.columns)]
        msg = f"filter {condition!r}: {table.source} has no column {name!r}; {suggest(name, known)}"
        raise ValueError(msg)
    return column


def _holds(
    table: Table, name: str, sign: str, value: str, condition: str, read: _Reader
) -> np.ndarray:
    bound = read_amount(value, QUANTITIES.get(name, ANY), read.decimal)
    column = _column(table, name, condition, read.named)
    if sign in {"=", "==", "!="}:
        equal = np.array([str(c) == value for c in table.columns[column]])
        if not bound.problem:
            equal |= _equal(table, name, column, bound.value, read)
        return ~equal if sign == "!=" else equal
    if bound.problem:
        msg = f"filter {condition!r}: expected a number after {sign}, got {value!r}"
        raise ValueError(msg)
    try:
        cells = read.numbers(table, name, condition)
    except ValueError as error:
        msg = f"filter {condition!r}: {sign} compares numbers, but {error}"
        raise ValueError(msg) from None
    return COMPARE[sign](cells, bound.value)


def _equal(
    table: Table, name: str, column: str, value: float, read: _Reader
) -> np.ndarray:
    """Mark the cells that are this number; one that is none is not equal to it."""
    unit = None if name in table.columns else read.units.get(name)
    return read_numbers(table, name, column, read.decimal, unit).values == value
