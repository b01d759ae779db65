"""Distance of an answer from the runs: one policy of checks for all answers."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from nstar.departures.straightness import taken_as_exact
from nstar.fits.mixture import Posterior
from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status
from nstar.wording import count

FAR = 1.0  # decades beyond the data from which an extrapolation is for review
TOO_FAR = 2.0  # times the data's own range in decades: the data cannot support it


def check_prediction(fit: Posterior, N: ArrayLike, D: ArrayLike) -> list[Check]:
    """Check how far runs to be predicted lie from those that were fitted.

    Args:
        fit: of a loss, or an average of such.
        N: parameters, one or (run,).
        D: tokens, likewise.
    """
    pairs = list(zip(*(np.ravel(v) for v in np.broadcast_arrays(N, D)), strict=True))
    named = {f"{count(n)} on {count(d)} tokens": (n, d) for n, d in pairs}
    C = [fit.runs.cost.flop(n, d) for n, d in pairs]
    return [*check_extrapolation(fit, C), *check_tokens_per_parameter(fit.runs, named)]


def check_extrapolation(fit: Posterior, C: ArrayLike) -> list[Check]:
    """Check how far budgets lie beyond the runs, and warn of a form taken as exact there.

    Args:
        fit: a fit whose runs have compute, or an average of such.
        C: FLOP, one or (budget,).
    """
    return [check_distance(fit.runs, C), *check_forms(fit, C)]


def check_forms(fit: Posterior, C: ArrayLike) -> list[Check]:
    """Warn of laws whose form is taken as exact, where budgets lie beyond the runs."""
    if np.asarray(C).max() <= largest(fit.runs):
        return []
    forms = dict.fromkeys(taken_as_exact(part.law) for part in fit.components)
    return [Check("exact form", Status.REVIEW, words) for words in forms if words]


def decades_beyond(runs: Observations, C: float) -> float:
    """Decades that a budget lies beyond the largest run; below zero where it is smaller."""
    return float(np.log10(C / largest(runs)))


def largest(runs: Observations) -> float:
    """Compute of the largest run, FLOP."""
    return float(runs["C"].max())


def check_distance(
    runs: Observations,
    values: ArrayLike,
    name: str = "extrapolation",
    column: str = "C",
    what: str = "the farthest",
) -> Check:
    """Check how many decades values lie beyond the largest run, or below the smallest.

    Args:
        runs: what was fitted.
        values: of the column, one or several.
        name: of the check.
        column: compute, or another input of a law.
        what: the values are, before the name of the input.
    """
    low, high = float(runs[column].min()), float(runs[column].max())
    span = np.log10(high / low)
    points = np.asarray(values, dtype=float)
    above, below = np.log10(points.max() / high), np.log10(low / points.min())
    beyond = max(above, below, 0.0)
    target, unit = ("budget", " FLOP") if column == "C" else (column, "")
    side = (
        f"beyond the largest run ({high:.3g}{unit}"
        if above >= below
        else f"below the smallest run ({low:.3g}{unit}"
    )
    detail = (
        f"{what} {target} lies {beyond:.1f} decades {side}; the runs span {span:.1f})"
    )
    if beyond > TOO_FAR * max(span, 0.1):
        detail += ": these runs cannot support it; add runs nearer to it"
        return Check(name, Status.FAIL, detail)
    if beyond > FAR:
        detail += (
            "; no hold-out on these runs tests that far, and a law that is a little wrong is "
            f"not in the interval. Add runs nearer the {target}, or plan in steps"
        )
        return Check(name, Status.REVIEW, detail)
    return Check(name, Status.PASS, detail)


def check_farther(
    runs: Observations, runs_to_come: Mapping[str, float], than: float, name: str
) -> list[Check]:
    """Warn of runs that need review and lie farther from the fitted runs than their budget.

    Args:
        runs: what was fitted.
        runs_to_come: FLOP of each run, by its name.
        than: FLOP of the budget, which has a check of its own.
        name: of the check.
    """
    most = max(_beyond(runs["C"], than), FAR)
    farther = {
        run: C for run, C in runs_to_come.items() if _beyond(runs["C"], C) > most
    }
    if not farther:
        return []
    check = check_distance(runs, [*farther.values()], name)
    return [check._replace(detail=f"of {', '.join(farther)} {check.detail}")]


def _beyond(C: np.ndarray, budget: float) -> float:
    """Decades that a budget lies beyond the largest run or below the smallest."""
    return float(np.log10(max(budget / C.max(), C.min() / budget)))


def check_tokens_per_parameter(
    runs: Observations,
    chosen: Mapping[str, tuple[float, float]],
    name: str = "tokens per parameter",
    kind: str = "runs",
) -> list[Check]:
    """Check that chosen runs lie among the tokens per parameter that were measured.

    Args:
        runs: what was fitted.
        chosen: (N, D) of each run, by its name.
        name: of the check.
        kind: what was measured.
    """
    if not ("N" in runs and "D" in runs):
        return []
    ratios = runs["D"] / runs["N"]
    low, high = float(ratios.min()), float(ratios.max())
    outside = [
        f"{n} ({D / N:.3g})" for n, (N, D) in chosen.items() if not low <= D / N <= high
    ]
    detail = f"the {kind} have {low:.3g} to {high:.3g} tokens per parameter; "
    if not outside:
        return [Check(name, Status.PASS, f"{detail}what is asked for lies within")]
    detail += (
        f"{', '.join(outside)} lies outside, where nothing was measured and the law alone "
        "speaks: add runs there, or take one that lies within"
    )
    return [Check(name, Status.REVIEW, detail)]


def check_shared_losses(
    ladder: np.ndarray, others: np.ndarray, whose: str
) -> list[Check]:
    """Check that the losses of two tables overlap where an answer combines the two.

    Args:
        ladder: losses of the runs, (run,).
        others: losses of the other table, (row,).
        whose: what the other table holds, for the message.
    """
    (least, most), (low, high) = ((v.min(), v.max()) for v in (ladder, others))
    if least <= high and low <= most:
        return []
    detail = (
        f"the ladder's losses are {least:.3g} to {most:.3g} and those of {whose} {low:.3g} to "
        f"{high:.3g}: no loss is in both, so they are of another unit, tokenizer or validation "
        "set, and the answer means nothing; measure both on one set, in one unit"
    )
    return [Check("one loss in both tables", Status.FAIL, detail)]
