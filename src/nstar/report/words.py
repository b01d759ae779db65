"""Sentences of the report, apart from its markup."""

from collections.abc import Sequence

import numpy as np

from nstar.checks import FAR
from nstar.intervals import interval
from nstar.routes import Route, Routes
from nstar.verdicts import Status
from nstar.weighing import Risk
from nstar.wording import count, counts, digits, flop, numbers, percent


def headline(
    routes: Routes,
    prob: float,
    status: Status,
    risks: Sequence[tuple[Route, Risk]] = (),
) -> str:
    """Say the answer, its interval, what disagrees, and how far it is from the runs."""
    lead = routes.lead
    C = float(lead.plan.budgets[-1])
    at = lead.plan.draws.sel(budget=C)
    decades = float(lead.plan.decades[-1])
    largest = float(np.max(lead.fit.runs["C"]))
    answer = (
        f"for {flop(C)} FLOP the {lead.words} point to {counts(interval(at['N'], prob))} parameters on "
        f"{counts(interval(at['D'], prob))} tokens (median [{percent(prob)} credible interval of the law])"
    )
    parts = [answer[0].upper() + answer[1:] + _spread(routes, C)]
    if risks:
        parts.append(_recommended(*risks[0], prob))
    if decades > FAR:
        parts.insert(
            0,
            f"{flop(C)} FLOP lies {decades:.1f} decades beyond the largest run ({flop(largest)} FLOP), "
            "farther than these runs can test.",
        )
    if status is Status.FAIL:
        parts.insert(0, "FAIL: do not act on these numbers; see the checks.")
    else:
        parts.append(
            f"{status}: see the checks."
            if status is Status.REVIEW
            else "All checks PASS."
        )
    return " ".join(parts)


def _recommended(route: Route, risk: Risk, prob: float) -> str:
    """Say what to train, what it reaches, and what it gives away."""
    run = risk.table(prob)[0]
    return (
        f"The run of least expected loss by the {route.words} has {count(run['N'])} parameters on {count(run['D'])} tokens: "
        f"loss {numbers(run['loss'], 4)}, of which not knowing the law costs {digits(run['expected_regret'], 2)} on average."
    )


def _spread(routes: Routes, C: float) -> str:
    """Name the routes' spread in the same sentence."""
    if len(routes.taken) == 1:
        return "; no second route checks it."
    (low, least), *_, (high, most) = routes.spread(C)
    agree = routes.disagreement(C).status is Status.PASS
    verb = "the routes agree, with" if agree else "but the routes disagree:"
    return (
        f"; {verb} median tokens from {count(low)} ({least}) to {count(high)} ({most})."
    )


SECTIONS = {
    "checks": "Can it be trusted?",
    "answer": "What the budget buys",
    "allocation": "How to split a budget between size and tokens",
    "target": "At the budget: loss against model size",
    "risk": "What a choice risks",
    "profiles": "The isoFLOP profiles behind it",
    "published": "Beside the published fit",
    "provenance": "Provenance: where this comes from, and how to repeat it",
}
LEADS = {
    "answer": (
        "Median [{prob} equal-tailed credible interval]. N* and D* are the law's line, which for "
        "profiles and measured optima may bend smoothly about a power law; “next measured D*” "
        "adds the scatter between budgets with which a new one's optimum would fall, and the "
        "error of measuring it. "
        "The loss is that of the recommended run (of least expected loss) under every draw, without run "
        "noise or scatter between budgets; regret is what it gives away against each draw's own "
        "optimum on the law's line. The second table "
        "is the line itself: N* = A₁ C^α₁ and D* = A₂ C^α₂, C in FLOP; of a line that bends, "
        "the power law between the smallest and the largest budget of the runs."
    ),
    "shares": (
        "Where the uncertainty of that loss comes from, as a share of the variance of the log "
        "loss that a run would measure: the law's parameters, the discrepancy with which the "
        "surface may bend about its form, and the noise of a run. Near the runs the bend undoes "
        "what the parameters leave open, and a share may be below zero. Another form would add "
        "its own: see “choice of form” among the checks."
    ),
    "allocation": (
        "Bands hold the law's line with {prob} probability. Dots are measured optima, the "
        "minima of parabolas in log D. Dashes are the published law, the star its own printed "
        "prediction. The shaded part lies beyond the largest run."
    ),
    "risk": (
        "At {budget} FLOP, under every draw: nobody can train at each draw's own optimum, so the "
        "recommended run is that of least expected loss. Regret is the loss an action gives away "
        "against each draw's own best run, and the recommended one's mean regret is what knowing "
        "the law would be worth; compute wasted is the part of the action's FLOP that the best "
        "run would not need for the same loss. Median [{prob} equal-tailed credible interval], "
        "without run noise; the shortfall is the mean loss in the worst {tail} of the draws. The "
        "figure has the mean regret of every size the budget could buy, and dotted what one draw "
        "in twenty exceeds; ticks on top are actions."
    ),
    "profiles": (
        "Points are runs, curves the fitted profiles with {prob} bands, without run noise; a "
        "label is a budget in FLOP. Colours only tell neighbours apart."
    ),
    "target": (
        "At {budget} FLOP: the loss along the line of equal cost with its {prob} band; the dot "
        "is the recommended run, the ticks below are draws of N*. A flat curve means that a "
        "wide interval on N* costs little."
    ),
    "published": (
        "The {lead} beside the published law at the same budgets and FLOP convention; median "
        "[{prob} equal-tailed credible interval]. The credible level is the probability of the "
        "smallest of our intervals that holds their value: near 0 it lies in our middle, near 1 "
        "far out."
    ),
}
PROVENANCE = {
    "command": "command",
    "data": "data",
    "data_sha256": "sha256 of the data",
    "runs": "runs",
    "flop_convention": "FLOP convention",
    "derived": "derived columns",
    "params_counted": "parameters counted",
    "loss_unit": "loss unit",
    "seed": "seed",
    "precision": "precision",
    "nstar": "nstar",
    "jax": "JAX",
    "numpyro": "NumPyro",
    "arviz_stats": "ArviZ-stats",
}
