"""What the page of a curve says: predictions, targets, ends, hold-outs, published curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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

POINTS = 160  # of the line that is drawn
BEYOND = 10.0  # times the largest input that is drawn at least
DECADES = 0.5  # held out at first, then one more
ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)


@dataclass(frozen=True)
class CurveAsked:
    """What is asked of a curve besides where it is read."""

    published: Sequence[PublishedFit] = ()
    scope: str = "training"  # what our own C counts
    target: float | None = None
    chance: float = 0.9
    quick: bool = False  # leave out what needs other fits


@dataclass(frozen=True)
class CurveFacts:
    """Everything the page needs: the document, and draws for its figures."""

    fit: Fit
    along: str
    x: np.ndarray  # of the line, (point,)
    line: np.ndarray  # draws of the law, (draw, point)
    published: Sequence[tuple[str, np.ndarray, np.ndarray]]  # name, x and y
    held: Sequence[HeldOut]
    met: CurveReach | None
    document: dict[str, Any] = field(default_factory=dict)


def gather_curve(
    fit: Fit,
    at: Mapping[str, Sequence[float]],
    prob: float,
    command: str,
    asked: CurveAsked,
) -> CurveFacts:
    """Work out what the page of a curve says.

    Args:
        fit: of a law whose response is one number of a run and no loss.
        at: inputs to read it at, by name, (point,) each.
        prob: of the intervals.
        command: what the user typed.
        asked: published curves, a target, and what to leave out.

    Raises:
        ValueError: an input lacks, or a published curve is of other inputs.
    """
    along = main_input(fit.law)
    rest = {n: float(np.asarray(v)[-1]) for n, v in at.items() if n != along}
    made = predict_curve(fit, at, fit.seed)
    runs = fit.runs[along]
    x = np.geomspace(runs.min(), max(BEYOND * runs.max(), np.max(at[along])), POINTS)
    line = predict_curve(
        fit, {along: x, **{n: np.full(POINTS, v) for n, v in rest.items()}}
    )["law"]
    held, why = _held(fit, quick=asked.quick)
    met = (
        reach_on_curve(fit, asked.target, asked.chance, fixed=rest)
        if asked.target
        else None
    )
    beside = [compare_curve(fit, p, at, scope=asked.scope) for p in asked.published]
    drawn = [
        (p.id, x, _their_line(p, {along: x, **rest}, asked.scope))
        for p in asked.published
    ]
    checks = [
        *check_fit(fit),
        *check_curve(fit, at),
        *check_backtest(held),
        *why,
        *(met.checks() if met else []),
    ]
    checks += [
        check._replace(name=f"{one.published.id}: {check.name}")
        for one in beside
        for check in one.notes
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
                intervals_of(made["law"], prob),
                intervals_of(made["measured"], prob),
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
    document: dict[str, Any] = {
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
        "held_out": [o.record() for o in held],
        "not_tested": "--quick was given" if asked.quick else None,
        "published": [
            one.as_json(prob)["published"]
            | {"curve": one.records(prob), "sentence": one.headline(prob)}
            for one in beside
        ],
        "provenance": provenance_of(fit, fit.runs, command),
    }
    document = {"headline": headline(document)} | document
    return CurveFacts(fit, along, x, line, drawn, held, met, document)


def headline(document: dict[str, Any]) -> str:
    """Say what the curve reaches at the last input asked about, and when a target is met."""
    last, what = document["predictions"][-1], document["response"]["named"]
    where = ", ".join(f"{n} = {digits(v, 3)}" for n, v in last["at"].items())
    said = f"At {where} the {what} is {numbers(last['law'])} ({percent(document['prob'])} interval of the law)."
    target = document["target"]
    if target:
        at = (
            f"takes {target['along']} = {digits(target['at'], 3)}"
            if target["at"]
            else f"is not reached up to {target['along']} = {digits(target['up_to'], 3)} (chance there {share(target['reached'])})"
        )
        said += f" {what[:1].upper()}{what[1:]} {target['target']:g} with probability {percent(target['chance'])} {at}."
    if document["status"] == "FAIL":
        return f"Do not rely on this page: {next(c['detail'] for c in document['checks'] if c['status'] == 'FAIL')}"
    return said


def _held(fit: Fit, *, quick: bool) -> tuple[list[HeldOut], list[Check]]:
    """What the law said of the larger runs, fitted to the smaller ones."""
    if quick:
        return [], [
            Check("held-out runs", Status.REVIEW, "not tested: --quick was given")
        ]
    found, lost = [], []
    for decades in (DECADES, 2 * DECADES):
        try:
            found += backtest(
                fit.runs, fit.law, fit.noise, hold_out=(decades,), seed=fit.seed
            )
        except ValueError as error:
            lost.append(
                Check(
                    "held-out runs",
                    Status.REVIEW,
                    f"{decades:g} decades cannot be held out: {error}",
                )
            )
    return found, lost[:1]


def _their_line(
    published: PublishedFit, x: Mapping[str, Any], scope: str
) -> np.ndarray:
    times = SCOPES[scope]
    n = max(np.size(v) for v in x.values())
    at = {
        k: np.broadcast_to(np.asarray(v, float), n) * (times if k == "C" else 1.0)
        for k, v in x.items()
    }
    return np.asarray(published_curve(published, at))
