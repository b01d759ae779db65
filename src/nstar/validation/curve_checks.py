"""May a curve be read there?  How far beyond its runs, and what its ends rest on."""

from collections.abc import Iterator, Mapping

import numpy as np

from nstar.fits.fitting import Fit
from nstar.predictions.distances import check_prediction, distance
from nstar.types import Array, Kind, Surface
from nstar.verdicts import Check, Status

IDLE = 0.8  # of the prior's interquartile range, from which the runs say little
NEAR = 0.02  # of an error of guessing, or of none, within which nothing is left to tell
FEW = 6  # runs below which the priors speak nearly alone
ENDS = {
    "error_floor_share": "the error that nothing removes",
    "fid_floor_share": "the FID that no compute removes",
    "room": "the ceiling",
    "chance_room": "the error of guessing",
}


def check_curve(fit: Fit, at: Mapping[str, Array]) -> list[Check]:
    """Hold what is asked of a curve against the runs it was fitted to.

    Args:
        fit: of a law whose response is no loss.
        at: inputs that are asked about, by name, (point,).
    """
    run = (
        {"N", "D"}
        if isinstance(fit.law, Surface) and {"N", "D"} <= at.keys()
        else set()
    )
    reach = [
        distance(fit.runs, v, column=name)
        for name, v in at.items()
        if name in fit.law.inputs and name in fit.runs and name not in run
    ]
    reach += check_prediction(fit, at["N"], at["D"]) if run else []
    return [*reach, *_ends(fit), *_used_up(fit), *_few(fit)]


def ends_told(fit: Fit) -> dict[str, bool]:
    """Which ends of the curve the runs tell, and which are their prior's, by unknown."""
    prior = fit.tree["prior"].dataset if "prior" in fit.tree.children else {}

    def wide(values: np.ndarray) -> float:
        return float(np.subtract(*np.quantile(values, [0.75, 0.25])))

    both = [n for n in ENDS if n in fit.draws and n in prior]
    return {n: wide(fit.draws[n]) <= IDLE * wide(prior[n].to_numpy()) for n in both}


def _ends(fit: Fit) -> Iterator[Check]:
    """Say which ends of the curve are the prior's, and which the runs'."""
    for name, told in ends_told(fit).items():
        words = ENDS[name]
        detail = (
            f"the runs tell {words}"
            if told
            else f"the runs say little of {words}: it is its prior's, and far beyond the runs so is the curve; set it with --prior {name}=... where you know better"
        )
        yield Check(
            words.removeprefix("the "), Status.PASS if told else Status.REVIEW, detail
        )


def _used_up(fit: Fit) -> Iterator[Check]:
    """Say where no run has left guessing, or where the best hardly err."""
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


def _few(fit: Fit) -> Iterator[Check]:
    if len(fit.runs) < FEW:
        detail = f"{len(fit.runs)} runs: intervals are mostly those of the priors; `nstar prior` shows what they say alone"
        yield Check("few runs", Status.REVIEW, detail)
