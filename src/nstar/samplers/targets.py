"""The density that is sampled in place of a posterior, and its modes.

A law with a discrepancy is sampled with the weights marginalised and its unknowns
reparameterised about their conditional centres; `recover` draws the weights afterwards.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nstar.samplers import density, modes, search
from nstar.samplers.density import Data, Skeleton
from nstar.samplers.flat import flatten
from nstar.types import Array, Law, Marginalisable, Noise

ROUGH_STEPS = 12  # steps of a search at whose end the law is linearised
MISLEADING = 4.0  # mismatch of a mode, above which its linearisation is no good guide


class Target(NamedTuple):
    """The density that is sampled, and its modes."""

    skeleton: Skeleton
    problem: Any  # numbers, priors and runs
    peaks: list[modes.Peak]
    mismatch: float  # of the best mode's curvature
    guided: bool  # reparameterised by a linearisation, which makes up for some mismatch


class Model(NamedTuple):
    """A law and a noise with their priors and data."""

    law: Law
    noise: Noise
    chosen: Any  # priors that replace the law's or the noise's own
    data: Data
    prior: Mapping[str, Array]  # draws of the priors, (draw, ...) each


def find_target(model: Model) -> Target:
    """Set up the density that is sampled, and find its modes.

    Where the law reparameterises some of its unknowns, a short search finds a mode, the
    law is linearised about it, and the search goes on in the new coordinates.
    """
    skeleton, problem = _sampled_model(model)
    starts = flatten(skeleton, problem, _search_draws(model.prior))
    if density.is_reparameterised(skeleton.law):
        peaks, _ = search.find_modes(skeleton, problem, starts, ROUGH_STEPS)
        return _linearised_target(
            model, Target(skeleton, problem, peaks, np.inf, guided=False)
        )
    return Target(
        skeleton, problem, *search.find_modes(skeleton, problem, starts), guided=False
    )


def find_target_again(model: Model, previous: Target, ends: np.ndarray) -> Target:
    """Linearise the law anew, about the best mode near the ends of chains.

    Args:
        model: what is fitted.
        previous: the target that the chains sampled, whose mode misled: it has too little
            of the posterior's mass, and chains leave it.
        ends: where the chains are, (chain, unknown).
    """
    slopes = search.slopes_of(previous.skeleton, previous.problem)
    peaks = modes.distinct([*previous.peaks, *modes.find(slopes, ends)])
    return _linearised_target(model, previous._replace(peaks=peaks))


def _linearised_target(model: Model, previous: Target) -> Target:
    """Linearise the law about the best mode so far, and search from there."""
    prior = model.prior
    draws = flatten(previous.skeleton, previous.problem, _search_draws(prior))
    mode = previous.peaks[0].mode.at
    linearisation, unknowns = search.linearise(
        previous.skeleton, previous.problem, mode, draws
    )
    # as many coordinates as before, so that the programs stay the same
    rank = sum(np.size(v) for n, v in unknowns.items() if n not in prior)
    skeleton, problem = _sampled_model(model, linearisation, rank)
    starts = search.centred_start(skeleton, problem, unknowns)[None]
    peaks, mismatch = search.find_modes(skeleton, problem, starts)
    if mismatch > MISLEADING:
        starts = search.centred_draws(skeleton, problem, _search_draws(prior))
        peaks, mismatch = search.find_modes(skeleton, problem, starts, known=peaks)
    return Target(skeleton, problem, peaks, mismatch, guided=True)


def _sampled_model(
    model: Model, linearisation: Any = None, rank: int = 0
) -> tuple[Skeleton, Any]:
    """Skeleton of the law that is sampled; its numbers, priors and runs."""
    law, noise, chosen, data, _ = model
    x = data.x
    if isinstance(law, Marginalisable):
        law, x = law.marginalise(x, linearisation, rank)
    skeleton, numbers = density.split(law, noise)
    priors = density.tabulated(law, noise, chosen)
    problem = numbers, priors, data._replace(x=x)
    return skeleton, jax.tree.map(np.asarray, problem)


def _search_draws(prior: Mapping[str, Array]) -> dict[str, Array]:
    """The draws of the prior from which modes are searched for."""
    return {n: v[: modes.POINTS] for n, v in prior.items()}


def recover(
    law: Marginalisable,
    sampled_law: Any,
    random: np.random.Generator,
    posterior: Mapping[str, Array],
    x: Any,
) -> dict[str, np.ndarray]:
    """Draw a law's unknowns given those of the law sampled in its place.

    Args:
        law: the law that was fitted.
        sampled_law: the one that was sampled, from `Marginalisable.marginalise`.
        random: NumPy's generator.
        posterior: draws of the sampled law's unknowns, (chain, draw, ...) each.
        x: inputs of the runs.

    Returns:
        Draws of the fitted law's unknowns, (chain, draw, ...) each.
    """
    shape = next(iter(posterior.values())).shape[:2]
    flat = {n: np.asarray(v).reshape(-1, *v.shape[2:]) for n, v in posterior.items()}
    unknowns = law.draw_conditional(random, sampled_law, flat, x)
    return {n: np.asarray(v).reshape(*shape, *v.shape[1:]) for n, v in unknowns.items()}
