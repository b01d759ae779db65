"""Three routes from a table of runs to N*(C) and D*(C), side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from nstar.cores import side_by_side
from nstar.departures.pooling import Pooled
from nstar.fits.fitting import Fit, fit
from nstar.fits.mixture import Average, Posterior
from nstar.fits.model import parse_model
from nstar.fits.refit_cache import RefitCache, of_runs
from nstar.laws import ROUTE_LAWS, name_of
from nstar.plans.actions import ANY, Limits
from nstar.plans.planning import Plan, plan
from nstar.predictions.distances import check_distance, largest
from nstar.priors.sets import Priors, PriorSet, as_set
from nstar.priors.stated import describe
from nstar.runs.law_data import TooFew
from nstar.runs.observations import Observations
from nstar.runs.routing import SURFACE, assign_runs
from nstar.types import Surface
from nstar.verdicts import Check, Status, worst
from nstar.wording import flop

DISAGREE = 1.3  # ratio of two routes' medians from which they disagree
FORM_MATTERS = 1.3  # ratio of D* under two forms from which the choice is for review
NEARLY = 0.99  # of the largest run: runs that end before it reach less far
TITLES = {
    "isoflop": "isoFLOP profiles",
    "allocation": "measured optima",
    "coupled": "loss surface",
}
ADDITIVE = "chinchilla"  # what most people fit


@dataclass(frozen=True)
class Route:
    """One law fitted to these runs, and its plan."""

    name: str  # of the law
    fit: Fit
    plan: Plan

    @property
    def title(self) -> str:
        """Title of the route, by the data that it is fitted to."""
        return TITLES.get(self.name, f"{self.name} law")


@dataclass(frozen=True)
class Routes:
    """The routes these runs allow, the primary one first, and why others are missing."""

    runs: Observations
    fitted: tuple[Route, ...]
    missing: Mapping[str, str]  # reason by law
    checks: tuple[Check, ...] = ()  # what an alternative law would have recommended
    alternatives: Mapping[str, Fit] = field(default_factory=dict)  # fits of such laws
    average: Average | None = None  # of the routes, where their weights are given

    @property
    def primary(self) -> Route:
        """The route whose numbers the headline starts with."""
        return self.fitted[0]

    @property
    def learned_from(self) -> Observations:
        """The runs of the route that has learned from most; how far answers reach is from these."""
        return max((route.fit.runs for route in self.fitted), key=len)

    def spread(self, C: float) -> list[tuple[float, str]]:
        """Median D* of every route at a budget, least first."""
        return sorted(
            (float(np.median(r.plan.draws["D"].sel(budget=C))), r.title)
            for r in self.fitted
        )

    def extrapolation(self, C: float) -> Check:
        """Check once for all routes how far a budget lies beyond the runs."""
        check = check_distance(self.learned_from, C, what="the")
        near = NEARLY * largest(self.learned_from)
        shorter = [r for r in self.fitted if largest(r.fit.runs) < near]
        if not shorter:
            return check
        ends = " and ".join(
            f"the {r.title} (runs up to {flop(largest(r.fit.runs), 3)} FLOP)"
            for r in shorter
        )
        detail = f"{check.detail}. Less far reach {ends}"
        status = worst([check, *(check_distance(r.fit.runs, C) for r in shorter)])
        if status is Status.FAIL is not check.status:
            detail += ", which cannot support it: leave them out (--law), or add runs"
        return Check(check.name, status, detail)

    def disagreement(self, C: float) -> Check:
        """Check that the routes' median D* at a budget agree within a factor of 1.3."""
        (low, least), *_, (high, most) = [*self.spread(C), *self.spread(C)[-1:]]
        if len(self.fitted) == 1:
            detail = f"only one route ({least}) is open to these runs, so none checks it; add what another takes (isoFLOP budgets for profiles, sizes and tokens that vary apart for a surface)"
            return Check("routes agree", Status.REVIEW, detail)
        ratio = high / low
        detail = (
            f"at {C:.3g} FLOP median D* runs from {low:.3g} ({least}) to "
            f"{high:.3g} tokens ({most}), a factor of {ratio:.2f}"
        )
        if ratio > DISAGREE:
            detail += "; each interval holds only if its own law does, so plan for the whole spread"
        return Check(
            "routes agree",
            Status.REVIEW if ratio > DISAGREE else Status.PASS,
            detail,
        )


