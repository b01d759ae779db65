"""One decision under other choices of the analyst: law, prior, noise, the runs left out.

A multiverse (Steegen et al. 2016, doi:10.1177/1745691616658637): what the recommended
run would give away if another choice were the right one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nstar.fits.fitting import Fit
from nstar.fits.kept import Kept, of_fit
from nstar.fits.refitting import again
from nstar.fits.reweighting import is_reweighted, reweighted
from nstar.intervals import interval
from nstar.noises.likelihoods import NOISES, StudentT
from nstar.plans.actions import ANY, Action, Limits
from nstar.plans.planning import plan
from nstar.predictions.prediction import law_loss
from nstar.priors import sets as prior_sets
from nstar.types import Surface
from nstar.validation.hindsight import decades, smaller, splits, top_of

KINDS = ("law", "prior", "noise", "runs")
NEARLY_NORMAL = {"nu": "LogNormal(13.8, 0.01)"}  # a million degrees of freedom
type Ticks = Callable[[str, int, int], None]


class Universe(NamedTuple):
    """A fit under another choice."""

    kind: str  # of KINDS
    name: str
    make: Callable[[], Fit]
    made_of: Any


def universes(
    laws: Mapping[str, Fit],
    lead: str,
    kept: Kept,
    tick: Ticks = lambda name, done, total: None,
) -> Iterator[Universe]:
    """Name the choices that could have been made.

    Args:
        laws: fits of other laws or routes, by what they are called.
        lead: that of them whose prior, noise and runs are changed, one at a time.
        kept: where fits lie that were made before.
        tick: progress of the sampling.
    """
    for name, fit in laws.items():
        yield Universe("law", name, lambda fit=fit: fit, ["law", of_fit(fit)])
    fit = laws[lead]
    priors = prior_sets.set_of_fit(fit.tree.attrs, fit.priors)
    own = type(fit.noise)
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("prior", f"{name} priors", {"priors": replace(priors, name=name)})
        for name in ("weak", "informed")
        if name != priors.name
    ]
    changes += [
        ("noise", f"{name.replace('_', '-')} noise", {"noise": name})
        for name in ("student_t", "normal")
        if not isinstance(NOISES[name], own)
    ][:1]
    for kind, name, how in changes:
        made_of = [kind, of_fit(fit), name]

        def make(how: Any = how, name: str = name, made_of: Any = made_of) -> Fit:
            def make() -> Fit:
                weighed = reweighted(fit, **how)
                if weighed is not None:
                    return weighed
                otherwise = _sampled_as(fit, how)
                return again(
                    fit, **otherwise, brief=True, tick=lambda d, t: tick(name, d, t)
                )

            return kept.fit(["universe", made_of], make)

        yield Universe(kind, f"{lead}, {name}", make, made_of)
    for part in splits(fit.runs, top_of(laws.values()))[:1]:
        name = f"{lead}, without the top {decades(part.decades)}"
        yield Universe(
            "runs",
            name,
            lambda p=part: smaller(fit, p, kept),
            ["runs", of_fit(fit), part.decades, len(part.train)],
        )


def _sampled_as(fit: Fit, how: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say how a change is sampled: normal noise as the Student-t that it is the limit of.

    So it shares the program of the fit itself; of a million degrees of freedom, log
    densities within four sds differ from the normal's by less than 1e-4.
    """
    if how.get("noise") != "normal" or not isinstance(fit.noise, StudentT):
        return how
    return {"priors": prior_sets.set_of_fit(fit.tree.attrs, fit.priors) | NEARLY_NORMAL}


def weighed(
    one: Universe,
    action: Action,
    C: float,
    prob: float,
    kept: Kept,
    limits: Limits = ANY,
) -> dict[str, Any]:
    """Say what a universe makes of a run and of a budget; plain data.

    `N` and `D` are intervals of its own N* and D*; `loss` and `regret` those of the
    action, null where its law has no loss; `trouble` the sampler's, or why there is none.
    """

    def make() -> dict[str, Any]:
        told = {"kind": one.kind, "name": one.name}
        try:
            fit = one.make()
        except ValueError as error:  # runs that do not carry it
            nothing = dict.fromkeys(("N", "D", "loss", "regret", "expected_regret"))
            return told | nothing | {"trouble": str(error)}
        return told | _read(fit, action, C, prob, limits)

    return kept.answer(
        [one.made_of, one.name, action.N, action.D, C, prob, limits], make
    )


def _read(
    fit: Fit, action: Action, C: float, prob: float, limits: Limits
) -> dict[str, Any]:
    has_loss = isinstance(fit.law, Surface)
    made = plan(fit, C, limits=limits if has_loss else ANY, brief=True)
    found = made.draws.isel(budget=0)
    told: dict[str, Any] = {n: interval(found[n], prob).as_json() for n in ("N", "D")}
    told |= {"loss": None, "regret": None, "expected_regret": None, "trouble": None}
    if has_loss:
        loss = law_loss(made.fit, np.array([action.N]), np.array([action.D]))[:, 0]
        regret = np.maximum(loss - found["loss_oracle"].to_numpy(), 0.0)
        told["loss"], told["regret"] = (
            interval(v, prob).as_json() for v in (loss, regret)
        )
        told["expected_regret"] = float(regret.mean())
    if not is_reweighted(fit):  # whose weights were judged when they were made
        told["trouble"] = fit.diagnosis.trouble or None
    return told
