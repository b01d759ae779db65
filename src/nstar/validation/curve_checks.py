"""Checks on reading a curve: its distance from the runs, and whether these inform its ends."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from nstar.fits.fitting import Fit
from nstar.predictions.distances import check_distance, check_prediction
from nstar.types import Kind, Surface
from nstar.verdicts import Check, Status

IDLE = 0.8  # of the prior's interquartile range: a wider posterior was not learned
NEAR = (
    0.02  # of the error of guessing, or of zero: so near, runs cannot be distinguished
)
FEW = 6  # runs below which intervals are mostly the priors'
ENDS = {
    "error_floor_share": "the error that nothing removes",
    "fid_floor_share": "the FID that no compute removes",
    "room": "the ceiling",
    "chance_room": "the error of guessing",
}


def check_curve(fit: Fit, at: Mapping[str, ArrayLike]) -> list[Check]:
    """Check the inputs at which a curve is read against the runs it was fitted to.

    Args:
        fit: of a law whose response is no loss.
        at: inputs by name, (point,) each.
    """
    run_inputs = (
        {"N", "D"}
        if isinstance(fit.law, Surface) and {"N", "D"} <= at.keys()
        else set()
    )
    checks = [
        check_distance(fit.runs, v, column=name)
        for name, v in at.items()
        if name in fit.law.inputs and name in fit.runs and name not in run_inputs
    ]
    checks += check_prediction(fit, at["N"], at["D"]) if run_inputs else []
    return [*checks, *_check_ends(fit), *_check_metric_range(fit), *_check_number(fit)]


def learned_ends(fit: Fit) -> dict[str, bool]:
    """Whether the runs inform each end of the curve, by unknown; else its prior does."""
    prior = fit.tree["prior"].dataset if "prior" in fit.tree.children else {}

    def spread(values: np.ndarray) -> float:
        return float(np.subtract(*np.quantile(values, [0.75, 0.25])))

    names = [n for n in ENDS if n in fit.draws and n in prior]
    return {
        n: spread(fit.draws[n]) <= IDLE * spread(prior[n].to_numpy()) for n in names
    }


def _check_ends(fit: Fit) -> Iterator[Check]:
    """Check for each end of the curve that the runs inform it, not the prior alone."""
    for name, learned in learned_ends(fit).items():
        description = ENDS[name]
        detail = (
            f"the runs tell {description}"
            if learned
            else f"the runs say little of {description}: it is its prior's, and far beyond the runs so is the curve; set it with --prior {name}=... where you know better"
        )
        yield Check(
            description.removeprefix("the "),
            Status.PASS if learned else Status.REVIEW,
            detail,
        )


def _check_metric_range(fit: Fit) -> Iterator[Check]:
    """Check for runs no better than guessing, and for runs that hardly err."""
    if fit.law.response.kind is not Kind.METRIC:
        return
    error, chance = fit.runs["metric"], getattr(fit.law, "chance", None)
    if chance is not None and error.min() > 1 - chance - NEAR:
        detail = f"the best run errs {error.min():.3g} of the time and guessing {1 - chance:.3g}: no run has left chance level, so where the curve falls follows from the priors; add larger runs"
        yield Check("chance level", Status.REVIEW, detail)
    if chance is not None and error.max() > 1 - chance + NEAR:
        detail = f"a run errs {error.max():.3g} of the time, more than by guessing ({1 - chance:.3g}): is the chance level stated of this task?"
        yield Check("chance level", Status.REVIEW, detail)
    if error.min() < NEAR / 4:
        detail = f"the best run errs {error.min():.2g} of the time, about as often as labels are wrong: the metric tells it from no better one; take a harder task"
        yield Check("perfect models", Status.REVIEW, detail)


def _check_number(fit: Fit) -> Iterator[Check]:
    if len(fit.runs) < FEW:
        detail = f"{len(fit.runs)} runs: intervals are mostly those of the priors; `nstar prior` shows what they say alone"
        yield Check("few runs", Status.REVIEW, detail)
