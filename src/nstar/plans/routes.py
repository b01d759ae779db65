"""Three routes from a table of runs to N*(C) and D*(C), side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from nstar.cores import side_by_side
from nstar.departures.bending import amplitudes
from nstar.departures.pooling import Pooled
from nstar.fits.fitting import Fit, fit
from nstar.fits.kept import Kept, of_runs
from nstar.fits.mixture import Average, Posterior
from nstar.fits.model import named, unknowns
from nstar.laws import LAWS
from nstar.plans.actions import ANY, Limits
from nstar.plans.planning import Plan, plan
from nstar.priors.sets import Priors, PriorSet, as_set
from nstar.priors.stated import describe
from nstar.runs.asking import TooFew
from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima
from nstar.types import Surface
from nstar.verdicts import Check, Status

DISAGREE = 1.3  # ratio of two routes' medians from which they are said to disagree
FORM_MATTERS = 1.3  # ratio of D* under two forms from which the choice is for review
NARROW = 0.2  # decades of D/N at like compute below which a surface has nothing to hold on to
WORDS = {
    "isoflop": "isoFLOP profiles",
    "allocation": "measured optima",
    "coupled": "loss surface",
}
LEAD = ("isoflop", "allocation", "coupled")  # whose numbers the headline starts with
ADDITIVE = "chinchilla"  # what most people fit
SURFACE = "coupled"  # bent, it scores best: benchmarks/results/extrapolation.md


@dataclass(frozen=True)
class Route:
    """One law fitted to these runs, and its plan."""

    name: str  # of the law
    fit: Fit
    plan: Plan

    @property
    def words(self) -> str:
        """What the route looks at."""
        return WORDS.get(self.name, f"{self.name} law")


@dataclass(frozen=True)
class Routes:
    """The routes these runs allow, the leading one first, and why others are missing."""

    runs: Observations
    taken: tuple[Route, ...]
    missing: Mapping[str, str]
    also: tuple[Check, ...] = ()  # what another choice of the analyst would have said
    other: Mapping[str, Fit] = field(default_factory=dict)  # fits of that choice
    average: Average | None = None  # of the routes, where their weights are given

    @property
    def lead(self) -> Route:
        """Return the route whose numbers the headline starts with."""
        return self.taken[0]

    def spread(self, C: float) -> list[tuple[float, str]]:
        """Median D* of every route at a budget, least first."""
        return sorted(
            (float(np.median(r.plan.draws["D"].sel(budget=C))), r.words)
            for r in self.taken
        )

    def disagreement(self, C: float) -> Check:
        """Say how far apart the routes put D* at a budget."""
        (low, least), *_, (high, most) = [*self.spread(C), *self.spread(C)[-1:]]
        if len(self.taken) == 1:
            detail = (
                f"only one route ({least}) is open to these runs, so none checks it"
            )
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


def possible(runs: Observations) -> tuple[dict[str, Observations], dict[str, str]]:
    """Say which laws these runs can carry, on which data, and why not the others."""
    on: dict[str, Observations] = {}
    why: dict[str, str] = {}
    runs = _with_profiles(runs)
    profiles = "budget" in runs and "L" in runs and "D" in runs
    if profiles:
        try:
            on["allocation"] = measured_optima(runs)
            on["isoflop"] = runs
        except ValueError as error:
            why["allocation"] = why["isoflop"] = str(error)
    elif _are_optima(runs):
        on["allocation"] = runs
        why["isoflop"] = "the table holds one optimum a budget, not whole profiles"
    else:
        why["isoflop"] = why["allocation"] = "C does not repeat in isoFLOP budgets"
    if not all(name in runs for name in ("N", "D", "L")):
        why[SURFACE] = "the table lacks N, D or L"
    elif not profiles and _are_optima(runs):
        why[SURFACE] = (
            "the runs lie on one line in (N, D), where size and data cannot be told apart"
        )
    else:
        on[SURFACE] = runs
    return on, why


def _with_profiles(runs: Observations) -> Observations:
    """Drop budgets of one run each, as optima have them: they are no profiles."""
    if "budget" not in runs:
        return runs
    budget = runs["budget"][~np.isnan(runs["budget"])]
    if len(np.unique(budget)) < len(budget):
        return runs
    columns = {name: v for name, v in runs.columns.items() if name != "budget"}
    return replace(runs, columns=columns)


def _are_optima(runs: Observations) -> bool:
    """Say whether the runs look like one compute-optimal point a budget."""
    if "C" not in runs or "D" not in runs or "N" not in runs or len(runs) < 3:
        return False
    c, ratio = np.log10(runs["C"]), np.log10(runs["D"] / runs["N"])
    if len(np.unique(np.round(c, 3))) < len(c):
        return False
    left = ratio - np.polyval(np.polyfit(c, ratio, 1), c)
    return bool(np.std(left) < NARROW)


def routes(
    runs: Observations,
    budgets: Sequence[float],
    *,
    seed: int = 0,
    only: Sequence[str] = (),
    priors: Priors = None,
    limits: Limits = ANY,
    kept: Kept = Kept(),  # noqa: B008  nothing in it changes
    tick: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Routes:
    """Fit every law these runs can carry and plan each budget with each.

    Args:
        runs: a checked table.
        budgets: training FLOP.
        seed: of every fit.
        only: laws to take, all that are possible unless given.
        priors: as `fit` takes them; each route takes those of its own unknowns.
        limits: on the recommended runs of routes that have a loss.
        kept: where fits lie that were made before.
        tick: called with the route's name and its progress.

    Raises:
        ValueError: the table is of none of the routes.
        TooFew: it is, but has too few runs for any.
    """
    on, why = possible(runs)
    names = [name for name in LEAD if name in on and (not only or name in only)]
    if not names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in why.items())
        msg = f"{runs.source}: no route to N*(C) is open ({reasons})"
        raise ValueError(msg)
    as_set(priors).require({n for name in LEAD for n in _known(name)})

    def made(name: str, part: Observations, discrepancy: str | None = None) -> Fit:
        own = _own(name, priors)
        told = {
            n: p if isinstance(p, str) else describe(p)
            for n, p in own.overrides.items()
        }
        return kept.fit(
            [
                "route",
                name,
                of_runs(part),
                part.notes,
                own.name,
                own.without,
                told,
                seed,
                discrepancy,
            ],
            lambda: fit(
                part,
                name,
                None,
                own,
                seed,
                tick=lambda d, t: tick(name, d, t),
                discrepancy=discrepancy,
            ),
        )

    def route(name: str) -> Route | TooFew:
        try:
            return _route(name, made(name, on[name]), budgets, limits)
        except TooFew as error:
            return error

    def additive() -> tuple[Fit, Plan] | None:
        try:
            found = made(ADDITIVE, on[SURFACE], "none")
        except TooFew:  # and so is the surface's own fit
            return None
        return found, plan(found, budgets)

    jobs: list[Callable[[], Any]] = [partial(route, name) for name in names[::-1]]
    jobs += [additive] * (SURFACE in names)  # the slowest are begun first
    found = side_by_side(jobs)
    each = dict(zip(names, found[len(names) - 1 :: -1], strict=True))
    why |= {n: str(error) for n, error in each.items() if isinstance(error, TooFew)}
    taken = tuple(route for route in each.values() if isinstance(route, Route))
    if not taken:
        raise TooFew("; ".join(why[name] for name in names))
    if not isinstance(each.get(SURFACE), Route):
        return Routes(runs, taken, why)
    exact, planned = found[-1]
    also = (_form_matters(taken[-1].plan, planned),)
    return Routes(runs, taken, why, also, {"additive law, exact": exact})


def _route(name: str, fit: Fit, budgets: Sequence[float], limits: Limits) -> Route:
    has_loss = isinstance(fit.law, Surface)
    return Route(name, fit, plan(fit, budgets, limits=limits if has_loss else ANY))


def of_saved(
    saved: Posterior, budgets: Sequence[float], limits: Limits = ANY
) -> Routes:
    """Take a saved fit as the one route there is, or the laws of an average as routes.

    Raises:
        ValueError: the fit is of groups, of which one is to be named.
    """
    parts = saved.components
    if any(isinstance(part.law, Pooled) for part in parts):
        msg = "a pooled fit has a plan for each group: nstar plan, risk and target take --group"
        raise ValueError(msg)
    names = saved.names if isinstance(saved, Average) else (_called(parts[0]),)
    taken = [_route(n, f, budgets, limits) for n, f in zip(names, parts, strict=True)]
    average = saved if isinstance(saved, Average) else None
    if average is not None:  # by the words of the page
        average = replace(average, names=tuple(route.words for route in taken))
    return Routes(saved.runs, tuple(taken), {}, average=average)


def _called(fit: Fit) -> str:
    """Name a law as it is asked for."""
    kinds = [name for name, kind in LAWS.items() if kind is type(fit.straight)]
    return (kinds or [type(fit.straight).__name__])[0]


def _form_matters(ours: Plan, additive: Plan) -> Check:
    """Say what the additive law alone would ask for, which is what people fit."""
    C = float(ours.budgets[-1])
    both = [float(np.median(p.draws["D"].sel(budget=C))) for p in (ours, additive)]
    detail = (
        f"at {C:.3g} FLOP median D* is {both[0]:.3g} tokens with the coupled law that may "
        f"bend and {both[1]:.3g} tokens with the additive law alone"
    )
    far = max(both) / min(both) > FORM_MATTERS
    if far:
        detail += "; the additive law is what is usually fitted, and its interval does not hold this difference"
    name = f"{WORDS[SURFACE]}: choice of form"
    return Check(name, Status.REVIEW if far else Status.PASS, detail)


def _own(name: str, priors: Priors) -> PriorSet:
    """Priors of the unknowns this law has."""
    return as_set(priors).only(_known(name))


def _known(name: str) -> set[str]:
    law, noise = named(name, None)
    return {*unknowns(law, noise)} | amplitudes(law)
