"""Checks on predicting a task's accuracy from these runs."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.predictions.distances import check_prediction, check_shared_losses
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Check, Status

LEARNED = 0.8  # of the prior's interquartile range: a wider posterior was not learned
RISEN = 0.1  # of the way from the floor to one that the best run should have risen
APART = 0.05  # relative difference of losses above which they may not be of one kind
MOST = 4  # budgets that a message names


def check_task(fit: Posterior, task: Fit, draws: xr.Dataset) -> list[Check]:
    """Check that predicted runs lie near the task's, and that those inform its curve.

    Args:
        fit: of the loss.
        task: of the task.
        draws: `loss`, (draw, run), with N, D and C of the runs.
    """
    losses = list(_check_same_loss(fit, task))
    if not losses or losses[0].status is not Status.PASS:
        losses += check_shared_losses(fit.runs["L"], task.runs["L"], "the task's runs")
    return [
        *losses,
        _check_range(task, draws),
        *_check_risen(task),
        *_check_learned(task),
        *check_prediction(fit, draws["N"].to_numpy(), draws["D"].to_numpy()),
    ]


def _check_range(task: Fit, draws: xr.Dataset) -> Check:
    """Check that predicted losses lie among those at which the task was measured."""
    least, most = float(task.runs["L"].min()), float(task.runs["L"].max())
    median = draws["loss"].median("draw").to_numpy()
    gaps = np.maximum(least - median, median - most)
    detail = f"the task's runs have losses {least:.4g} to {most:.4g}"
    outside = [
        f"{C:.3g} FLOP ({gap:.3g} {'below' if least > L else 'above'}, {gap / (most - least):.0%} of their range)"
        for C, L, gap in zip(draws["C"].to_numpy(), median, gaps, strict=True)
        if gap > 0
    ]
    if not outside:
        return Check(
            "losses among the task's",
            Status.PASS,
            f"{detail}; so have the predicted runs",
        )
    rest = f" and {len(outside) - MOST} more" if len(outside) > MOST else ""
    detail += f"; the loss at {', '.join(outside[:MOST])}{rest} was never measured there, and the curve alone speaks; evaluate runs of such losses"
    return Check("losses among the task's", Status.REVIEW, detail)


def _check_risen(task: Fit) -> Iterator[Check]:
    """Check that some run has left the floor: before, no run informs where the curve rises."""
    posterior = task.tree["posterior"].dataset
    if "floor" not in posterior:
        return
    floor = posterior["floor"].to_numpy().ravel()
    best = float(task.runs["accuracy"][np.argmin(task.runs["L"])])
    risen = float(np.median((best - floor) / (1 - floor)))
    detail = f"the run of least loss has accuracy {best:.3g}, {risen:.0%} of the way from the floor to one"
    if risen < RISEN:
        detail += "; tasks may rise later and faster than runs near the floor can tell. Add better runs, or take the two steps with --nll"
    status = Status.REVIEW if risen < RISEN else Status.PASS
    yield Check("risen from the floor", status, detail)


def _check_learned(task: Fit) -> Iterator[Check]:
    """Check for each end of the curve that the runs inform it, not the prior alone."""
    posterior, prior = (task.tree[g].dataset for g in ("posterior", "prior"))
    chance = getattr(task.law, "chance", None)
    for name in ("floor", "ceiling"):
        if name not in posterior or (name == "floor" and chance is not None):
            continue
        posterior_draws, prior_draws = (
            posterior[name].to_numpy(),
            prior[name].to_numpy(),
        )
        width, prior_width = (
            float(np.ptp(np.quantile(v, [0.25, 0.75])))
            for v in (posterior_draws, prior_draws)
        )
        low, high = np.quantile(posterior_draws, [0.05, 0.95])
        detail = f"the {name} lies in {low:.3g} to {high:.3g} (90 %), {width / prior_width:.0%} as wide as its prior"
        unlearned = width > LEARNED * prior_width
        if unlearned:
            remedy = (
                "state it with --chance-level"
                if name == "floor"
                else "add runs of lower loss"
            )
            detail += f": no run tells it, so the prior does; {remedy}"
        yield Check(
            f"{name} learned", Status.REVIEW if unlearned else Status.PASS, detail
        )


def _check_same_loss(fit: Posterior, task: Fit) -> Iterator[Check]:
    """Check that the losses of the task's runs agree with the fit's predictions of them."""
    runs = task.runs
    if "N" not in runs or "D" not in runs:
        return
    complete = np.isfinite(runs["N"]) & np.isfinite(runs["D"])
    if not complete.any():
        return
    predicted = np.median(
        law_loss(fit, runs["N"][complete], runs["D"][complete]), axis=0
    )
    log_ratio = float(np.median(np.log(runs["L"][complete] / predicted)))
    detail = f"the task's runs have losses {abs(np.expm1(log_ratio)):.1%} {'above' if log_ratio > 0 else 'below'} what the fit says of their N and D, in the median"
    apart = abs(log_ratio) > APART
    if apart:
        detail += "; are both of one validation set, in one unit? Another recipe may be moved, another set may not be read off this curve"
    yield Check("one kind of loss", Status.REVIEW if apart else Status.PASS, detail)
