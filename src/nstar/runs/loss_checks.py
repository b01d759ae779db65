"""Checks of losses: rising or constant ones, mixed units, runs above the others."""

import numpy as np

from nstar.runs.column_kinds import Column, as_text, of_kind
from nstar.runs.observations import Observations
from nstar.runs.problems import SHOWN, Problem
from nstar.verdicts import Status

BITS = 1 / np.log(2)  # bits per nat
CLOSE = 0.12  # a factor this near to it is it
UNIFORM = 15.0  # nats per token; a uniform guess over 256k tokens costs 12.5
SHARE = 0.05  # of the runs; from here on odd losses are taken for another unit
MIXED = "loss units"
LEAST_RUNS = 10  # least runs to which a quadratic surface is fitted
RISING_RUNS = 5  # least runs that show a loss to rise, or not to fall at all
FAR = 10.0  # times the scatter about the surface: not of this ladder
ODD = 6.0  # times the scatter: worse tuned than its neighbours ...
ALONE = 2.0  # ... where no other run departs half as far, as about a form that bends


def check_losses(runs: Observations) -> list[Problem]:
    """Find odd losses, by their residuals from a quadratic surface through all runs."""
    if "L" not in runs or len(runs) == 0 or not (runs["L"] > 0).all():
        return []
    flat = _same_everywhere(runs)
    if flat:
        return flat
    problems = _perplexity(runs)
    if "N" not in runs or "D" not in runs:
        return problems
    problems += _rising(runs, np.log(runs["N"]) + np.log(runs["D"]))
    if len(runs) < LEAST_RUNS:
        return problems
    design, log_L = quadratic(runs), np.log(runs["L"])
    residual = robust_residuals(design, log_L)
    units = _mixed_units(runs, residual) or _mixed_units(
        runs, _two_level_residuals(design, log_L, residual)
    )
    return problems + (units or _odd(runs, residual))


def quadratic(runs: Observations) -> np.ndarray:
    """Return the terms of a quadratic in log N and log D, (run, term)."""
    a, b = (np.log(runs[n]) - np.log(runs[n]).mean() for n in ("N", "D"))
    return np.stack([np.ones_like(a), a, b, a**2, b**2, a * b], axis=1)


