"""Every number and verdict of a report, as the document its page is made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from nstar.cores import side_by_side
from nstar.design.piloting import single_runs
from nstar.fits.kept import Kept, of_fit
from nstar.fits.mixture import Average
from nstar.ledger.entries import Ledger
from nstar.ledger.verification import Record, track_record
from nstar.ledger.verification import as_json as told_beforehand
from nstar.plans.actions import ANY, Action, Limits
from nstar.plans.bills import Bill
from nstar.plans.routes import Route, Routes
from nstar.plans.serving import Served, serve
from nstar.plans.targets import Reach, reach
from nstar.plans.weighing import Risk, weigh
from nstar.report import records
from nstar.report.buying import Line, bought
from nstar.report.deciding import Decision, decided
from nstar.report.headline import headline, regret_alone
from nstar.types import Scattered, Surface
from nstar.validation.checks import check_fit, check_plan
from nstar.validation.comparison import Comparison, compare
from nstar.validation.hindsight import (
    RouteHoldOut,
    check_hold_outs,
    hold_out_routes,
    route_weights,
)
from nstar.validation.power_scaling import sensitivity
from nstar.validation.prior_scales import check_scales, prior_scales
from nstar.validation.universes import evaluate_universe, universes
from nstar.verdicts import Check, Status, worst
from nstar.wording import plainly

ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)
UNTESTED = "the re-fits that would test it were left out (--quick)"
type Ticks = Callable[[str, int, int], None]


class Question(NamedTuple):
    """What was asked besides the budget."""

    candidates: Sequence[Action] = ()
    limits: Limits = ANY
    target: float | None = None  # loss
    bill: Bill | None = None
    chance: float = 0.9  # with which the target is to be reached
    served: Any = None  # tokens over the lifetime, a number or a distribution
    quick: bool = False  # leaves out whatever needs another fit
    ledger: Ledger | None = None  # of the project's forecasts


@dataclass(frozen=True)
class Facts:
    """The report before it is a page."""

    headline: str
    checks: list[Check]  # worst first
    comparisons: list[Comparison]
    decision: Decision
    risks: list[tuple[str, Risk]]  # by what is believed; the decision's own first
    held: list[RouteHoldOut]
    line: Line | None
    document: dict[str, Any]  # the same as plain data
    reach: Reach | None = None
    served: Served | None = None
    record: Record | None = None  # of the project's forecasts
    also: list[Check] = field(default_factory=list)


def gather(
    routes: Routes,
    published: Sequence[str] | None,
    prob: float,
    command: str,
    question: Question = Question(),  # noqa: B008  nothing in it changes
    kept: Kept = Kept(),  # noqa: B008
    tick: Ticks = lambda name, done, total: None,
) -> Facts:
    """Read intervals, checks and comparisons off the routes, and test them on their own runs.

    Args:
        routes: the fitted routes.
        published: ids of published fits; the usual one for these runs unless given.
        prob: probability of every interval.
        command: what the user typed, for the provenance.
        question: candidates, limits, a target, a bill, a lifetime.
        kept: where re-fits lie that were made before.
        tick: progress of the re-fits.
    """
    names = list(published) if published else usual_published(routes.runs.source)
    budgets = [float(C) for C in routes.primary.plan.budgets]
    C = budgets[-1]
    fits = {r.title: r.fit for r in routes.fitted if isinstance(r.fit.law, Surface)}
    tested = fits or {
        r.title: r.fit for r in routes.fitted if isinstance(r.fit.law, Scattered)
    }
    held = [] if question.quick else hold_out_routes(tested, kept, tick)
    checks = _tested(list(tested), held, question)
    believed, how = _believed(routes, fits, held)
    checks += [how] if how else []
    decision = decided(routes, believed, question.limits, _weighted(routes, how))
    comparisons = [
        compare(routes.primary.fit, n, budgets, planned=routes.primary.plan)
        for n in names
    ]

    plans = {route.title: route.plan for route in routes.fitted} | {
        decision.by: decision.plan
    }
    beliefs = {decision.by: believed} if believed else {}
    risks = [
        (
            name,
            weigh(
                fit,
                C,
                question.candidates,
                limits=question.limits,
                target=question.target,
                bill=question.bill,
                planned=plans[name],
            ),
        )
        for name, fit in (beliefs | fits).items()
    ]
    line = reached = served = None
    if believed:
        line = bought(believed, budgets, question.limits)
        if question.target is not None:
            reached = reach(
                believed, question.target, question.chance, limits=question.limits
            )
        if question.served is not None:
            served = serve(believed, C, question.served, limits=question.limits)
    told = _otherwise(routes, fits, decision, question, prob, kept, tick)
    after = _next(believed, C, prob, question.limits, kept) if believed else []
    checks += [
        _asked(check)
        for found in (reached, served)
        if found
        for check in found.checks()
    ]
    book, record = question.ledger, None
    if book:
        record = track_record(book)
        checks += record.checks()
    owed = _owed(routes, fits, decision, prob, kept, quick=question.quick)
    checks += _read([owed["check"]])
    checks = _checks(routes, comparisons, risks, C, checks, kept)
    words = headline(routes, decision, prob, worst(checks), dict(risks))
    alone = regret_alone(decision, dict(risks))
    document = {
        "headline": words,
        "status": str(worst(checks)),
        "data": routes.runs.source,
        "seed": routes.primary.fit.seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [check.as_json() for check in checks],
        "decision": decision.as_json(prob) | {"expected_regret_alone": alone},
        "held_out": [trial.as_json() for trial in held],
        "forecasts": told_beforehand(book, prob) if book else None,
        "not_tested": UNTESTED if question.quick else None,
        "loss_by_budget": line.as_json() if line else None,
        "target": reached.as_json(prob) if reached else None,
        "serving": served.as_json(prob) if served else None,
        "routes": [_route(route, prob, kept) for route in routes.fitted],
        "routes_missing": dict(routes.missing),
        "risk": [{"route": name} | risk.as_json(prob) for name, risk in risks],
        "placed": records.placed(routes.fitted, question.candidates, C),
        "universes": told,
        "owed_to_priors": owed,
        "published": [records.published(one, prob) for one in comparisons],
        "released": _released(routes, comparisons, believed, C, prob),
        "next_runs": after,
        "provenance": records.provenance(routes, command),
    }
    return Facts(
        words,
        checks,
        comparisons,
        decision,
        risks,
        held,
        line,
        document,
        reached,
        served,
        record,
    )


def usual_published(source: str) -> list[str]:
    """Name the published fit people would hold these runs against."""
    return ["llama3"] if source.startswith("llama3") else ["chinchilla"]


def _believed(
    routes: Routes, fits: dict[str, Any], held: list[RouteHoldOut]
) -> tuple[Any, Check | None]:
    """What the decision rests on: the routes that have a loss, by their hold-out scores."""
    if routes.average is not None and fits:
        return routes.average, None
    if len(fits) < 2:
        return next(iter(fits.values()), None), None
    shares, how = route_weights(list(fits), held)
    return Average(tuple(fits.values()), tuple(fits), shares, how), how


def _weighted(routes: Routes, how: Check | None) -> str:
    """Say how the weights of a mixture come about."""
    if routes.average is not None:
        return "with the weights it was saved with"
    if how is not None and how.status is Status.PASS:
        return "weighted by what each said of held-out runs"
    return "weighted equally, as nothing held out tells them apart"


def _tested(
    names: list[str], held: list[RouteHoldOut], question: Question
) -> list[Check]:
    if question.quick:
        return [Check("held-out runs", Status.REVIEW, f"not tested: {UNTESTED}")]
    return check_hold_outs(held, names)


def _released(
    routes: Routes, held: list[Comparison], believed: Any, C: float, prob: float
) -> list[dict[str, Any]]:
    """Released language models, where the law compared with is one of such."""
    if any(one.published.modality != "text" for one in held):
        return []
    return records.released(believed or routes.primary.fit, C, prob)


def _route(route: Route, prob: float, kept: Kept) -> dict[str, Any]:
    """One route's record; its unknowns do not change with what is asked."""
    made_of = ["unknowns", of_fit(route.fit), prob]
    unknowns = kept.answer(made_of, lambda: records.unknowns(route.fit, prob))
    return records.route(route, prob) | {"unknowns": unknowns}


