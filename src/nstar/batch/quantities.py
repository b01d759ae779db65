"""What a batch's table tells of each fit: exponents, N*, D*, L* of budgets, losses of runs."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from nstar.wording import count, counts, digits, flop, numbers

CHOICE = ("law", "noise", "discrepancy", "priors", "seed")
HEAD = (
    "fit",
    "name",
    "ladder",
    *CHOICE,
    "resample",
    "sample",
    "runs",
    "C_min",
    "C_max",
    "loss_unit",
    "method",
    "k_hat",
    "ess",
    "r_hat",
    "divergences",
    "passed",
    "reason",
    "held_out_runs",
    "held_out_coverage_90",
    "held_out_crps",
    "held_out_rmse",
    "held_out_bias",
    "held_out_by_chance",
)
WHOLE, POOLED, HELD_OUT = "none", "pooled", "hold out"
BUDGET = re.compile(r"^([NDL]|metric)\[([^\]=]+)\]_median$")
EDGE = re.compile(r"^on_edge\[([^\]]+)\]$")
RUN = re.compile(r"^loss\[N=([^,]+), D=([^\]]+)\]_median$")
TITLES = {
    "alpha1": "α₁, exponent of N* in C",
    "alpha2": "α₂, exponent of D* in C",
    "N": "N* of {} FLOP, parameters",
    "D": "D* of {} FLOP, tokens",
    "L": "L* of {} FLOP, loss",
    "metric": "error at {} FLOP",
}


class Quantity(NamedTuple):
    """A number that each fit gives."""

    key: str  # of its columns: alpha1, N[1e+24]
    title: str
    log: bool  # a count: its mean and sd are of its natural log


class Told(NamedTuple):
    """A posterior's interval, and its mean and sd on the scale of the quantity."""

    lo: float | None
    median: float | None
    hi: float | None
    mean: float | None
    sd: float | None


def quantities(names: Iterable[str]) -> list[Quantity]:
    """Find what a table with these columns tells: exponents, then by budget, then by run.

    Args:
        names: of the table's columns.
    """
    names = list(names)
    found = [
        Quantity(n, TITLES[n], False)
        for n in ("alpha1", "alpha2")
        if f"{n}_median" in names
    ]
    at = [(m[1], m[2]) for n in names if (m := BUDGET.match(n))]
    for C in sorted({C for _, C in at}, key=float):
        kinds = [k for k in ("N", "D", "L", "metric") if (k, C) in at]
        found += [
            Quantity(f"{k}[{C}]", TITLES[k].format(flop(float(C))), k in ("N", "D"))
            for k in kinds
        ]
    runs = [(m[1], m[2]) for n in names if (m := RUN.match(n))]
    for N, D in sorted(runs, key=lambda r: (float(r[0]), float(r[1]))):
        words = f"loss of {count(float(N))} parameters on {count(float(D))} tokens"
        found.append(Quantity(f"loss[N={N}, D={D}]", words, False))
    return found


def records(table: pa.Table, found: Iterable[Quantity]) -> list[dict[str, Any]]:
    """Read a table's rows: what each fit is of, how it went, and what it told.

    Args:
        table: of a batch.
        found: what is read of it; None where a fit, or the table, has it not.

    Returns:
        A record a fit: its columns by name, under `told` a `Told` by key, under `edges`
        the part of its draws whose optimum ends the search, by budget.
    """
    n = table.num_rows

    def column(name: str) -> list[Any]:
        return table[name].to_pylist() if name in table.column_names else [None] * n

    heads = zip(*(column(name) for name in HEAD), strict=True)
    rows: list[dict[str, Any]] = [
        dict(zip(HEAD, values, strict=True)) | {"told": {}, "edges": {}}
        for values in heads
    ]
    for C, name in [(m[1], m[0]) for n in table.column_names if (m := EDGE.match(n))]:
        for row, share in zip(rows, column(name), strict=True):
            row["edges"] |= {} if share is None else {C: share}
    for q in found:
        own = f"log_{q.key}" if q.log else q.key
        parts = [
            f"{q.key}_lo",
            f"{q.key}_median",
            f"{q.key}_hi",
            f"{own}_mean",
            f"{own}_sd",
        ]
        for row, values in zip(
            rows, zip(*map(column, parts), strict=True), strict=True
        ):
            if row["passed"] and values[1] is not None:
                row["told"][q.key] = Told(*values)
    return rows


def key_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Tell apart ladders and choices, not resamples."""
    return row["ladder"], *(row[n] for n in CHOICE)


def choice_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say which ladder and choice a row is of."""
    return {n: row[n] for n in ("ladder", *CHOICE)}


def words(row: Mapping[str, Any], varying: Iterable[str] = CHOICE) -> str:
    """Name a choice by what varies in the batch.

    Args:
        row: anything with the keys of a choice.
        varying: keys to name; discrepancy, priors and seed only where they are not the usual.
    """
    varying = set(varying)
    usual = {"discrepancy": "none", "priors": "weak", "seed": 0}
    said = [_part(n, row[n]) for n in CHOICE if n in varying and row[n] != usual.get(n)]
    return " · ".join([*said, *(["pooled"] if row.get("pooled") else [])])


def _part(name: str, value: Any) -> str:
    if name == "seed":
        return f"seed {value}"
    if name == "priors":
        return f"{value} priors"
    return str(value).replace("_", "-")


def varying(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Find the parts of a choice that are not the same throughout."""
    rows = list(rows)
    return [n for n in CHOICE if len({row[n] for row in rows}) > 1]


def scaled(value: float | None, q: Quantity) -> float | None:
    """Put a number on the scale of its sd; None where it has none there."""
    if value is None or (q.log and value <= 0):
        return None
    return math.log(value) if q.log else value


def interval(row: Mapping[str, Any], *, log: bool) -> str:
    """Write a row's median and interval."""
    one = {"median": row["median"], "lower": row["lo"], "upper": row["hi"]}
    if None in one.values():
        return "–"
    return counts(one) if log else numbers(one, 4)


def number(value: float | None, n: int = 3, *, log: bool = False) -> str:
    """Write a number, a count where it is one, or a dash where there is none."""
    if value is None:
        return "–"
    return count(value) if log else digits(value, n)
