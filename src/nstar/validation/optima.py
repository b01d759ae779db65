"""A route's record on optima: predicted against measured optima of held-out budgets.

N* is what is recommended, so a route is judged by it too.  The optimum of a held-out
budget is measured as the minimum of a parabola through its runs.  It is predicted by the
law's scatter of measured optima, or else by a parabola through the predicted losses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.answers import Document
from nstar.fits.mixture import Posterior
from nstar.predictions.allocating import measured_optima as predict_optima
from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima, minima
from nstar.runs.splits import Split
from nstar.scores import joint_log_density, misses, scores
from nstar.types import Allocation, Kind, Surface
from nstar.verdicts import Check, Status

NEAR = 0.75  # decades of D about a profile's minimum that a measured optimum uses
RARE = 0.05  # chance of as many misses, or more, from which a route's D* is for review


@dataclass(frozen=True)
class Optima:
    """Measured optima of budgets held out whole, and joint predictive draws, in logs."""

    budgets: np.ndarray  # FLOP, rising, (budget,)
    measured: tuple[np.ndarray, np.ndarray]  # log N*, log D*, (budget,) each
    draws: tuple[
        np.ndarray, np.ndarray
    ]  # predicted log N*, log D*, (draw, budget) each

    @property
    def log_density(self) -> np.ndarray:
        """Log density of each budget's log D*, given those of the budgets below, (budget,)."""
        return joint_log_density(self.draws[1], self.measured[1])

    def record(self) -> Document:
        """Scores of log N* and log D*, and how likely as many misses are.

        Errors of one extrapolation agree, for all budgets share one line and one bend:
        `chance` is the share of the route's own joint draws that miss as many of its
        90 % intervals of D*, or more.
        """
        N, D = (scores(*pair) for pair in zip(self.draws, self.measured, strict=True))
        missed = misses(self.draws[1], self.measured[1])
        return {
            "N": N,
            "D": D,
            "budgets": self.budgets.tolist(),
            "error": (np.median(self.draws[1], axis=0) - self.measured[1]).tolist(),
            "misses": missed.observed,
            "chance": missed.at_least,
            "log_density": self.log_density.tolist(),
        }


def held_out_optima(fit: Posterior, part: Split, draws: np.ndarray) -> Optima | None:
    """Measured optima of the budgets that a split holds out, and a fit's predictions.

    A budget with runs in the training set is left out.

    Args:
        fit: fitted to the split's smaller runs.
        part: the split.
        draws: response of the held-out runs as measured, on the law's scale, (draw, run).

    Returns:
        None where no budget has a minimum inside its runs, or the law has no optimum.
    """
    laws = [component.law for component in fit.components]
    if not all(isinstance(law, Allocation | Surface) for law in laws):
        return None
    of_loss = laws[0].response.kind is Kind.LOSS
    measured = _measured(part) if of_loss else part.test
    if measured is None or not {"C", "N", "D"} <= measured.columns.keys():
        return None
    if not of_loss:
        measured = measured.take(np.argsort(measured["C"], kind="stable"))
    predicted = predict_optima(fit, measured["C"], seed=fit.seed)
    if predicted is None and not of_loss:
        return None
    if predicted is None:
        loss = laws[0].response.unlink(draws)[0]
        predicted = _parabola_optima(loss, part.test, measured["C"])
    log_draws = np.log(predicted[0]), np.log(predicted[1])
    return Optima(
        measured["C"], (np.log(measured["N"]), np.log(measured["D"])), log_draws
    )


def _measured(part: Split) -> Observations | None:
    """Measured optima of the budgets without training runs; None where there is none."""
    test = part.test
    if not {"D", "L", "budget"} <= test.columns.keys():
        return None
    if "budget" in part.train:
        test = test.take(~np.isin(test["budget"], part.train["budget"]))
    try:
        return measured_optima(near_minimum(test), at_least=1)
    except ValueError:
        return None


def _parabola_optima(
    loss: np.ndarray, test: Observations, budgets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """N* and D* at the minima of parabolas through predicted losses, (draw, budget) each.

    A surface has no model of how measured optima scatter, so its optima are predicted in
    the way they are measured: by parabolas through the held-out runs.
    """
    near = np.isin(test.rows, near_minimum(test).rows)
    masks = [near & (test["budget"] == C) for C in budgets]
    log_D = [minima(np.log(test["D"][mask]), loss[:, mask]) for mask in masks]
    D = np.exp(np.stack(log_D, axis=1))
    return test.cost.params(D, budgets), D


def near_minimum(runs: Observations) -> Observations:
    """Keep the runs within 0.75 decades of D of the least loss of their budget."""
    near = np.zeros(len(runs), dtype=bool)
    for budget in np.unique(runs["budget"]) if "budget" in runs else []:
        in_budget = runs["budget"] == budget
        if not in_budget.any():
            continue
        best = np.log10(runs["D"][in_budget][np.argmin(runs["L"][in_budget])])
        near |= in_budget & (np.abs(np.log10(runs["D"]) - best) <= NEAR)
    return runs.take(near)


def check_optima(name: str, record: Mapping[str, Any]) -> Check:
    """Check the coverage of 90 % intervals of D* against the route's own joint draws."""
    count = len(record["budgets"])
    errors = ", ".join(f"{e:+.2f}" for e in record["error"])
    detail = (
        f"90 % intervals of a measured optimum held {count - record['misses']} of {count} budgets; "
        f"log error of D* {errors}"
    )
    if not record["misses"]:
        return Check(name, Status.PASS, detail)
    detail += f"; as many misses have a chance of {record['chance']:.1%} by this route's own draws"
    if record["chance"] >= RARE:
        return Check(name, Status.PASS, detail)
    way = "few" if record["D"]["bias"] < 0 else "many"
    detail += (
        f", so it asks for too {way} tokens beyond its runs and does not know it: decide by "
        "the other routes, or measure one budget between the runs and the target first"
    )
    return Check(name, Status.REVIEW, detail)