def robust_residuals(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return residuals about a least-absolute-deviations surface, by reweighting."""
    weights = np.ones_like(y)
    residual = y
    for _ in range(30):
        weighted = design * weights[:, None]
        residual = y - design @ _solve(weighted.T @ design, weighted.T @ y)
        weights = 1 / np.maximum(np.abs(residual), 1e-4)
    return residual


def _solve(square: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve normal equations, which may be of too few different runs."""
    return np.linalg.lstsq(square, right, rcond=None)[0]


def _same_everywhere(runs: Observations) -> list[Problem]:
    L = runs["L"]
    if len(runs) < RISING_RUNS or np.ptp(L) > 0:
        return []
    return [
        Problem(
            "losses",
            Status.FAIL,
            f"every run has the same loss, {L[0]:g}; expected it to fall with compute",
            "check the column, or name another with --columns L=...",
            column=runs.named.get("L", "L"),
            ours="L",
        )
    ]


def _perplexity(runs: Observations) -> list[Problem]:
    median = float(np.median(runs["L"]))
    nats = runs.loss_unit == "unknown" or "nats" in runs.loss_unit
    if median < UNIFORM or not nats:
        return []
    detail = (
        f"the median loss is {median:.3g}, more than a uniform guess over any vocabulary "
        "costs in nats per token; if these are perplexities, give their natural logarithms"
    )
    return [Problem("loss units", Status.REVIEW, detail)]


def _rising(runs: Observations, log_C: np.ndarray) -> list[Problem]:
    n, L = len(runs), runs["L"]
    if n < RISING_RUNS or np.ptp(log_C) < 1:
        return []
    correlation = float(np.corrcoef(_ranks(log_C), _ranks(L))[0, 1])
    if correlation < max(0.5, 2 / np.sqrt(n)):
        return []
    remedy = "check the column, and leave out runs that failed"
    if L.max() <= 1:
        remedy = "values in [0, 1] look like an accuracy: give 1 - accuracy as an error, or use a law for bounded metrics"
    elif UNIFORM < L.max() <= 100:
        remedy = "values up to 100 look like an accuracy in percent: give 1 - accuracy / 100 as an error, or use a law for bounded metrics"
    detail = (
        f"the loss rises with compute (rank correlation {correlation:.2f}, from "
        f"{L[np.argmin(log_C)]:g} at the least compute to {L[np.argmax(log_C)]:g} at the "
        "most); expected it to fall"
    )
    column = runs.named.get("L", "L")
    return [Problem("losses", Status.FAIL, detail, remedy, column=column, ours="L")]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks, the mean rank for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _two_level_residuals(
    design: np.ndarray, y: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """Return residuals about the lower of two parallel surfaces, where half the runs are on each."""
    upper = residual > np.median(residual)
    for _ in range(30):
        extended = np.column_stack([design, upper])
        beta = _solve(extended.T @ extended, extended.T @ y)
        residual = y - design @ beta[:-1]
        upper = residual > beta[-1] / 2
    return residual


def _mixed_units(runs: Observations, residual: np.ndarray) -> list[Problem]:
    order = np.argsort(residual)
    gaps = np.diff(residual[order])
    gap_index = int(np.argmax(gaps))
    outliers = (
        order[gap_index + 1 :]
        if gap_index >= len(order) // 2
        else order[: gap_index + 1]
    )
    rest = np.setdiff1d(order, outliers)
    shift = np.median(residual[outliers]) - np.median(residual[rest])
    tight = np.median(np.abs(residual[outliers] - np.median(residual[outliers]))) < 0.1
    enough = len(outliers) >= max(3, SHARE * len(runs))
    if not enough or gaps[gap_index] < 0.2 or not tight:
        return []
    factor = float(np.exp(abs(shift)))
    if shift > 0 and abs(factor - BITS) > CLOSE and len(outliers) < len(runs) / 3:
        return []  # they diverged, or were tuned worse
    rows = ", ".join(str(r) for r in sorted(runs.rows[outliers].tolist())[:6])
    guess = (
        " (1.44 is bits beside nats: multiply the higher by 0.6931)"
        if abs(factor - BITS) < CLOSE
        else ""
    )
    detail = (
        f"{len(outliers)} losses lie {factor:.2f} times {'above' if shift > 0 else 'below'} the others "
        f"at like N and D (rows {rows}{', ...' if len(outliers) > 6 else ''}); are they in another "
        f"unit, bits or per character beside nats per token{guess}? Convert them or leave them out"
    )
    column = runs.named.get("L", "L")
    return [Problem(MIXED, Status.REVIEW, detail, column=column, ours="L")]


def _odd(runs: Observations, residual: np.ndarray) -> list[Problem]:
    """Name the runs far above or below the others, and those a little above."""
    spread = 1.4826 * np.median(np.abs(residual))
    far = (residual > FAR * spread) & (residual > 0.15)
    odd = (residual > ODD * spread) & (residual > 0.02) & ~far
    odd &= residual > ALONE * np.abs(residual[~odd & ~far]).max(initial=0.0)
    below = (residual < -FAR * spread) & (residual < -0.15)
    problems = []
    if below.any() and below.sum() <= 0.2 * len(runs):
        detail = "the loss lies far below what the others have at like N and D: in another unit, or mistyped?"
        remedy = "correct the cell, or leave the run out"
        problems.append(_named(runs, below, "low losses", detail, remedy))
    if far.any() and far.sum() <= 0.2 * len(runs):
        n = int(far.sum())
        detail = (
            f"{n} run{'s lie' if n > 1 else ' lies'} far above the others at like N and D: "
            "diverged, or far from the schedule's end? Student-t noise gives such runs "
            "little weight"
        )
        problems.append(
            _named(runs, far, "diverged runs", detail, "leave them out if they failed")
        )
    if not far.any() and odd.any() and odd.sum() <= 0.1 * len(runs):
        above = ", ".join(f"{100 * np.expm1(r):.1f} %" for r in residual[odd][:SHOWN])
        detail = (
            f"the loss lies {above} above what the other runs have at like N and D: tuned "
            f"worse than they, or stopped early?{_settings(runs, odd)}"
        )
        problems.append(
            _named(
                runs,
                odd,
                "under-tuned runs",
                detail,
                "look at learning rate, batch and schedule, and leave the run out if they were others",
            )
        )
    return problems


def _settings(runs: Observations, odd: np.ndarray) -> str:
    """Say which settings of odd runs no other run has."""
    statement = []
    for name, values in of_kind(runs, Column.SETTING).items():
        text = as_text(values)
        intercepts = sorted({*text[odd]} - {*text[~odd]})
        if intercepts and len({*text}) <= max(3, len(runs) // 3):
            others = ", ".join(sorted({*text[~odd]})[:3])
            statement.append(
                f"{name} is {', '.join(intercepts)} there and {others} elsewhere"
            )
    return f" {'; '.join(statement)}" if statement else ""


def _named(
    runs: Observations, at: np.ndarray, name: str, detail: str, remedy: str
) -> Problem:
    """Name the rows and losses of a problem for review."""
    return Problem(
        name,
        Status.REVIEW,
        detail,
        remedy,
        column=runs.named.get("L", "L"),
        ours="L",
        rows=tuple(runs.rows[at].tolist()),
        values=tuple(f"{v:g}" for v in runs["L"][at]),
    )
