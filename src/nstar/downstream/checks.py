"""May a task's accuracy be predicted from these runs?  Named checks, as for a fit."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.predictions.distances import check_prediction, one_loss
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Check, Status

LEARNED = 0.8  # of the prior's interquartile range: a posterior as wide was not learned
RISEN = 0.1  # of the way from floor to one that the best run should have come
APART = 0.05  # relative difference of losses above which they may not be of one kind
MOST = 4  # budgets that a sentence names


def check_task(fit: Posterior, task: Fit, draws: xr.Dataset) -> list[Check]:
    """Ask how far the predicted runs leave the task's, and what those have shown.

    Args:
        fit: of the loss.
        task: of the task.
        draws: `loss`, (draw, run), with N, D and C of the runs.
    """
    losses = list(_same_loss(fit, task))
    if not losses or losses[0].status is not Status.PASS:
        losses += one_loss(fit.runs["L"], task.runs["L"], "the task's runs")
    return [
        *losses,
        _beyond(task, draws),
        *_risen(task),
        *_learned(task),
        *check_prediction(fit, draws["N"].to_numpy(), draws["D"].to_numpy()),
    ]


def _beyond(task: Fit, draws: xr.Dataset) -> Check:
    """Say by how much predicted losses lie outside those the task was measured at."""
    least, most = float(task.runs["L"].min()), float(task.runs["L"].max())
    median = draws["loss"].median("draw").to_numpy()
    gaps = np.maximum(least - median, median - most)
    detail = f"the task's runs have losses {least:.4g} to {most:.4g}"
    far = [
        f"{C:.3g} FLOP ({gap:.3g} {'below' if least > L else 'above'}, {gap / (most - least):.0%} of their range)"
        for C, L, gap in zip(draws["C"].to_numpy(), median, gaps, strict=True)
        if gap > 0
    ]
    if not far:
        return Check(
            "losses among the task's",
            Status.PASS,
            f"{detail}; so have the predicted runs",
        )
    more = f" and {len(far) - MOST} more" if len(far) > MOST else ""
    detail += f"; the loss at {', '.join(far[:MOST])}{more} was never measured there, and the curve alone speaks; evaluate runs of such losses"
    return Check("losses among the task's", Status.REVIEW, detail)


def _risen(task: Fit) -> Iterator[Check]:
    """Say whether any run has left the floor: before that nothing tells when one will."""
    posterior = task.tree["posterior"].dataset
    if "floor" not in posterior:
        return
    floor = posterior["floor"].to_numpy().ravel()
    best = float(task.runs["accuracy"][np.argmin(task.runs["L"])])
    way = float(np.median((best - floor) / (1 - floor)))
    detail = f"the run of least loss has accuracy {best:.3g}, {way:.0%} of the way from the floor to one"
    if way < RISEN:
        detail += "; tasks may rise later and faster than runs near the floor can tell. Add better runs, or take the two steps with --nll"
    status = Status.REVIEW if way < RISEN else Status.PASS
    yield Check("risen from the floor", status, detail)


def _learned(task: Fit) -> Iterator[Check]:
    """Say which end of the curve is what its prior says."""
    posterior, prior = (task.tree[g].dataset for g in ("posterior", "prior"))
    told = getattr(task.law, "chance", None)
    for name in ("floor", "ceiling"):
        if name not in posterior or (name == "floor" and told is not None):
            continue
        after, before = posterior[name].to_numpy(), prior[name].to_numpy()
        width, was = (
            float(np.ptp(np.quantile(v, [0.25, 0.75]))) for v in (after, before)
        )
        low, high = np.quantile(after, [0.05, 0.95])
        detail = f"the {name} lies in {low:.3g} to {high:.3g} (90 %), {width / was:.0%} as wide as its prior"
        idle = width > LEARNED * was
        if idle:
            cure = (
                "state it with --chance-level"
                if name == "floor"
                else "add runs of lower loss"
            )
            detail += f": no run tells it, so the prior does; {cure}"
        yield Check(f"{name} learned", Status.REVIEW if idle else Status.PASS, detail)


def _same_loss(fit: Posterior, task: Fit) -> Iterator[Check]:
    """Hold the losses of the task's runs against what the fit says of such runs."""
    runs = task.runs
    if "N" not in runs or "D" not in runs:
        return
    known = np.isfinite(runs["N"]) & np.isfinite(runs["D"])
    if not known.any():
        return
    said = np.median(law_loss(fit, runs["N"][known], runs["D"][known]), axis=0)
    off = float(np.median(np.log(runs["L"][known] / said)))
    detail = f"the task's runs have losses {abs(np.expm1(off)):.1%} {'above' if off > 0 else 'below'} what the fit says of their N and D, in the median"
    apart = abs(off) > APART
    if apart:
        detail += "; are both of one validation set, in one unit? Another recipe may be moved, another set may not be read off this curve"
    yield Check("one kind of loss", Status.REVIEW if apart else Status.PASS, detail)
