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


class Told(NamedTuple):
    """A problem as it is sampled, and where."""

    skeleton: Skeleton
    problem: Any  # numbers, priors and runs
    found: list[modes.Found]
    mismatch: float  # of the best mode's curvature
    led: bool  # by a look at the runs, which makes up for some mismatch


def tell(
    law: Law, noise: Noise, chosen: Any, data: Data, prior: Mapping[str, Array]
) -> Told:
    """Tell a problem as it is sampled, and find its modes and how well they guide.

    Where the law leads some of its unknowns, a look at the runs from the first search's
    mode says how, and the search goes on from there.
    """
    first = {n: v[: modes.POINTS] for n, v in prior.items()}

    def told(look: Any = None, rank: int = 0) -> tuple[Skeleton, Any]:
        own, x = law.summed(data.x, look, rank) if isinstance(law, Summable) else (law, data.x)  # fmt: skip
        skeleton, numbers = density.split(own, noise)
        priors = density.tabulated(own, noise, chosen)
        problem = numbers, priors, data._replace(x=x)
        return skeleton, jax.tree.map(np.asarray, problem)

    skeleton, problem = told()
    draws = flatten(skeleton, problem, first)
    look, starts = None, draws
    if density.leads(skeleton.law):
        found, _ = search.prepare(skeleton, problem, draws, ROUGH)
        starts = np.stack([f.mode.at for f in found])
        look, there = search.look(skeleton, problem, starts[0], draws)
    if look is not None:
        rank = sum(np.size(v) for n, v in there.items() if n not in prior)  # so far
        skeleton, problem = told(look, rank)
        starts = search.leading(skeleton, problem, there)[None]
    found, mismatch = search.prepare(skeleton, problem, starts)
    return Told(skeleton, problem, found, mismatch, look is not None)


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
