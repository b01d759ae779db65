"""Posterior predictive misfit: is there structure in what the law leaves over?"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nstar.fitting import Fit
from nstar.samplers.density import Skeleton, split
from nstar.types import Array

DRAWS = 400  # thinned draws that are replicated
GROUPS = 6  # of neighbouring runs along each of log C and log D/N


def structure(fit: Fit) -> float:
    """Posterior predictive probability of group means of residuals as far apart.

    Runs are ordered along log C, and along log D/N where they have both, and cut into
    groups; the statistic is the sum of squared group means of residuals, for the data
    and for data simulated from the same draw (Gelman, Meng & Stern 1996).
    """
    x = {
        name: values.to_numpy()
        for name, values in fit.tree["constant_data"].data_vars.items()
    }
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    member = _membership(fit)
    total = len(next(iter(fit.draws.values())))
    step = max(total // DRAWS, 1)
    draws = {name: values[::step] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = split(fit.law, fit.noise)
        key = jax.random.key(fit.seed)
        return float(_tail(skeleton, numbers, draws, x, y, member, key))


def _membership(fit: Fit) -> np.ndarray:
    """Averaging weights of the groups, (group, run)."""
    runs = fit.runs
    orders = [np.log(runs["C"])] if "C" in runs else [np.arange(len(runs), dtype=float)]
    if "N" in runs and "D" in runs:
        orders.append(np.log(runs["D"] / runs["N"]))
    groups = []
    for order in orders:
        for part in np.array_split(np.argsort(order, kind="stable"), GROUPS):
            if part.size:
                groups.append(
                    np.bincount(part, minlength=len(runs)) / np.sqrt(part.size)
                )
    return np.array(groups)


@partial(jax.jit, static_argnums=0)
def _tail(
    skeleton: Skeleton,
    numbers: Any,
    draws: Any,
    x: Any,
    y: Array,
    member: Array,
    key: Array,
) -> Array:
    law, noise = skeleton.fill(numbers)

    def one(params: Any, key: Array) -> Array:
        expected = law.expected(params, x)
        around = noise.around(expected, params, x)
        again = around.sample(key)

        def statistic(y: Array) -> Array:
            left = jnp.clip((y - around.mean) / jnp.sqrt(around.variance), -5, 5)
            return jnp.sum(jnp.square(member @ left))

        return statistic(again) >= statistic(y)

    keys = jax.random.split(key, len(jax.tree.leaves(draws)[0]))
    return jnp.mean(jax.vmap(one)(draws, keys))
