"""What a fit estimates: exponents, N*, D*, L* of budgets, losses of runs; from draws to columns.

A table names them by `Quantity.columns`; of N* and D*, mean and sd are of the natural log.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nstar.fits.batches import OF_BUDGET
from nstar.intervals import Interval
from nstar.wording import count, counts, digits, flop, numbers

COUNTS = {"log_N": "N", "log_D": "D", "log_A1": "A1", "log_A2": "A2"}  # by their logs
BUDGET = re.compile(r"^([NDL]|metric|multiplier)\[([^\]=]+)\]_median$")
EDGE = re.compile(r"^on_edge\[([^\]]+)\]$")
RUN = re.compile(r"^loss\[N=([^,]+), D=([^\]]+)\]_median$")
LOGS = "N", "D", "multiplier"  # whose mean and sd are of the natural log
TITLES = {
    "alpha1": "α₁, exponent of N* in C",
    "alpha2": "α₂, exponent of D* in C",
    "N": "N* of {} FLOP, parameters",
    "D": "D* of {} FLOP, tokens",
    "L": "L* of {} FLOP, loss",
    "metric": "error at {} FLOP",
    "multiplier": "multiplier at {} FLOP: compute the baseline needs, over that of the recipe",
}


class Quantity(NamedTuple):
    """A number that each fit estimates."""

    key: str  # of its columns: alpha1, N[1e+24]
    title: str
    log: bool  # a count: its mean and sd are of its natural log

    @property
    def columns(self) -> list[str]:
        """Names of a table's columns, in the order of `Estimate`."""
        log_key = f"log_{self.key}" if self.log else self.key
        ends = [f"{self.key}_{n}" for n in ("lo", "median", "hi")]
        return [*ends, f"{log_key}_mean", f"{log_key}_sd"]

    def scaled(self, value: float | None) -> float | None:
        """Put a number on the scale of its sd; None where it has none there."""
        if value is None or (self.log and value <= 0):
            return None
        return math.log(value) if self.log else value


class Estimate(NamedTuple):
    """A posterior's interval, and its mean and sd on the scale of the quantity."""

    lo: float | None = None
    median: float | None = None
    hi: float | None = None
    mean: float | None = None
    sd: float | None = None


def quantities(columns: Iterable[str]) -> list[Quantity]:
    """Find what a table with these columns holds: exponents, then by budget, then by run."""
    columns = list(columns)
    exponents = [n for n in ("alpha1", "alpha2") if f"{n}_median" in columns]
    budgets = {(m[1], m[2]) for n in columns if (m := BUDGET.match(n))}
    runs = [(m[1], m[2]) for n in columns if (m := RUN.match(n))]
    return [
        *(Quantity(n, TITLES[n], log=False) for n in exponents),
        *(
            Quantity(f"{n}[{C}]", TITLES[n].format(flop(float(C))), n in LOGS)
            for C in sorted({C for _, C in budgets}, key=float)
            for n in ("N", "D", "L", "metric", "multiplier")
            if (n, C) in budgets
        ),
        *(
            Quantity(
                f"loss[N={N}, D={D}]",
                f"loss of {count(float(N))} parameters on {count(float(D))} tokens",
                log=False,
            )
            for N, D in sorted(runs, key=lambda run: tuple(map(float, run)))
        ),
    ]


def budgets_of(quantities: Iterable[Mapping[str, str]]) -> list[float]:
    """Compute that quantities are about, FLOP: of budgets, and 6 N D of runs."""
    keys = [f"{q['key']}_median" for q in quantities]
    runs = [6 * float(m[1]) * float(m[2]) for k in keys if (m := RUN.match(k))]
    return [float(m[2]) for k in keys if (m := BUDGET.match(k))] + runs


def coefficients(
    values: Mapping[str, np.ndarray], ends: Sequence[float]
) -> dict[str, np.ndarray]:
    """Add N* = A1 C^alpha1 and D* = A2 C^alpha2 between the ends of a ladder's compute.

    Args:
        values: by name, (fit, draw, ...); answers of budgets begin with the two ends.
        ends: least and most FLOP of the runs; none where there is no compute.

    Returns:
        The same without the ends; alpha1, alpha2, log A1 and log A2 of each draw.
    """
    if not ends:
        return dict(values)
    powers: dict[str, np.ndarray] = {}
    low, high = np.log(ends)
    for i, name in ((1, "log_N"), (2, "log_D")):
        if name in values and high > low:
            line = values[name]
            slope = (line[..., 1] - line[..., 0]) / (high - low)
            powers |= {f"alpha{i}": slope, f"log_A{i}": line[..., 0] - slope * low}
    answers = {n: values[n][..., 2:] for n in OF_BUDGET if n in values}
    return dict(values) | powers | answers


def summarise(
    values: Mapping[str, np.ndarray],
    budgets: Sequence[float],
    runs: Sequence[tuple[float, float]],
    prob: float,
) -> dict[str, float]:
    """Sum one fit's draws up: columns of its row.

    Args:
        values: by name, (draw,), (draw, budget) or, of `loss`, (draw, run).
        budgets: FLOP.
        runs: N and D.
        prob: of the equal-tailed intervals.
    """
    row: dict[str, float] = {}
    for name, draws in values.items():
        labels = [""]
        if draws.ndim > 1:
            of_runs = [f"[N={N:g}, D={D:g}]" for N, D in runs]
            labels = of_runs if name == "loss" else [f"[{C:g}]" for C in budgets]
        for label, each in zip(labels, np.atleast_2d(draws.T), strict=True):
            row |= _columns(name, label, each, prob)
    return row


def _columns(
    name: str, label: str, draws: np.ndarray, prob: float
) -> Iterator[tuple[str, float]]:
    """Interval, mean and sd of draws, (draw,); of a count, the interval is not of its log."""
    ends = np.quantile(draws, ((1 - prob) / 2, 0.5, (1 + prob) / 2))
    if count := COUNTS.get(name):
        ends = np.exp(ends)
    for end, value in zip(("lo", "median", "hi"), ends, strict=True):
        yield f"{count or name}{label}_{end}", float(value)
    yield f"{name}{label}_mean", float(draws.mean())
    yield f"{name}{label}_sd", float(draws.std(ddof=1))


def interval(row: Mapping[str, float | None], *, log: bool) -> str:
    """Write a row's median and interval."""
    median, low, high = row["median"], row["lo"], row["hi"]
    if median is None:
        return "–"
    if low is None or high is None:  # a multiplier may be unbounded
        return f"{number(median)} [{number(low)}, {number(high)}]"
    ends = Interval(lower=low, median=median, upper=high)
    return counts(ends) if log else numbers(ends, 4)


def number(value: float | None, n: int = 3, *, log: bool = False) -> str:
    """Write a number, a count where it is one, or a dash where there is none."""
    if value is None:
        return "–"
    return count(value) if log else digits(value, n)
