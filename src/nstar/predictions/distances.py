"""How far an answer lies from the runs: one policy, whatever is asked."""

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
    """Ask how far runs to be predicted lie from those that were made.

    Args:
        fit: of a loss, or an average of such.
        N: parameters, one or (run,).
        D: tokens, likewise.
    """
    pairs = list(zip(*(np.ravel(v) for v in np.broadcast_arrays(N, D)), strict=True))
    named = {f"{count(n)} on {count(d)} tokens": (n, d) for n, d in pairs}
    C = [fit.runs.cost.flop(n, d) for n, d in pairs]
    return [*extrapolation(fit, C), *among(fit.runs, named)]


def extrapolation(fit: Posterior, C: ArrayLike) -> list[Check]:
    """Judge budgets by their distance, and by what a form taken as exact owes beyond the runs.

    Args:
        fit: a fit whose runs have compute, or an average of such.
        C: FLOP, one or (budget,).
    """
    checks = [distance(fit.runs, C)]
    if np.asarray(C).max() <= fit.runs["C"].max():
        return checks
    forms = dict.fromkeys(taken_as_exact(part.law) for part in fit.components)
    return checks + [
        Check("exact form", Status.REVIEW, words) for words in forms if words
    ]


def distance(
    runs: Observations,
    values: ArrayLike,
    name: str = "extrapolation",
    column: str = "C",
) -> Check:
    """Judge decades beyond the largest run, or below the smallest.

    Args:
        runs: what was fitted.
        values: of the column, one or several.
        name: of the check.
        column: compute, or another input of a law.
    """
    low, high = float(runs[column].min()), float(runs[column].max())
    span = np.log10(high / low)
    far = np.asarray(values, dtype=float)
    above, below = np.log10(far.max() / high), np.log10(low / far.min())
    beyond = max(above, below, 0.0)
    what, unit = ("budget", " FLOP") if column == "C" else (column, "")
    side = (
        f"beyond the largest run ({high:.3g}{unit}"
        if above >= below
        else f"below the smallest run ({low:.3g}{unit}"
    )
    detail = f"the farthest {what} lies {beyond:.1f} decades {side}; the runs span {span:.1f})"
    if beyond > TOO_FAR * max(span, 0.1):
        detail += ": these runs cannot support it; add runs nearer to it"
        return Check(name, Status.FAIL, detail)
    if beyond > FAR:
        detail += (
            "; no hold-out on these runs tests that far, and a law that is a little wrong is "
            f"not in the interval. Add runs nearer the {what}, or plan in steps"
        )
        return Check(name, Status.REVIEW, detail)
    return Check(name, Status.PASS, detail)


def farther(
    runs: Observations, runs_to_come: Mapping[str, float], than: float, name: str
) -> list[Check]:
    """Name runs that lie for review, and farther from those made than their budget does.

    Args:
        runs: what was fitted.
        runs_to_come: FLOP by what the runs are called.
        than: FLOP of the budget, which is judged by itself.
        name: of the check.
    """
    most = max(_beyond(runs["C"], than), FAR)
    far = {who: C for who, C in runs_to_come.items() if _beyond(runs["C"], C) > most}
    if not far:
        return []
    check = distance(runs, [*far.values()], name)
    return [check._replace(detail=f"of {', '.join(far)} {check.detail}")]


def _beyond(C: np.ndarray, budget: float) -> float:
    """Decades beyond the largest or below the smallest."""
    return float(np.log10(max(budget / C.max(), C.min() / budget)))


def among(
    runs: Observations,
    chosen: Mapping[str, tuple[float, float]],
    name: str = "tokens per parameter",
    kind: str = "runs",
) -> list[Check]:
    """Say which chosen runs leave the tokens per parameter that were measured.

    Args:
        runs: what was fitted.
        chosen: (N, D) by what they are called.
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


def one_loss(ladder: np.ndarray, others: np.ndarray, whose: str) -> list[Check]:
    """Refuse to believe two tables that are to meet in the loss and have none in common.

    Args:
        ladder: losses of the runs.
        others: losses of the other table.
        whose: what the other table is of.
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
