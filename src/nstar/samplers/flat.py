"""A problem's unknowns as one flat vector, in the order that its programs take them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro.distributions import Distribution, biject_to

from nstar.samplers import density
from nstar.samplers.density import Skeleton
from nstar.types import Array, Law, Noise, Params


def origin(law: Law, noise: Noise, priors: Any) -> dict[str, Array]:
    """Every unknown at zero on the real line."""
    zero: dict[str, Array] = {name: jnp.zeros(()) for name in priors.names}
    params: dict[str, Array] = dict.fromkeys(priors.names, jnp.ones(()))
    for name, prior in density.several(law, noise, priors).items():
        shape = jax.eval_shape(lambda p, prior=prior: _zeros(prior, p), params)
        zero[name] = jnp.zeros(shape.shape)
        params[name] = zero[name]
    return zero


def _zeros(prior: Any, params: Params) -> Array:
    distribution = prior if isinstance(prior, Distribution) else prior(params)
    return jnp.zeros(distribution.shape())


def unravel_of(skeleton: Skeleton, problem: Any) -> Callable[..., dict[str, Array]]:
    """The map from flat unknowns to named ones on the real line."""
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    return ravel_pytree(origin(law, noise, priors))[1]


def energy_of(skeleton: Skeleton, problem: Any) -> Callable[[Array], Array]:
    """Minus log density of a flat vector of unknowns."""
    numbers, priors, data = problem
    law, noise = skeleton.fill(numbers)
    unravel = unravel_of(skeleton, problem)
    of_named = density.energy(law, noise, priors, data)
    return lambda u: of_named(unravel(u))


def flatten(skeleton: Skeleton, problem: Any, draws: Params) -> np.ndarray:
    """Flat unknowns of draws of the prior, (draw, unknown); those they lack are zero."""
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    count = len(next(iter(draws.values())))
    u: dict[str, np.ndarray] = {}
    if priors.names:
        scalars = np.stack([draws[name] for name in priors.names], axis=1)
        u |= dict(zip(priors.names, priors.real(scalars).T, strict=True))
    for name, prior in density.several(law, noise, priors).items():
        if name in draws:
            first = {n: v[0] for n, v in draws.items()}
            distribution = (
                prior
                if isinstance(prior, Distribution)
                else jax.eval_shape(prior, first)
            )
            u[name] = np.asarray(biject_to(distribution.support).inv(draws[name]))
        else:
            shape = origin(law, noise, priors)[name].shape
            u[name] = np.zeros((count, *shape))
    columns = [np.asarray(u[name]).reshape(count, -1) for name in sorted(u)]
    return np.nan_to_num(np.concatenate(columns, axis=1))
