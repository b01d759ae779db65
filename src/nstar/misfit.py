"""Posterior predictive misfit: is there structure in what the law leaves over?"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import KDTree

from nstar.fitting import Fit
from nstar.samplers.density import Skeleton, split
from nstar.types import Array

DRAWS = 400  # thinned draws that are replicated
REPLICATES = 33  # of each run and draw: one is judged, the others say what is usual
NEIGHBOURS = 4  # of a run, nearest in log C and log D/N


def structure(fit: Fit) -> float:
    """Posterior predictive probability of residuals as much alike between neighbours.

    The statistic is the correlation of each run's residual with the mean of its
    neighbours' (Moran's I), for the data and for data simulated from the same draw
    (Gelman, Meng & Stern 1996); a law that bends away leaves neighbours alike.
    """
    x = {
        name: values.to_numpy()
        for name, values in fit.tree["constant_data"].data_vars.items()
    }
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    total = len(next(iter(fit.draws.values())))
    step = max(total // DRAWS, 1)
    draws = {name: values[::step] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = split(fit.law, fit.noise)
        key = jax.random.key(fit.seed)
        tail = _tail(skeleton, numbers, draws, x, y, _neighbours(fit), key)
        return float(tail)


def _neighbours(fit: Fit) -> np.ndarray:
    """Averaging weights of each run's neighbours, (run, run)."""
    runs = fit.runs
    place = [np.log(runs["C"])] if "C" in runs else [np.arange(len(runs), dtype=float)]
    if "N" in runs and "D" in runs:
        place.append(np.log(runs["D"] / runs["N"]))
    at = np.stack([p / max(np.std(p), 1e-12) for p in place], axis=1)
    count = max(min(NEIGHBOURS, len(runs) // 3), 1)
    _, nearest = KDTree(at).query(at, k=count + 1)
    weights = np.zeros((len(runs), len(runs)))
    for i, others in enumerate(nearest):
        others = [j for j in others if j != i][:count]
        weights[i, others] = 1 / count
    return weights


@partial(jax.jit, static_argnums=0)
def _tail(
    skeleton: Skeleton,
    numbers: Any,
    draws: Any,
    x: Any,
    y: Array,
    near: Array,
    key: Array,
) -> Array:
    law, noise = skeleton.fill(numbers)

    def one(params: Any, key: Array) -> Array:
        around = noise.around(law.expected(params, x), params, x)
        made = around.sample(key, (REPLICATES,))
        again, others = made[0], made[1:]
        centre = jnp.median(others, axis=0)  # a Student-t may have no mean
        scale = jnp.median(jnp.abs(others - centre), axis=0)

        def statistic(y: Array) -> Array:
            left = jnp.clip((y - centre) / jnp.maximum(scale, 1e-12), -8, 8)
            return jnp.sum(left * (near @ left)) / jnp.sum(jnp.square(left))

        return statistic(again) >= statistic(y)

    keys = jax.random.split(key, len(jax.tree.leaves(draws)[0]))
    return jnp.mean(jax.vmap(one)(draws, keys))
