"""Measured optima: the minimum of each isoFLOP profile, by least squares.

This is Approach 2 of Hoffmann et al. (2022) and of Llama 3 (arXiv:2407.21783, 3.2.1):
a parabola in log D for each budget.  It is what the allocation law takes as data, and
`line` is the plain point fit that the published coefficients come from.
"""

from typing import NamedTuple

import numpy as np

from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status


class Line(NamedTuple):
    """A power law A C^alpha by ordinary least squares on logs."""

    A: float
    alpha: float


class Minimum(NamedTuple):
    """The minimum of one profile."""

    log_D: float
    L: float
    unit_se: float  # standard error of log_D when losses scatter with unit sd
    squares: float  # sum of squared residuals
    free: int  # runs beyond the parabola's three coefficients


def measured_optima(runs: Observations, at_least: int = 3) -> Observations:
    """Fit a parabola of loss in log D to each budget and keep its minimum.

    Returns:
        One run a budget: C, D, N, L at the minimum and `se`, the standard error of
        log D* from the scatter inside budgets, pooled over them (not between them).

    Raises:
        ValueError: the runs have no budgets, or fewer than `at_least` have a minimum.
    """
    if "budget" not in runs or "L" not in runs or "D" not in runs:
        msg = f"{runs.source}: measured optima need columns budget, D and L"
        raise ValueError(msg)
    budget_minima: list[tuple[float, Minimum]] = []
    missing: list[str] = []
    for budget in np.unique(runs["budget"][~np.isnan(runs["budget"])]):
        rows = runs["budget"] == budget
        minimum = _parabola(np.log(runs["D"][rows]), runs["L"][rows])
        if minimum is None:
            missing.append(f"{budget:.3g}")
        else:
            budget_minima.append((float(budget), minimum))
    if len(budget_minima) < at_least:
        msg = f"{runs.source}: {len(budget_minima)} budgets show a minimum inside their runs; expected at least {at_least}"
        raise ValueError(msg)
    C = np.array([budget for budget, _ in budget_minima])
    log_D, L, unit, squares, free = np.array(
        [minimum for _, minimum in budget_minima]
    ).T
    with np.errstate(
        invalid="ignore"
    ):  # three runs a budget leave no residual: unknown
        se = unit * np.sqrt(squares.sum() / np.float64(free.sum()))
    D = np.exp(log_D)
    columns = {
        "C": C,
        "D": D,
        "N": runs.cost.params(D, C),
        "L": L,
        "se": se,
        "budget": C,
    }
    notes = runs.notes
    if missing:
        detail = f"no minimum inside the runs of budgets {', '.join(missing)} FLOP; they are left out of the optima; add runs on the side where the loss still falls"
        notes = (*notes, Check("budgets without a minimum", Status.REVIEW, detail))
    return Observations(
        columns,
        np.arange(1, len(C) + 1),
        f"optima of {runs.source}",
        runs.sha256,
        runs.cost,
        runs.params_counted,
        runs.loss_unit,
        "D is the minimum of a parabola in log D per budget; N follows by "
        + str(runs.cost),
        notes,
    )


def _parabola(log_D: np.ndarray, L: np.ndarray) -> Minimum | None:
    """Fit a parabola and return its minimum, where it has one inside the runs."""
    if log_D.size < 3:
        return None
    centre = log_D.mean()
    X = np.vander(log_D - centre, 3)
    (a, b, c), *_ = np.linalg.lstsq(X, L, rcond=None)
    vertex = -b / (2 * a)
    if a <= 0 or not log_D.min() - centre <= vertex <= log_D.max() - centre:
        return None
    residual = L - X @ np.array([a, b, c])
    slope = np.array([b / (2 * a**2), -1 / (2 * a), 0.0])
    return Minimum(
        float(vertex + centre),
        float(c - b**2 / (4 * a)),
        float(np.sqrt(slope @ np.linalg.inv(X.T @ X) @ slope)),
        float(residual @ residual) if log_D.size > 3 else 0.0,
        log_D.size - 3,
    )


def minima(log_D: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Return log D at the minimum of the parabola through each draw's losses, (draw,).

    Where a parabola has no minimum inside the runs it is their end with the lower loss.

    Args:
        log_D: log tokens of the runs of one budget, three or more, (run,).
        L: losses of the runs under each draw, (draw, run).
    """
    q = log_D - log_D.mean()
    a, b, _ = np.linalg.pinv(np.vander(q, 3)) @ L.T
    ends = np.array([q.min(), q.max()])
    lower = ends[np.argmin(np.square(ends) * a[:, None] + ends * b[:, None], axis=1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -b / (2 * a)
    inside = (a > 0) & (ends[0] <= vertex) & (vertex <= ends[1])
    return np.where(inside, vertex, lower) + log_D.mean()


def line(C: np.ndarray, value: np.ndarray) -> Line:
    """Fit value = A C^alpha by ordinary least squares on logs."""
    alpha, log_A = np.polyfit(np.log(C), np.log(value), 1)
    return Line(float(np.exp(log_A)), float(alpha))
