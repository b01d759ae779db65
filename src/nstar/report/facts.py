"""Every number and check of a report, as the document its page is made from."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from nstar.answers import Document
from nstar.cores import side_by_side
from nstar.design.piloting import single_runs
from nstar.downstream.joint_tasks import JointTasks
from nstar.downstream.task_scores import TaskScores, score_tasks
from nstar.fits.mixture import Average
from nstar.fits.refit_cache import RefitCache, of_fit
from nstar.ledger.entries import Ledger
from nstar.ledger.verification import Record, track_record
from nstar.ledger.verification import as_json as forecasts_json
from nstar.multipliers.comparing import Recipes
from nstar.plans.actions import ANY, Action, Limits
from nstar.plans.bills import Bill
from nstar.plans.routes import Route, Routes
from nstar.plans.serving import Served, serve
from nstar.plans.targets import Reach, reach
from nstar.plans.weighing import Risk, weigh
from nstar.predictions.distances import check_forms
from nstar.report import records
from nstar.report.decision import Decision, decide
from nstar.report.headline import headline, regret_alone
from nstar.report.loss_by_budget import LossByBudget, loss_by_budget
from nstar.report.sheet import evidence, sheet
from nstar.report.signature import Signature
from nstar.report.verdict import Verdict, rule
from nstar.types import Scattered, Surface
from nstar.validation.checks import check_fit, check_optima
from nstar.validation.comparison import Comparison, compare
from nstar.validation.hindsight import (
    RouteHoldOut,
    check_hold_outs,
    hold_out_routes,
    route_weights,
)
from nstar.validation.power_scaling import sensitivity
from nstar.validation.prior_scales import check_scales, prior_scales
from nstar.validation.public_record import PublicRecord, public_record
from nstar.validation.universes import evaluate_universe, universes
from nstar.verdicts import Check, Status, worst
from nstar.wording import plainly

ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)
UNTESTED = "the re-fits that would test it were left out (--quick)"
type Ticks = Callable[[str, int, int], None]


class Question(NamedTuple):
    """What a report is to answer besides the budget."""

    candidates: Sequence[Action] = ()
    limits: Limits = ANY
    target: float | None = None  # loss
    bill: Bill | None = None
    chance: float = 0.9  # with which the target is to be reached
    served: Any = None  # tokens over the lifetime, a number or a distribution
    quick: bool = False  # leaves out whatever needs another fit
    ledger: Ledger | None = None  # of the project's forecasts
    signature: Signature = Signature()
    recipes: Recipes | None = None  # compared, of which the page's is the one to choose
    tasks: JointTasks | None = None  # whose accuracies the page is to foretell


@dataclass(frozen=True)
class Facts:
    """The report before it is a page."""

    headline: str
    checks: list[Check]  # worst first
    comparisons: list[Comparison]
    decision: Decision
    risks: list[tuple[str, Risk]]  # by route or mixture; that of the decision first
    hold_outs: list[RouteHoldOut]
    loss_by_budget: LossByBudget | None
    document: Document  # the same as plain data
    verdict: Verdict
    reach: Reach | None = None
    served: Served | None = None
    record: Record | None = None  # of the project's forecasts
    recipes: Recipes | None = None  # compared, where the table has several
    tasks: TaskScores | None = None  # of the recommended run
    _: KW_ONLY
    public: PublicRecord  # what is known of the budget, and published of these runs


def gather(
    routes: Routes,
    published: Sequence[str] | None,
    prob: float,
    command: str,
    question: Question = Question(),  # noqa: B008  nothing in it changes
    cache: RefitCache = RefitCache(),  # noqa: B008
    tick: Ticks = lambda name, done, total: None,
) -> Facts:
    """Read intervals, checks and comparisons off the routes, and test them on their own runs.

    Args:
        routes: the fitted routes.
        published: ids of published fits; the usual one for these runs unless given.
        prob: probability of every interval.
        command: what the user typed, for the provenance.
        question: candidates, limits, a target, a bill, a lifetime.
        cache: of re-fits made before.
        tick: progress of the re-fits.
    """
    names = list(published) if published else usual_published(routes.runs.source)
    budgets = [float(C) for C in routes.primary.plan.budgets]
    C = budgets[-1]
    fits = {r.title: r.fit for r in routes.fitted if isinstance(r.fit.law, Surface)}
    tested = fits or {
        r.title: r.fit for r in routes.fitted if isinstance(r.fit.law, Scattered)
    }
    hold_outs = [] if question.quick else hold_out_routes(tested, cache, tick)
    checks = _hold_out_checks(list(tested), hold_outs, question)
    posterior, weighting = _posterior(routes, fits, hold_outs)
    checks += [weighting] if weighting else []
    decision = decide(
        routes, posterior, question.limits, _describe_weights(routes, weighting)
    )
    decision = replace(decision, doubts=_doubts(routes, decision, cache))
    comparisons = [
        compare(routes.primary.fit, n, budgets, planned=routes.primary.plan)
        for n in names
    ]

    plans = {route.title: route.plan for route in routes.fitted} | {
        decision.by: decision.plan
    }
    mixture = {decision.by: posterior} if posterior else {}
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
        for name, fit in (mixture | fits).items()
    ]
    curve = reach_answer = serve_answer = None
    if posterior:
        curve = loss_by_budget(posterior, budgets, question.limits)
        if question.target is not None:
            reach_answer = reach(
                posterior, question.target, question.chance, limits=question.limits
            )
        if question.served is not None:
            serve_answer = serve(posterior, C, question.served, limits=question.limits)
    multiverse = _multiverse(routes, fits, decision, question, prob, cache, tick)
    next_runs = (
        _next_runs(posterior, C, prob, question.limits, cache) if posterior else None
    )
    checks += [
        _capped_at_review(check)
        for check in [
            *(reach_answer.checks() if reach_answer else ()),
            *(serve_answer.check_choice() if serve_answer else ()),
        ]
    ]
    ledger, record = question.ledger, None
    if ledger:
        record = track_record(ledger)
        checks += record.checks()
    recipes = question.recipes
    if recipes:
        checks += [
            _capped_at_review(c._replace(name=f"recipes: {c.name}"))
            for c in recipes.checks()
            if c not in recipes.runs.notes
        ]
    tasks = None
    if question.tasks is not None:
        tasks = score_tasks(question.tasks, N=[decision.N], D=[decision.D])
    public = public_record(
        {route.title: route.plan for route in routes.fitted},
        posterior,
        C,
        (decision.N, decision.D),
    )
    scales = _prior_scales(routes, fits, decision, prob, cache, quick=question.quick)
    checks += _parse_checks([scales["check"]])
    checks = _collect_checks(routes, comparisons, risks, C, checks, cache)
    sentence = headline(routes, decision, prob, worst(checks), dict(risks))
    regret = regret_alone(decision, dict(risks))
    verdict = rule(checks, _chance(question, risks), next_runs, question.bill)
    document = {
        "headline": sentence,
        "status": str(worst(checks)),
        "data": routes.runs.source,
        "seed": routes.primary.fit.seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [check.as_json() for check in checks],
        "verdict": verdict.as_json(prob),
        "evidence": evidence(routes, C),
        "decision": decision.as_json(prob) | {"expected_regret_alone": regret},
        "held_out": [trial.as_json() for trial in hold_outs],
        "forecasts": forecasts_json(ledger, prob) if ledger else None,
        "recipes": recipes.as_json(prob) if recipes else None,
        "not_tested": UNTESTED if question.quick else None,
        "loss_by_budget": curve.as_json() if curve else None,
        "target": reach_answer.as_json(prob) if reach_answer else None,
        "serving": serve_answer.as_json(prob) if serve_answer else None,
        "routes": [_route(route, prob, cache) for route in routes.fitted],
        "routes_missing": dict(routes.missing),
        "risk": [{"route": name} | risk.as_json(prob) for name, risk in risks],
        "placed": records.place_candidates(routes.fitted, question.candidates, C),
        "universes": multiverse,
        "owed_to_priors": scales,
        "published": [
            records.published_record(comparison, prob) for comparison in comparisons
        ],
        "public_record": public.as_json(prob),
        "released": _released(routes, comparisons, posterior, C, prob),
        "next_runs": next_runs or [],
        "provenance": records.provenance(routes, command),
    }
    if tasks is not None:
        checked = {"checks": [check.as_json() for check in tasks.checks()]}
        document["tasks"] = tasks.as_json(prob) | checked
    document["sheet"] = sheet(document, decision, question.bill, question.signature)
    return Facts(
        sentence,
        checks,
        comparisons,
        decision,
        risks,
        hold_outs,
        curve,
        document,
        verdict,
        reach_answer,
        serve_answer,
        record,
        recipes,
        tasks,
        public=public,
    )


def _chance(question: Question, risks: list[tuple[str, Risk]]) -> Document | None:
    """Return the target, the chance asked for and that of the recommended run, where there is one."""
    if question.target is None or not risks:
        return None
    return {
        "loss": question.target,
        "asked": question.chance,
        "chance": risks[0][1].chance_of_target,
    }


def _doubts(
    routes: Routes, decision: Decision, cache: RefitCache
) -> dict[str, dict[str, str]]:
    """Return the checks of a fit that are not PASS, by the routes that have a weight in the decision."""
    doubts = {}
    for route in routes.fitted:
        if decision.weights.get(route.title, float(route.title == decision.by)) > 0:
            checks = [
                c for c in _fit_checks(route, cache) if c.status is not Status.PASS
            ]
            doubts[route.title] = {c.name: str(c.status) for c in checks}
    return {title: names for title, names in doubts.items() if names}


def usual_published(source: str) -> list[str]:
    """Name the published fit people would hold these runs against."""
    return ["llama3"] if source.startswith("llama3") else ["chinchilla"]


def _posterior(
    routes: Routes, fits: Document, hold_outs: list[RouteHoldOut]
) -> tuple[Any, Check | None]:
    """Mix the routes that have a loss by their hold-out scores; the check is on the weights."""
    if routes.average is not None and fits:
        return routes.average, None
    if len(fits) < 2:
        return next(iter(fits.values()), None), None
    weight, check = route_weights(list(fits), hold_outs)
    return Average(tuple(fits.values()), tuple(fits), weight, check), check


def _describe_weights(routes: Routes, check: Check | None) -> str:
    """Say how the weights of a mixture come about."""
    if routes.average is not None:
        return "with the weights it was saved with"
    if check is not None and check.status is Status.PASS:
        return "weighted by what each said of held-out runs"
    return "weighted equally, as nothing held out tells them apart"


def _hold_out_checks(
    names: list[str], hold_outs: list[RouteHoldOut], question: Question
) -> list[Check]:
    if question.quick:
        return [
            Check(
                "held-out runs",
                Status.REVIEW,
                f"not tested: {UNTESTED}; run it without",
            )
        ]
    return check_hold_outs(hold_outs, names)


def _released(
    routes: Routes, comparisons: list[Comparison], posterior: Any, C: float, prob: float
) -> list[Document]:
    """Compare released language models, where the published fits are of such."""
    if any(comparison.published.modality != "text" for comparison in comparisons):
        return []
    return records.released_models(posterior or routes.primary.fit, C, prob)


def _route(route: Route, prob: float, cache: RefitCache) -> Document:
    """Return one route's record; the summary of its unknowns is cached."""
    key = ["unknowns", of_fit(route.fit), prob]
    unknowns = cache.answer(key, lambda: records.unknowns(route.fit, prob))
    return records.route_record(route, prob) | {"unknowns": unknowns}