def _next(
    believed: Any, C: float, prob: float, limits: Limits, kept: Kept
) -> list[dict[str, Any]]:
    """Runs to make first, most worth per FLOP first."""
    weights = getattr(believed, "weights", ())
    made_of = [
        "next",
        [of_fit(part) for part in believed.components],
        weights,
        C,
        prob,
        limits,
    ]
    return kept.answer(
        made_of,
        lambda: [
            run.as_json() for run in single_runs(believed, C, prob, limits=limits)
        ],
    )


def _owed(
    routes: Routes,
    fits: dict[str, Any],
    decision: Decision,
    prob: float,
    kept: Kept,
    *,
    quick: bool,
) -> dict[str, Any]:
    """The decision of the weightiest route under priors half and twice as wide."""
    name = _weightiest(routes, fits, decision)
    fit, C = fits.get(name, routes.primary.fit), decision.C

    def tried() -> dict[str, Any]:
        moved = sensitivity(fit, budgets=[C])
        scales = prior_scales(fit, [C], moved, prob, refit=not quick)
        check = check_scales(scales, moved).as_json()
        return {
            "route": name,
            "budget": C,
            "scales": [s.as_json() for s in scales],
            "check": check,
        }

    return kept.answer(["owed to priors", of_fit(fit), C, prob, quick], tried)


