"""One decision under other choices of the analyst: law, prior, noise, the runs left out.

A multiverse (Steegen et al. 2016, doi:10.1177/1745691616658637): what the recommended
run would give away if another choice were the right one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nstar.answers import Document
from nstar.fits.fitting import Fit
from nstar.fits.refit_cache import RefitCache, of_fit
from nstar.fits.refitting import repeat_fit
from nstar.fits.reweighting import is_reweighted, reweighted
from nstar.intervals import interval
from nstar.noises.likelihoods import NOISES, StudentT
from nstar.plans.actions import ANY, Action, Limits
from nstar.plans.planning import plan
from nstar.predictions.prediction import law_loss
from nstar.priors import sets as prior_sets
from nstar.types import Surface
from nstar.validation.hindsight import (
    common_top,
    decades_text,
    fit_smaller,
    hold_out_splits,
)

KINDS = ("law", "prior", "noise", "runs")
NEARLY_NORMAL = {"nu": "LogNormal(13.8, 0.01)"}  # a million degrees of freedom
type Ticks = Callable[[str, int, int], None]


class Universe(NamedTuple):
    """A fit under another choice of the analyst."""

    kind: str  # of KINDS
    name: str
    make: Callable[[], Fit]
    key: Any  # of the cache


def universes(
    laws: Mapping[str, Fit],
    primary: str,
    cache: RefitCache,
    tick: Ticks = lambda name, done, total: None,
) -> Iterator[Universe]:
    """List the universes: other laws, then other priors, noise and runs of the primary one.

    Args:
        laws: fits of laws or routes, by name.
        primary: the one whose prior, noise and runs are changed, one at a time.
        cache: of earlier fits.
        tick: progress of the sampling.
    """
    for name, fit in laws.items():
        yield Universe("law", name, lambda fit=fit: fit, ["law", of_fit(fit)])
    fit = laws[primary]
    priors = prior_sets.set_of_fit(fit.tree.attrs, fit.priors)
    noise_kind = type(fit.noise)
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("prior", f"{name} priors", {"priors": replace(priors, name=name)})
        for name in ("weak", "informed")
        if name != priors.name
    ]
    changes += [
        ("noise", f"{name.replace('_', '-')} noise", {"noise": name})
        for name in ("student_t", "normal")
        if not isinstance(NOISES[name], noise_kind)
    ][:1]
    for kind, name, change in changes:
        key = [kind, of_fit(fit), name]

        def make(change: Any = change, name: str = name, key: Any = key) -> Fit:
            def make() -> Fit:
                reweighted_fit = reweighted(fit, **change)
                if reweighted_fit is not None:
                    return reweighted_fit
                otherwise = _equivalent_change(fit, change)
                return repeat_fit(
                    fit, **otherwise, brief=True, tick=lambda d, t: tick(name, d, t)
                )

            return cache.fit(["universe", key], make)

        yield Universe(kind, f"{primary}, {name}", make, key)
    for part in hold_out_splits(fit.runs, common_top(laws.values()))[:1]:
        name = f"{primary}, without the top {decades_text(part.decades)}"
        yield Universe(
            "runs",
            name,
            lambda p=part: fit_smaller(fit, p, cache),
            ["runs", of_fit(fit), part.decades, len(part.train)],
        )


def _equivalent_change(fit: Fit, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Express normal noise as the Student-t whose limit it is; other changes stay as given.

    So it shares the compiled program of the fit itself; at a million degrees of freedom log
    densities within four sds differ from the normal's by less than 1e-4.
    """
    if change.get("noise") != "normal" or not isinstance(fit.noise, StudentT):
        return change
    return {"priors": prior_sets.set_of_fit(fit.tree.attrs, fit.priors) | NEARLY_NORMAL}


def evaluate_universe(
    universe: Universe,
    action: Action,
    C: float,
    prob: float,
    cache: RefitCache,
    limits: Limits = ANY,
) -> Document:
    """Evaluate a run and a budget under a universe; plain data.

    `N` and `D` are intervals of its own N* and D*; `loss` and `regret` those of the
    action, null where its law has no loss; `trouble` that of the sampler, or why there is
    no fit.
    """

    def evaluate() -> Document:
        record = {"kind": universe.kind, "name": universe.name}
        try:
            fit = universe.make()
        except ValueError as error:  # runs that do not carry it
            missing = dict.fromkeys(("N", "D", "loss", "regret", "expected_regret"))
            return record | missing | {"trouble": str(error)}
        return record | _evaluate(fit, action, C, prob, limits)

    return cache.answer(
        [universe.key, universe.name, action.N, action.D, C, prob, limits], evaluate
    )


def _evaluate(
    fit: Fit, action: Action, C: float, prob: float, limits: Limits
) -> Document:
    has_loss = isinstance(fit.law, Surface)
    planned = plan(fit, C, limits=limits if has_loss else ANY, brief=True)
    draws = planned.draws.isel(budget=0)
    record: Document = {n: interval(draws[n], prob).as_json() for n in ("N", "D")}
    record |= {"loss": None, "regret": None, "expected_regret": None, "trouble": None}
    if has_loss:
        loss = law_loss(planned.fit, np.array([action.N]), np.array([action.D]))[:, 0]
        regret = np.maximum(loss - draws["loss_oracle"].to_numpy(), 0.0)
        record["loss"], record["regret"] = (
            interval(v, prob).as_json() for v in (loss, regret)
        )
        record["expected_regret"] = float(regret.mean())
    if not is_reweighted(fit):  # weights were checked when the fit was re-weighted
        record["trouble"] = fit.diagnosis.trouble or None
    return record
