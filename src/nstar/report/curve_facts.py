"""The document of a curve page: predictions, targets, asymptotes, hold-outs, published curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nstar.answers import Document
from nstar.fits.fitting import Fit
from nstar.predictions.curves import (
    CurveReach,
    intervals_of,
    predict_curve,
    reach_on_curve,
)
from nstar.predictions.responding import main_input
from nstar.published.fits import PublishedFit
from nstar.report.records import provenance_of, unknowns
from nstar.validation.backtest import HeldOut, backtest, check_backtest
from nstar.validation.checks import check_fit
from nstar.validation.curve_checks import check_curve, learned_ends
from nstar.validation.curve_comparison import SCOPES, compare_curve, published_curve
from nstar.verdicts import Check, Status, worst
from nstar.wording import digits, numbers, percent, plainly, share

POINTS = 160  # of the curve in the figure
BEYOND = 10.0  # times the largest input at which the curve ends, at least
DECADES = 0.5  # held out at first, then twice as many
ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)


@dataclass(frozen=True)
class CurveQuestion:
    """What a curve page is to answer besides the predictions."""

    published: Sequence[PublishedFit] = ()
    scope: str = "training"  # what our own C counts
    target: float | None = None
    chance: float = 0.9
    quick: bool = False  # leave out what needs other fits


@dataclass(frozen=True)
class CurveFacts:
    """The document of the page, and the draws of its figures."""

    fit: Fit
    along: str
    x: np.ndarray  # of the line, (point,)
    curve: np.ndarray  # draws of the law, (draw, point)
    published: Sequence[tuple[str, np.ndarray, np.ndarray]]  # name, x and y
    hold_outs: Sequence[HeldOut]
    met: CurveReach | None
    document: Document = field(default_factory=dict)


def gather_curve(
    fit: Fit,
    at: Mapping[str, Sequence[float]],
    prob: float,
    command: str,
    question: CurveQuestion,
) -> CurveFacts:
    """Compute the document and the figures' draws of a curve page.

    Args:
        fit: of a law whose response is one number of a run and no loss.
        at: inputs of the predictions, by name, (point,) each.
        prob: of the intervals.
        command: what the user typed.
        question: published curves, a target, and what to leave out.

    Raises:
        ValueError: an input lacks, or a published curve is of other inputs.
    """
    along = main_input(fit.law)
    others = {n: float(np.asarray(v)[-1]) for n, v in at.items() if n != along}
    predicted = predict_curve(fit, at, fit.seed)
    runs = fit.runs[along]
    x = np.geomspace(runs.min(), max(BEYOND * runs.max(), np.max(at[along])), POINTS)
    curve = predict_curve(
        fit, {along: x, **{n: np.full(POINTS, v) for n, v in others.items()}}
    )["law"]
    hold_outs, untested = _hold_outs(fit, quick=question.quick)
    met = (
        reach_on_curve(fit, question.target, question.chance, fixed=others)
        if question.target
        else None
    )
    comparisons = [
        compare_curve(fit, p, at, scope=question.scope) for p in question.published
    ]
    published_curves = [
        (p.id, x, _published_curve(p, {along: x, **others}, question.scope))
        for p in question.published
    ]
    checks = [
        *check_fit(fit),
        *check_curve(fit, at),
        *check_backtest(hold_outs),
        *untested,
        *(met.checks() if met else []),
    ]
    checks += [
        check._replace(name=f"{comparison.published.id}: {check.name}")
        for comparison in comparisons
        for check in comparison.notes
    ]
    checks = sorted(plainly(checks), key=lambda c: ORDER.index(c.status))
    predictions = [
        {
            "at": {n: float(np.asarray(v)[i]) for n, v in at.items()},
            "law": law,
            "measured": measured,
        }
        for i, (law, measured) in enumerate(
            zip(
                intervals_of(predicted["law"], prob),
                intervals_of(predicted["measured"], prob),
                strict=True,
            )
        )
    ]
    column = fit.law.response.columns[0]
    response = {
        "column": column,
        "named": fit.runs.named.get(column, column),
        "unit": fit.law.response.unit.removeprefix("log "),
    }
    document: Document = {
        "status": str(worst(checks)),
        "data": fit.runs.source,
        "seed": fit.seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [c.as_json() for c in checks],
        "response": response,
        "along": along,
        "predictions": predictions,
        "target": met.as_json(prob) if met else None,
        "unknowns": unknowns(fit, prob),
        "ends": learned_ends(fit),
        "held_out": [o.record() for o in hold_outs],
        "not_tested": "--quick was given" if question.quick else None,
        "published": [
            comparison.as_json(prob)["published"]
            | {"curve": comparison.records(prob), "sentence": comparison.headline(prob)}
            for comparison in comparisons
        ],
        "provenance": provenance_of(fit, fit.runs, command),
    }
    document = {"headline": headline(document)} | document
    return CurveFacts(fit, along, x, curve, published_curves, hold_outs, met, document)


def headline(document: Document) -> str:
    """State the prediction at the last input, and when a target is met."""
    last, name = document["predictions"][-1], document["response"]["named"]
    inputs = ", ".join(f"{n} = {digits(v, 3)}" for n, v in last["at"].items())
    sentence = f"At {inputs} the {name} is {numbers(last['law'])} ({percent(document['prob'])} interval of the law)."
    target = document["target"]
    if target:
        amount = (
            f"takes {target['along']} = {digits(target['at'], 3)}"
            if target["at"]
            else f"is not reached up to {target['along']} = {digits(target['up_to'], 3)} (chance there {share(target['reached'])})"
        )
        sentence += f" {name[:1].upper()}{name[1:]} {target['target']:g} with probability {percent(target['chance'])} {amount}."
    if document["status"] == "FAIL":
        return f"Do not rely on this page: {next(c['detail'] for c in document['checks'] if c['status'] == 'FAIL')}"
    return sentence


def _hold_outs(fit: Fit, *, quick: bool) -> tuple[list[HeldOut], list[Check]]:
    """Score the law, fitted to the smaller runs, on the larger ones."""
    if quick:
        return [], [
            Check("held-out runs", Status.REVIEW, "not tested: --quick was given")
        ]
    outcomes, refusals = [], []
    for decades in (DECADES, 2 * DECADES):
        try:
            outcomes += backtest(
                fit.runs, fit.law, fit.noise, hold_out=(decades,), seed=fit.seed
            )
        except ValueError as error:
            refusals.append(
                Check(
                    "held-out runs",
                    Status.REVIEW,
                    f"{decades:g} decades cannot be held out: {error}",
                )
            )
    return outcomes, refusals[:1]


def _published_curve(
    published: PublishedFit, x: Mapping[str, Any], scope: str
) -> np.ndarray:
    factor = SCOPES[scope]
    n = max(np.size(v) for v in x.values())
    at = {
        k: np.broadcast_to(np.asarray(v, float), n) * (factor if k == "C" else 1.0)
        for k, v in x.items()
    }
    return np.asarray(published_curve(published, at))