def _next_runs(
    posterior: Any, C: float, prob: float, limits: Limits, cache: RefitCache
) -> list[Document]:
    """Rank the runs to make first, by worth per FLOP."""
    weights = getattr(posterior, "weights", ())
    key = [
        "runs to make next",
        [of_fit(part) for part in posterior.components],
        weights,
        C,
        prob,
        limits,
    ]
    return cache.answer(
        key,
        lambda: [
            run.as_json() for run in single_runs(posterior, C, prob, limits=limits)
        ],
    )


def _prior_scales(
    routes: Routes,
    fits: Document,
    decision: Decision,
    prob: float,
    cache: RefitCache,
    *,
    quick: bool,
) -> Document:
    """Repeat the decision of the heaviest route under priors half and twice as wide."""
    route = _heaviest_route(routes, fits, decision)
    fit, C = fits.get(route, routes.primary.fit), decision.C

    def rescale() -> Document:
        sensitivities = sensitivity(fit, budgets=[C])
        scales = prior_scales(fit, [C], sensitivities, prob, refit=not quick)
        check = check_scales(scales, sensitivities).as_json()
        return {
            "route": route,
            "budget": C,
            "scales": [s.as_json() for s in scales],
            "check": check,
        }

    return cache.answer(["owed to priors", of_fit(fit), C, prob, quick], rescale)


