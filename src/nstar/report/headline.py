"""The decision in one paragraph."""

from collections.abc import Mapping

from nstar.answers import Document
from nstar.intervals import interval
from nstar.plans.actions import ANY
from nstar.plans.routes import Routes
from nstar.plans.weighing import Risk
from nstar.predictions.distances import FAR, decades_beyond, largest
from nstar.report.decision import MIXTURE, Decision
from nstar.verdicts import Status
from nstar.wording import count, counts, digits, flop, numbers, percent, share

SPENT = 0.99  # share of the budget below which the headline says that a run uses less


def headline(
    routes: Routes,
    decision: Decision,
    prob: float,
    status: Status,
    risks: Mapping[str, Risk],
) -> str:
    """Say what to train, what it reaches, what disagrees, and how far it is from the runs."""
    runs, C = routes.learned_from, decision.C
    decades = decades_beyond(runs, C)
    parts = [_run(decision, prob), _optimum(routes, decision, prob)]
    if decision.by in risks:
        parts.append(_uncertainty_cost(decision, risks, prob))
    if decades > FAR:
        parts.insert(
            0,
            f"{flop(C)} FLOP lies {decades:.1f} decades beyond the largest run ({flop(largest(runs), 3)} FLOP), "
            "farther than these runs can test.",
        )
    if doubts := weighted_doubts(decision.as_json(prob)):
        parts.append(f"{doubts[0].upper()}{doubts[1:]}.")
    if status is Status.FAIL:
        parts.insert(0, "FAIL: do not act on these numbers; see the checks.")
    else:
        parts.append(
            f"{status}: see the checks."
            if status is Status.REVIEW
            else "All checks PASS."
        )
    return " ".join(parts)


def weighted_doubts(decision: Document) -> str:
    """Name the checks that are not PASS of the routes that a decision rests on, with their weights."""
    parts = []
    for route, doubts in decision["doubts"].items():
        for status in (Status.FAIL, Status.REVIEW):
            if names := [name for name, each in doubts.items() if each == status]:
                parts.append(
                    f"in the {route}{_weight(decision, route)} {status}: {', '.join(names)}"
                )
    return "; ".join(parts)


def _weight(decision: Document, route: str) -> str:
    weight = decision["weights"].get(route)
    return "" if weight is None else f" ({share(round(weight, 2))})"


def basis(decision: Decision) -> str:
    """Name the mixture or the route that a decision is made by."""
    if decision.by != MIXTURE:
        return f"the {decision.by}"
    names = " and ".join(
        f"{name} ({share(round(weight, 2))})"
        for name, weight in decision.weights.items()
    )
    return f"the mixture of {names}, {decision.weighted},"


def _run(decision: Decision, prob: float) -> str:
    sentence = f"For {flop(decision.C)} FLOP train {count(decision.N)} parameters on {count(decision.D)} tokens"
    if "loss" not in decision.draws:
        return f"{sentence}, the middle of N* by {basis(decision)}, which has no loss."
    sentence += _limits(decision)
    loss = numbers(interval(decision.draws["loss"], prob), 4)
    return f"{sentence}: loss {loss} (median [{percent(prob)} credible interval of the law]), the least that {basis(decision)} expects."


def _limits(decision: Decision) -> str:
    """Name the limits on the run, what they cost, and compute they leave unspent."""
    plan = decision.plan
    if plan.limits == ANY:
        return ""
    at = plan.draws.sel(budget=decision.C)
    limits = ", ".join(
        f"{name.replace('_', ' ')} {count(value)}"
        for name, value in plan.limits.as_json().items()
    )
    sentence = f" within the limits ({limits}"
    if "limits_cost" in at:
        sentence += (
            f"; they cost {digits(float(at['limits_cost']), 2)} of expected loss"
        )
    spent = float(plan.fit.runs.cost.flop(decision.N, decision.D))
    if spent < SPENT * decision.C:
        sentence += f"; the run uses {flop(spent)} FLOP"
    epochs = plan.limits.epochs(decision.D)
    if epochs is not None:
        sentence += f"; {digits(epochs, 3)} epochs"
    return f"{sentence})"


def _optimum(routes: Routes, decision: Decision, prob: float) -> str:
    """Give N* and D*, and the spread of the routes."""
    N, D = (counts(interval(decision.draws[n], prob)) for n in ("N", "D"))
    sentence = f"N* is {N}, D* {D}"
    if len(routes.fitted) == 1:
        return f"{sentence}; no second route checks it."
    (low, least), *_, (high, most) = routes.spread(decision.C)
    agrees = routes.disagreement(decision.C).status is Status.PASS
    verb = "the routes agree, with" if agrees else "but the routes disagree:"
    return f"{sentence}; {verb} median tokens from {count(low)} ({least}) to {count(high)} ({most})."


def regret_alone(decision: Decision, risks: Mapping[str, Risk]) -> dict[str, float]:
    """Expected regret of each mixed route's own best run, that route believed alone."""
    return {n: risks[n].perfect_information for n in decision.weights if n in risks}


def _uncertainty_cost(
    decision: Decision, risks: Mapping[str, Risk], prob: float
) -> str:
    """State the expected regret, by each route too where several are mixed."""
    run = risks[decision.by].table(prob)[0]
    regrets = regret_alone(decision, risks).items()
    alone = ", ".join(
        f"{digits(regret, 2)} by the {name} alone" for name, regret in regrets
    )
    alone = f" ({alone})" if alone else ""
    return (
        f"Not knowing the law costs {digits(run['expected_regret'], 2)} of loss on average{alone}, as if "
        f"{share(float(round(run['expected_wasted'] / decision.C, 2)))} of the compute were not there."
    )
