"""Checks of losses: rising or constant ones, mixed units, diverged runs."""

import numpy as np

from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status

BITS = 1 / np.log(2)  # bits per nat
UNIFORM = 15.0  # nats per token; a uniform guess over 256k tokens costs 12.5
SHARE = 0.05  # of the runs; from here on odd losses are taken for another unit
LEAST_RUNS = 10  # least runs to which a quadratic surface is fitted


def check_losses(runs: Observations) -> Observations:
    """Note odd losses, by their residuals from a quadratic surface through all runs.

    Raises:
        ValueError: the losses are all the same, or rise with compute.
    """
    L = runs["L"]
    if np.ptp(L) == 0:
        msg = f"{runs.source}, column {runs.header('L')}: every run has the same loss, {L[0]:g}; expected it to fall with compute"
        raise ValueError(msg)
    runs = runs.noting(*_perplexity(runs))
    if "N" not in runs or "D" not in runs:
        return runs
    log_N, log_D, log_L = np.log(runs["N"]), np.log(runs["D"]), np.log(L)
    _refuse_rising(runs, log_N + log_D)
    if len(runs) < LEAST_RUNS:
        return runs
    a, b = log_N - log_N.mean(), log_D - log_D.mean()
    terms = [np.ones_like(a), a, b, a**2, b**2, a * b]
    design = np.stack(terms, axis=1)
    residual = _robust_residuals(design, log_L)
    units = _mixed_units(runs, residual) or _mixed_units(
        runs, _two_level_residuals(design, log_L, residual)
    )
    return runs.noting(*(units or _diverged(runs, residual)))


def _perplexity(runs: Observations) -> list[Check]:
    median = float(np.median(runs["L"]))
    nats = runs.loss_unit == "unknown" or "nats" in runs.loss_unit
    if median < UNIFORM or not nats:
        return []
    detail = (
        f"the median loss is {median:.3g}, more than a uniform guess over any vocabulary "
        "costs in nats per token; if these are perplexities, give their natural logarithms"
    )
    return [Check("loss units", Status.REVIEW, detail)]


def _refuse_rising(runs: Observations, log_C: np.ndarray) -> None:
    n = len(runs)
    if n < 5 or np.ptp(log_C) < 1:
        return
    correlation = float(np.corrcoef(_ranks(log_C), _ranks(runs["L"]))[0, 1])
    if correlation < max(0.5, 2 / np.sqrt(n)):
        return
    kind = "; check the column, and leave out runs that failed"
    if runs["L"].max() <= 1:
        kind = "; values in [0, 1] look like an accuracy: give 1 - accuracy as an error, or use a law for bounded metrics"
    elif runs["L"].max() <= 100 and runs["L"].max() > UNIFORM:
        kind = "; values up to 100 look like an accuracy in percent: give 1 - accuracy / 100 as an error, or use a law for bounded metrics"
    msg = (
        f"{runs.source}, column {runs.header('L')}: the loss rises with compute (rank correlation "
        f"{correlation:.2f}, from {runs['L'][np.argmin(log_C)]:g} at the least compute to "
        f"{runs['L'][np.argmax(log_C)]:g} at the most); expected it to fall{kind}"
    )
    raise ValueError(msg)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks, the mean rank for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _robust_residuals(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return residuals about a least-absolute-deviations surface, by reweighting."""
    weights = np.ones_like(y)
    residual = y
    for _ in range(30):
        root = np.sqrt(weights)[:, None]
        beta, *_ = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)
        residual = y - design @ beta
        weights = 1 / np.maximum(np.abs(residual), 1e-4)
    return residual


def _two_level_residuals(
    design: np.ndarray, y: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """Return residuals about the lower of two parallel surfaces, where half the runs are on each."""
    upper = residual > np.median(residual)
    for _ in range(30):
        extended = np.column_stack([design, upper])
        beta, *_ = np.linalg.lstsq(extended, y, rcond=None)
        residual = y - design @ beta[:-1]
        upper = residual > beta[-1] / 2
    return residual


def _mixed_units(runs: Observations, residual: np.ndarray) -> list[Check]:
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
    rows = ", ".join(str(r) for r in sorted(runs.rows[outliers].tolist())[:6])
    factor = float(np.exp(abs(shift)))
    guess = (
        " (1.44 is bits beside nats: multiply the higher by 0.6931)"
        if abs(factor - BITS) < 0.12
        else ""
    )
    detail = (
        f"{len(outliers)} losses lie {factor:.2f} times {'above' if shift > 0 else 'below'} the others "
        f"at like N and D (rows {rows}{', ...' if len(outliers) > 6 else ''}); are they in another "
        f"unit, bits or per character beside nats per token{guess}? Convert them or leave them out"
    )
    return [Check("loss units", Status.REVIEW, detail)]


def _diverged(runs: Observations, residual: np.ndarray) -> list[Check]:
    spread = 1.4826 * np.median(np.abs(residual))
    diverged = (residual > 10 * spread) & (residual > 0.15)
    if not diverged.any() or diverged.sum() > 0.2 * len(runs):
        return []
    rows = sorted(runs.rows[diverged].tolist())
    detail = (
        f"{len(rows)} run{'s lie' if len(rows) > 1 else ' lies'} far above the others at like N "
        f"and D (rows {', '.join(map(str, rows[:6]))}{', ...' if len(rows) > 6 else ''}): "
        "diverged, or far from their schedule's end? Student-t noise gives them little weight; "
        "leave them out if they failed"
    )
    return [Check("diverged runs", Status.REVIEW, detail)]
