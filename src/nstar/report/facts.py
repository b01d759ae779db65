"""Every number and verdict of a report, as the document its page is made from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from nstar.actions import ANY, Action, Limits
from nstar.bills import Bill
from nstar.comparison import Comparison, compare
from nstar.report.words import headline
from nstar.routes import Route, Routes
from nstar.types import Surface
from nstar.uncertainty import decompose
from nstar.verdicts import Check, Status, worst
from nstar.weighing import Risk, weigh
from nstar.wording import plain, plainly

ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)


class Question(NamedTuple):
    """What was asked besides the budget."""

    candidates: Sequence[Action] = ()
    limits: Limits = ANY
    target: float | None = None  # loss
    bill: Bill | None = None


@dataclass(frozen=True)
class Facts:
    """The report before it is a page."""

    headline: str
    checks: list[Check]  # worst first
    comparisons: list[Comparison]
    risks: list[tuple[Route, Risk]]  # of routes that have a loss
    document: dict[str, Any]  # the same as plain data


def gather(
    routes: Routes,
    published: Sequence[str] | None,
    prob: float,
    command: str,
    question: Question = Question(),  # noqa: B008  nothing in it changes
) -> Facts:
    """Read intervals, checks and comparisons off the routes.

    Args:
        routes: the fitted routes.
        published: ids of published fits; the usual one for these runs unless given.
        prob: probability of every interval.
        command: what the user typed, for the provenance.
        question: candidates, limits, a target and a bill.
    """
    names = list(published) if published else usual_published(routes.runs.source)
    budgets = [float(C) for C in routes.lead.plan.budgets]
    comparisons = [compare(routes.lead.fit, name, budgets) for name in names]
    risks = [
        (route, weigh(route.fit, budgets[-1], question.candidates, limits=question.limits, target=question.target, bill=question.bill))
        for route in routes.taken
        if isinstance(route.fit.law, Surface)
    ]  # fmt: skip
    checks = _checks(routes, comparisons, risks, budgets[-1])
    words = headline(routes, prob, worst(checks), risks)
    document = {
        "headline": words,
        "status": str(worst(checks)),
        "data": routes.runs.source,
        "seed": routes.lead.fit.seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [check.as_json() for check in checks],
        "routes": [_route(route, prob) for route in routes.taken],
        "routes_missing": dict(routes.missing),
        "risk": [{"route": route.words} | risk.as_json(prob) for route, risk in risks],
        "published": [_published(held, prob) for held in comparisons],
        "provenance": _provenance(routes, command),
    }
    return Facts(words, checks, comparisons, risks, document)


def usual_published(source: str) -> list[str]:
    """Name the published fit people would hold these runs against."""
    return ["llama3"] if source.startswith("llama3") else ["chinchilla"]


def _checks(
    routes: Routes,
    comparisons: list[Comparison],
    risks: list[tuple[Route, Risk]],
    C: float,
) -> list[Check]:
    """Collect checks with their route's name; what is said twice, once."""
    shared = set(routes.runs.notes)
    said: dict[Check, list[str]] = {}
    for route in routes.taken:
        for check in route.checks():
            if check not in shared:
                said.setdefault(check, []).append(route.words)
    for route, risk in risks:
        for check in risk.checks():
            said.setdefault(check, []).append(route.words)
    found = [routes.disagreement(C), *routes.runs.notes]
    found += [_of(check, who, len(routes.taken)) for check, who in said.items()]
    found += routes.also
    for held in comparisons:
        found += [
            c._replace(name=f"{held.published.id}: {c.name}") for c in held.checks()
        ]
    return sorted(plainly(found), key=lambda check: ORDER.index(check.status))


def _of(check: Check, who: list[str], routes: int) -> Check:
    """Name whose check it is."""
    whose = "every route" if len(who) == routes > 1 else ", ".join(who)
    return check._replace(name=f"{whose}: {check.name}")


def _route(route: Route, prob: float) -> dict[str, Any]:
    summary = route.fit.summary(prob)
    low, high = (n for n in summary.columns if str(n).startswith("eti"))
    return {
        "route": route.words,
        "law": route.name,
        "noise": json.loads(route.fit.tree.attrs["noise"])["name"],
        "runs": len(route.fit.runs),
        "budgets": route.plan.table(prob),
        "exponents": route.plan.exponents(prob),
        "exponents_over": route.plan.slope_over,
        "coefficients": route.plan.coefficients(prob),
        "loss_from": _shares(route),
        "unknowns": {
            str(name): {"mean": float(r["mean"]), "sd": float(r["sd"]), "lower": float(r[low]), "upper": float(r[high])}
            for name, r in summary.iterrows()
            if "[" not in str(name)
        },
    }  # fmt: skip


def _shares(route: Route) -> list[dict[str, float]] | None:
    """Where the variance of the recommended run's log loss comes from, by budget."""
    if not isinstance(route.fit.law, Surface):
        return None
    N, D = (route.plan.draws[f"{n}_recommended"].to_numpy() for n in ("N", "D"))
    shares = decompose(route.fit, N, D, seed=route.fit.seed)
    return [
        {name: float(share[i]) for name, share in shares.items()}
        for i in range(len(route.plan.budgets))
    ]


def _published(held: Comparison, prob: float) -> dict[str, Any]:
    theirs = held.published
    return {
        "id": theirs.id,
        "law_form": theirs.law_form,
        "citation": theirs.citation,
        "confidence": theirs.confidence,
        "notes": list(theirs.notes),
        "printed": [dict(p) for p in theirs.printed],
        "sentence": plain(held.sentence(prob)),
        "budgets": held.table(prob),
        "exponents": held.exponents(prob),
        "exponents_over": held.plan.slope_over,
    }


def _provenance(routes: Routes, command: str) -> dict[str, Any]:
    runs = routes.runs
    attrs = routes.lead.fit.tree.attrs
    return {
        "command": command,
        "data": runs.source,
        "data_sha256": runs.sha256,
        "runs": len(runs),
        "flop_convention": str(runs.cost),
        "derived": runs.derived or "nothing",
        "params_counted": runs.params_counted,
        "loss_unit": runs.loss_unit,
        "seed": routes.lead.fit.seed,
        "precision": attrs["precision"],
        "nstar": attrs["nstar_version"],
        "jax": attrs["jax_version"],
        "numpyro": attrs["numpyro_version"],
        "arviz_stats": version("arviz-stats"),
    }