def routes(
    runs: Observations,
    budgets: Sequence[float],
    *,
    seed: int = 0,
    only: Sequence[str] = (),
    priors: Priors = None,
    limits: Limits = ANY,
    cache: RefitCache = RefitCache(),  # noqa: B008  nothing in it changes
    tick: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Routes:
    """Fit every law these runs can carry and plan each budget with each.

    Args:
        runs: a checked table.
        budgets: training FLOP.
        seed: of every fit.
        only: laws to fit, all that are possible unless given.
        priors: as `fit` takes them; each route takes those of its own unknowns.
        limits: on the recommended runs of routes that have a loss.
        cache: of earlier fits.
        tick: called with the route's name and its progress.

    Raises:
        ValueError: the table is of none of the routes.
        TooFew: it is, but has too few runs for any.
    """
    data, reasons = assign_runs(runs)
    names = [name for name in ROUTE_LAWS if name in data and (not only or name in only)]
    if not names:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        msg = f"{runs.source}: no route to N*(C) is open ({why})"
        raise ValueError(msg)
    as_set(priors).require({n for name in ROUTE_LAWS for n in _unknowns_of(name)})

    def fit_route(
        name: str, subset: Observations, discrepancy: str | None = None
    ) -> Fit:
        law_priors = _priors_of(name, priors)
        stated = {
            n: p if isinstance(p, str) else describe(p)
            for n, p in law_priors.overrides.items()
        }
        return cache.fit(
            [
                "route",
                name,
                of_runs(subset),
                subset.notes,
                law_priors.name,
                law_priors.without,
                stated,
                seed,
                discrepancy,
            ],
            lambda: fit(
                subset,
                name,
                None,
                law_priors,
                seed,
                tick=lambda d, t: tick(name, d, t),
                discrepancy=discrepancy,
            ),
        )

    def route(name: str) -> Route | TooFew:
        try:
            return _route(name, fit_route(name, data[name]), budgets, limits)
        except TooFew as error:
            return error

    def additive() -> tuple[Fit, Plan] | None:
        try:
            exact = fit_route(ADDITIVE, data[SURFACE], "none")
        except TooFew:  # then the surface's fit was refused as well
            return None
        return exact, plan(exact, budgets)

    jobs: list[Callable[[], Any]] = [partial(route, name) for name in names[::-1]]
    jobs += [additive] * (SURFACE in names)  # the slowest are begun first
    results = side_by_side(jobs)
    by_name = dict(zip(names, results[len(names) - 1 :: -1], strict=True))
    reasons |= {
        n: str(error) for n, error in by_name.items() if isinstance(error, TooFew)
    }
    fitted = tuple(route for route in by_name.values() if isinstance(route, Route))
    if not fitted:
        raise TooFew("; ".join(reasons[name] for name in names))
    if not isinstance(by_name.get(SURFACE), Route):
        return Routes(runs, fitted, reasons)
    additive_fit, additive_plan = results[-1]
    checks = (_check_form(fitted[-1].plan, additive_plan),)
    return Routes(runs, fitted, reasons, checks, {"additive law, exact": additive_fit})


def _route(name: str, fit: Fit, budgets: Sequence[float], limits: Limits) -> Route:
    has_loss = isinstance(fit.law, Surface)
    return Route(name, fit, plan(fit, budgets, limits=limits if has_loss else ANY))


def routes_of_saved(
    saved: Posterior, budgets: Sequence[float], limits: Limits = ANY
) -> Routes:
    """Plan with a saved fit as the only route, or with each law of an average as one.

    Raises:
        ValueError: the fit is of groups, of which one is to be named.
    """
    parts = saved.components
    if any(isinstance(part.law, Pooled) for part in parts):
        msg = "a pooled fit has a plan for each group: nstar plan, risk and target take --group"
        raise ValueError(msg)
    names = saved.names if isinstance(saved, Average) else (name_of(parts[0].straight),)
    fitted = [_route(n, f, budgets, limits) for n, f in zip(names, parts, strict=True)]
    average = saved if isinstance(saved, Average) else None
    if average is not None:  # by the words of the page
        average = replace(average, names=tuple(route.title for route in fitted))
    return Routes(saved.runs, tuple(fitted), {}, average=average)


def _check_form(plan: Plan, additive: Plan) -> Check:
    """Check D* of the bent surface against that of the exact additive law, which most people fit."""
    C = float(plan.budgets[-1])
    medians = [float(np.median(p.draws["D"].sel(budget=C))) for p in (plan, additive)]
    detail = (
        f"at {C:.3g} FLOP median D* is {medians[0]:.3g} tokens with the coupled law that may "
        f"bend and {medians[1]:.3g} tokens with the additive law alone"
    )
    apart = max(medians) / min(medians) > FORM_MATTERS
    if apart:
        detail += "; the additive law is what is usually fitted, and its interval does not hold this difference: decide by the law that may bend"
    name = f"{TITLES[SURFACE]}: choice of form"
    return Check(name, Status.REVIEW if apart else Status.PASS, detail)


def _priors_of(name: str, priors: Priors) -> PriorSet:
    """Priors restricted to the unknowns of this law."""
    return as_set(priors).only(_unknowns_of(name))


def _unknowns_of(name: str) -> set[str]:
    return parse_model(name).prior_names