def _heaviest_route(routes: Routes, fits: Document, decision: Decision) -> str:
    """Name the route with most weight in the decision, or the lead where none has a loss."""
    if not fits:
        return routes.primary.title
    return max(fits, key=lambda name: decision.weights.get(name, 0.0))


def _multiverse(
    routes: Routes,
    fits: Document,
    decision: Decision,
    question: Question,
    prob: float,
    cache: RefitCache,
    tick: Ticks,
) -> list[Document]:
    """Repeat the decision in other universes; none where re-fits are left out."""
    if question.quick:
        return []
    laws = {r.title: r.fit for r in routes.fitted} | dict(routes.alternatives)
    route = _heaviest_route(routes, fits, decision)
    action, C = Action("recommended", decision.N, decision.D), decision.C
    alternatives = universes(laws, route, cache, tick)
    return side_by_side(
        [
            partial(
                evaluate_universe, alternative, action, C, prob, cache, question.limits
            )
            for alternative in alternatives
        ]
    )


def _collect_checks(
    routes: Routes,
    comparisons: list[Comparison],
    risks: list[tuple[str, Risk]],
    C: float,
    others: list[Check],
    cache: RefitCache,
) -> list[Check]:
    """Collect checks, worst first, each once with the names of the routes it is of."""
    shared = set(routes.runs.notes)
    routes_of: dict[Check, list[str]] = {}
    for route in routes.fitted:
        for check in [
            *_fit_checks(route, cache),
            *_plan_checks(route, cache),
            *route.plan.checks(),
        ]:
            if check not in shared:
                routes_of.setdefault(check, []).append(route.title)
    for name, risk in risks[:1]:
        for check in risk.check_actions():
            routes_of.setdefault(check, [name])
    checks = [routes.disagreement(C), routes.extrapolation(C), *routes.runs.notes]
    checks += [check for check in others if check not in routes_of]
    checks += [
        _prefix(check, names, len(routes.fitted)) for check, names in routes_of.items()
    ]
    checks += routes.checks
    for comparison in comparisons:
        checks += [
            c._replace(name=f"{comparison.published.id}: {c.name}")
            for c in comparison.checks()
        ]
    return sorted(plainly(checks), key=lambda check: ORDER.index(check.status))


