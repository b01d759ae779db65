"""Fits by importance sampling, with more draws where few were not enough.

Two lots are drawn about the modes, the second the larger where the first is not enough.
A fit that neither answers is left to NUTS.
"""

from itertools import batched
from typing import Any

import jax
import numpy as np

from nstar.fits import certificates
from nstar.fits.certificates import Certificate
from nstar.fits.waiting import Asked, Task, filled, number, stacked
from nstar.samplers import importance, search


def by_weights(
    chunk: list[Task], asked: Asked, prior: Any, params: dict[str, np.ndarray]
) -> list[Certificate]:
    """Fit a chunk by importance sampling, with more draws where few were not enough.

    Draws of the fits go into `params`, (fit, draw, ...).
    """
    skeleton, numbers = chunk[0].skeleton, [number(t, asked.seed) for t in chunk]
    given, full = stacked(chunk, asked.sizes)
    if chunk[0].near is None:
        at, more = search.search_each(skeleton, given, prior)
    else:
        starts = np.stack([t.near for t in full])
        at, more = search.prepare_each(skeleton, given, starts)
    found = [certificates.failed("more than two modes")] * len(chunk)
    left = [i for i in range(len(chunk)) if not more[i]]
    for counts in (importance.FEW, importance.MANY):
        together = asked.sizes if counts is importance.FEW else asked.alone
        for few in batched(left, together[-1]):
            which = [*few, *[few[-1]] * (filled(len(few), together) - len(few))]
            own = jax.tree.map(lambda a, which=which: np.asarray(a)[which], (given, at))
            keys = jax.vmap(jax.random.key)(np.array([numbers[i] for i in which]))
            with jax.enable_x64(asked.precision == "float64"):
                lots = importance.weighed(skeleton, counts, *own, keys)
            picked = []
            for i, u, log_weights in zip(few, *map(np.asarray, lots), strict=False):
                found[i], smooth = certificates.of_lot(u, log_weights)
                rng = np.random.default_rng(numbers[i])
                picked.append(u[certificates.resampled(smooth, asked.draws, rng)])
            full = np.stack(picked + picked[-1:] * (len(which) - len(few)))
            for name, values in importance.constrained(skeleton, own[0], full).items():
                params[name][list(few)] = np.asarray(values)[: len(few)]
        left = [i for i in left if not found[i].passed]
    return found
