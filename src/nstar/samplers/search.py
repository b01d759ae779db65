"""Where a posterior's modes are: searches from draws of the prior, in flat unknowns."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nstar.samplers import density, modes
from nstar.samplers.density import Skeleton
from nstar.types import Array, Led, Params

SEARCHES = 4  # for modes, each from the best of as many parts of the prior's draws


def energy(skeleton: Skeleton, problem: Any) -> tuple[Callable, Callable]:
    """Minus log density of a flat vector of unknowns, and the map to named ones."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    shapes = jax.eval_shape(
        lambda key: density.prior_draw(law, noise, chosen, key), jax.random.key(0)
    )
    _, unravel = ravel_pytree(
        {name: jnp.zeros(s.shape, s.dtype) for name, s in shapes.items()}
    )
    of_named = density.energy(law, noise, chosen, data)
    return lambda u: of_named(unravel(u)), unravel


def prepare(
    skeleton: Skeleton, problem: Any, starts: Params
) -> tuple[list[modes.Found], float]:
    """Find the modes from draws of the prior, (start, ...) each, and the best's mismatch."""
    u, free = map(np.asarray, _starts(skeleton, problem, starts))
    slopes = slopes_of(skeleton, problem)
    energies = slopes(u)[0]
    energies = np.where(np.isfinite(energies), energies, np.inf)
    parts = np.array_split(np.arange(len(u)), SEARCHES)
    best = [part[np.argmin(energies[part])] for part in parts]
    found = modes.apart([modes.find(slopes, u[i], free) for i in best])
    at, normal = modes.probes(found[0].mode)
    return found, modes.mismatch(slopes(at)[0], normal)


@partial(jax.jit, static_argnums=0)
def _starts(skeleton: Skeleton, problem: Any, starts: Params) -> tuple[Array, Array]:
    """Flat unknowns of each start, and which of them the search may move."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)

    def still(params: Params) -> dict[str, Array]:
        """Unknowns that stay where the search starts."""
        if not isinstance(law, Led):
            return {}
        held = law.held()
        return held | law.led({**params, **held}, *data)

    def flat(params: Params) -> Array:
        start = dict(params) | still(params)
        u = density.unconstrain(law, noise, chosen, data, start)
        return jnp.nan_to_num(ravel_pytree(u)[0])

    one = {name: value[0] for name, value in starts.items()}
    free = {n: jnp.full(v.shape, n not in still(one), float) for n, v in one.items()}
    return jax.vmap(flat)(starts), ravel_pytree(free)[0]


@partial(jax.jit, static_argnums=0)
def _slopes(skeleton: Skeleton, problem: Any, u: Array) -> tuple[Array, Array]:
    """Minus log density and its gradient at flat unknowns, (point, unknown)."""
    return jax.vmap(jax.value_and_grad(energy(skeleton, problem)[0]))(u)


def slopes_of(skeleton: Skeleton, problem: Any) -> modes.Slopes:
    """The same at any number of points up to a common one: one program for all."""

    def slopes(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        most = max(modes.POINTS, 2 * u.shape[1] + 1)
        padded = np.concatenate([u, np.repeat(u[:1], most - len(u), axis=0)])
        value, slope = _slopes(skeleton, problem, padded)
        return np.asarray(value)[: len(u)], np.asarray(slope)[: len(u)]

    return slopes