def _capped_at_review(check: Check) -> Check:
    """Turn FAIL into REVIEW: a target out of reach does not make the numbers wrong."""
    return check._replace(
        status=min(check.status, Status.REVIEW, key=ORDER[::-1].index)
    )


def _fit_checks(route: Route, cache: RefitCache) -> list[Check]:
    """Return the checks of a fit, which do not depend on the question."""
    key = ["checks", of_fit(route.fit)]
    checks = cache.answer(key, lambda: [c.as_json() for c in check_fit(route.fit)])
    return _parse_checks(checks)


def _plan_checks(route: Route, cache: RefitCache) -> list[Check]:
    """Return the checks of a plan at its budgets."""
    plan = route.plan
    key = ["checks of optima", of_fit(route.fit), plan.budgets.tolist()]
    checks = cache.answer(key, lambda: [c.as_json() for c in check_optima(plan)])
    return [*check_forms(route.fit, plan.budgets), *_parse_checks(checks)]


def _parse_checks(checks: list[dict[str, str]]) -> list[Check]:
    """Build checks from plain data."""
    return [Check(c["name"], Status(c["status"]), c["detail"]) for c in checks]


def _prefix(check: Check, names: list[str], total: int) -> Check:
    """Put the names of its routes before a check's name."""
    owner = "every route" if len(names) == total > 1 else ", ".join(names)
    return check._replace(name=f"{owner}: {check.name}")
