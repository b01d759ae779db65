"""Curves, which are laws read at named inputs: comparisons and targets."""

import math
from typing import TYPE_CHECKING, Any

from nstar.amounts import parse_amount
from nstar.cli import options as o
from nstar.cli.answering import print_answer

if TYPE_CHECKING:
    from nstar.cli.source import Fitted
    from nstar.published.fits import PublishedFit


def points(texts: list[str]) -> dict[str, list[float]]:
    """Read runs such as N=7e9,T=144; return the values of each input, one a run.

    Raises:
        ValueError: one cannot be read, or they do not name the same inputs.
    """
    if not texts:
        return {}
    runs = [o.pairs(text.split(","), "--at", "C=4e23 or N=7e9,P=8") for text in texts]
    if len({tuple(sorted(run)) for run in runs}) > 1:
        msg = (
            f"--at {texts[1]!r}: expected the inputs of the first, {', '.join(runs[0])}"
        )
        raise ValueError(msg)
    columns: dict[str, list[float]] = {name: [] for name in runs[0]}
    for text, run in zip(texts, runs, strict=True):
        for name, value in run.items():
            columns[name].append(parse_amount(value, f"--at {text!r}, {name}"))
    return columns


def is_curve(fit: Any) -> bool:
    """Tell whether a fit is a curve: an error, an accuracy or a FID, or a loss by C alone."""
    from nstar.fits.fitting import Fit
    from nstar.predictions.responding import is_curve
    from nstar.types import Kind

    return isinstance(fit, Fit) and (
        is_curve(fit.law)
        or (fit.law.inputs == ("C",) and fit.law.response.kind is Kind.LOSS)
    )


def print_comparison(
    fitted: "Fitted",
    theirs: "PublishedFit",
    at: dict[str, list[float]],
    scope: str,
    output: o.Output,
) -> None:
    """Print a fitted curve beside a published one."""
    from nstar.validation.checks import check_fit
    from nstar.validation.curve_comparison import compare_curve

    (fit,) = fitted.fit.components
    comparison = compare_curve(fit, theirs, at, scope=scope)
    print_answer(comparison, [*check_fit(fit), *comparison.checks()], output, fitted)


def print_crossing(
    fitted: "Fitted",
    target: float,
    chance: float,
    up_to: float | None,
    others: dict[str, float],
    output: o.Output,
) -> None:
    """Print where a curve meets a target."""
    from nstar.predictions.curves import reach_on_curve
    from nstar.validation.checks import check_fit
    from nstar.validation.curve_checks import check_curve

    (fit,) = fitted.fit.components
    crossing = reach_on_curve(fit, target, chance, fixed=others, up_to=up_to)
    place = crossing.at if math.isfinite(crossing.at) else crossing.up_to
    point = {crossing.along: [place], **{n: [v] for n, v in others.items()}}
    checks = [*crossing.checks(), *check_fit(fit), *check_curve(fit, point)]
    print_answer(crossing, checks, output, fitted)