def _weightiest(routes: Routes, fits: dict[str, Any], decision: Decision) -> str:
    """The route with most weight in the decision, or the one that leads without a loss."""
    if not fits:
        return routes.primary.title
    return max(fits, key=lambda name: decision.weights.get(name, 0.0))


def _otherwise(
    routes: Routes,
    fits: dict[str, Any],
    decision: Decision,
    question: Question,
    prob: float,
    kept: Kept,
    tick: Ticks,
) -> list[dict[str, Any]]:
    """The decision in other universes; none where re-fits are left out."""
    if question.quick:
        return []
    laws = {r.title: r.fit for r in routes.fitted} | dict(routes.alternatives)
    name = _weightiest(routes, fits, decision)
    action, C = Action("recommended", decision.N, decision.D), decision.C
    found = universes(laws, name, kept, tick)
    return side_by_side(
        [
            partial(evaluate_universe, one, action, C, prob, kept, question.limits)
            for one in found
        ]
    )


def _checks(
    routes: Routes,
    comparisons: list[Comparison],
    risks: list[tuple[str, Risk]],
    C: float,
    also: list[Check],
    kept: Kept,
) -> list[Check]:
    """Collect checks with their route's name; what is said twice, once."""
    shared = set(routes.runs.notes)
    said: dict[Check, list[str]] = {}
    for route in routes.fitted:
        for check in [
            *_of_fit(route, kept),
            *_of_plan(route, kept),
            *route.plan.checks(),
        ]:
            if check not in shared:
                said.setdefault(check, []).append(route.title)
    for name, risk in risks[:1]:
        for check in risk.checks():
            said.setdefault(check, [name])
    checks = [routes.disagreement(C), *routes.runs.notes]
    checks += [check for check in also if check not in said]
    checks += [_of(check, who, len(routes.fitted)) for check, who in said.items()]
    checks += routes.checks
    for held in comparisons:
        checks += [
            c._replace(name=f"{held.published.id}: {c.name}") for c in held.checks()
        ]
    return sorted(plainly(checks), key=lambda check: ORDER.index(check.status))


def _asked(check: Check) -> Check:
    """What is not reached is no fault of the numbers: they may be acted on, by not trying."""
    return check._replace(
        status=min(check.status, Status.REVIEW, key=ORDER[::-1].index)
    )


def _of_fit(route: Route, kept: Kept) -> list[Check]:
    """Checks of a fit, which do not change with what is asked of it."""
    made_of = ["checks", of_fit(route.fit)]
    checks = kept.answer(made_of, lambda: [c.as_json() for c in check_fit(route.fit)])
    return _read(checks)


def _of_plan(route: Route, kept: Kept) -> list[Check]:
    """Checks of a plan at its budgets."""
    plan = route.plan
    made_of = ["plan checks", of_fit(route.fit), plan.budgets.tolist()]
    return _read(kept.answer(made_of, lambda: [c.as_json() for c in check_plan(plan)]))


def _read(checks: list[dict[str, str]]) -> list[Check]:
    """Checks of plain data."""
    return [Check(c["name"], Status(c["status"]), c["detail"]) for c in checks]


def _of(check: Check, who: list[str], routes: int) -> Check:
    """Name whose check it is."""
    whose = "every route" if len(who) == routes > 1 else ", ".join(who)
    return check._replace(name=f"{whose}: {check.name}")
