"""Answers of laws told by named inputs: predictions, targets and published curves."""

import math
from typing import TYPE_CHECKING, Any

from nstar.cli import options as o
from nstar.cli.answering import print_answer

if TYPE_CHECKING:
    from nstar.cli.source import Fitted
    from nstar.published.fits import PublishedFit


def points(texts: list[str]) -> dict[str, list[float]]:
    """Read runs as N=7e9,T=144: by input, one value a run.

    Raises:
        ValueError: one is none, or they do not name the same inputs.
    """
    if not texts:
        return {}
    each = [o.pairs(text.split(","), "--at", "C=4e23 or N=7e9,P=8") for text in texts]
    if len({tuple(sorted(one)) for one in each}) > 1:
        msg = (
            f"--at {texts[1]!r}: expected the inputs of the first, {', '.join(each[0])}"
        )
        raise ValueError(msg)
    found: dict[str, list[float]] = {name: [] for name in each[0]}
    for text, one in zip(texts, each, strict=True):
        for name, value in one.items():
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not 0 < number < math.inf:
                msg = f"--at {text!r}: {name} must be a positive number, got {value!r}"
                raise ValueError(msg)
            found[name].append(number)
    return found


def is_one(fit: Any) -> bool:
    """Say whether a fit is read as a curve: an error, an accuracy or a FID, or a loss by C."""
    from nstar.fits.fitting import Fit
    from nstar.predictions.responding import is_curve
    from nstar.types import Kind

    return isinstance(fit, Fit) and (
        is_curve(fit.law)
        or (fit.law.inputs == ("C",) and fit.law.response.kind is Kind.LOSS)
    )


def compared(
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
    made = compare_curve(fit, theirs, at, scope=scope)
    print_answer(made, [*check_fit(fit), *made.checks()], output, fitted)


def met(
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
    made = reach_on_curve(fit, target, chance, fixed=others, up_to=up_to)
    at = made.at if math.isfinite(made.at) else made.up_to
    point = {made.along: [at], **{n: [v] for n, v in others.items()}}
    checks = [*made.checks(), *check_fit(fit), *check_curve(fit, point)]
    print_answer(made, checks, output, fitted)
