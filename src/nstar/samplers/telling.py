"""A law told for the sampler, and where its modes are; what was told, given back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nstar.samplers import density, modes, search
from nstar.samplers.density import Data, Skeleton
from nstar.samplers.flat import flatten
from nstar.types import Array, Law, Noise, Summable

ROUGH = 12  # steps of a search that is only to look at the runs from where it ends
MISLEADING = 4.0  # mismatch of a mode from which a look at the runs misled


class Told(NamedTuple):
    """A problem as it is sampled, and where."""

    skeleton: Skeleton
    problem: Any  # numbers, priors and runs
    found: list[modes.Found]
    mismatch: float  # of the best mode's curvature
    led: bool  # by a look at the runs, which makes up for some mismatch


class Model(NamedTuple):
    """What a fit samples."""

    law: Law
    noise: Noise
    chosen: Any  # priors that replace the law's or the noise's own
    data: Data
    prior: Mapping[str, Array]  # draws of the priors, (draw, ...) each


def tell(model: Model) -> Told:
    """Tell a problem as it is sampled, and find its modes and how well they guide.

    Where the law leads some of its unknowns, a look at the runs from the first search's
    mode says how, and the search goes on from there.
    """
    skeleton, problem = _as_sampled(model)
    draws = flatten(skeleton, problem, _few(model.prior))
    if density.leads(skeleton.law):
        peaks, _ = search.prepare(skeleton, problem, draws, ROUGH)
        return _guided(model, Told(skeleton, problem, peaks, np.inf, led=False))
    return Told(skeleton, problem, *search.prepare(skeleton, problem, draws), led=False)


def tell_again(model: Model, before: Told, ends: np.ndarray) -> Told:
    """Look at the runs anew from the modes about where chains are, (chain, unknown).

    A mode from which a look misled holds too little of the posterior: chains leave it.
    """
    slopes = search.slopes_of(before.skeleton, before.problem)
    peaks = modes.apart([*before.found, *modes.find(slopes, ends)])
    return _guided(model, before._replace(found=peaks))


def _guided(model: Model, before: Told) -> Told:
    """Look at the runs from the best mode there is, and search from there."""
    prior = model.prior
    draws = flatten(before.skeleton, before.problem, _few(prior))
    at = before.found[0].mode.at
    guide, there = search.look(before.skeleton, before.problem, at, draws)
    rank = sum(np.size(v) for n, v in there.items() if n not in prior)  # so far
    skeleton, problem = _as_sampled(model, guide, rank)
    starts = search.leading(skeleton, problem, there)[None]
    peaks, mismatch = search.prepare(skeleton, problem, starts)
    if mismatch > MISLEADING:
        starts = search.leading_draws(skeleton, problem, _few(prior))
        peaks, mismatch = search.prepare(skeleton, problem, starts, also=peaks)
    return Told(skeleton, problem, peaks, mismatch, led=True)


def _as_sampled(model: Model, guide: Any = None, rank: int = 0) -> tuple[Skeleton, Any]:
    """The law as the sampler has it, and numbers, priors and runs."""
    law, noise, chosen, data, _ = model
    x = data.x
    if isinstance(law, Summable):
        law, x = law.summed(x, guide, rank)
    skeleton, numbers = density.split(law, noise)
    priors = density.tabulated(law, noise, chosen)
    problem = numbers, priors, data._replace(x=x)
    return skeleton, jax.tree.map(np.asarray, problem)


def _few(prior: Mapping[str, Array]) -> dict[str, Array]:
    """As many of the prior's draws as a search is given."""
    return {n: v[: modes.POINTS] for n, v in prior.items()}


def given_back(
    law: Summable,
    told: Any,
    random: np.random.Generator,
    posterior: Mapping[str, Array],
    x: Any,
) -> dict[str, np.ndarray]:
    """Unknowns of a law from draws of the one sampled in its place, (chain, draw, ...)."""
    shape = next(iter(posterior.values())).shape[:2]
    joined = {n: np.asarray(v).reshape(-1, *v.shape[2:]) for n, v in posterior.items()}
    drawn = law.drawn(random, told, joined, x)
    return {n: np.asarray(v).reshape(*shape, *v.shape[1:]) for n, v in drawn.items()}
