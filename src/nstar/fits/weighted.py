"""Fits by importance sampling, with more draws where few were not enough.

Two lots are drawn about the modes, the second the larger; where neither is enough, lots
from kernels about earlier draws follow.  The first of those still bears the mark of draws
that were not good enough; from the second on they answer together.
"""

from itertools import batched
from typing import Any

import jax
import numpy as np

from nstar.fits import certificates
from nstar.fits.certificates import Certificate
from nstar.fits.waiting import Asked, Task, filled, number, stacked
from nstar.samplers import importance, search

TRUSTED = 2  # first lot from kernels, counted from 0, that joins the one before


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
    left, lots = [i for i in range(len(chunk)) if not more[i]], dict[int, Any]()
    whole = dict[int, Any]()  # lots that answer together
    for stage in (importance.FEW, importance.MANY, *range(importance.LOTS)):
        alone = isinstance(stage, tuple) or stage < TRUSTED
        together = asked.sizes if stage is importance.FEW else asked.alone
        for few in batched(left, together[-1]):
            which = [*few, *[few[-1]] * (filled(len(few), together) - len(few))]
            own = jax.tree.map(lambda a, which=which: np.asarray(a)[which], (given, at))
            keys = np.array([numbers[i] for i in which])
            made = _lot(skeleton, stage, own, keys, [lots.get(i) for i in which], asked)
            kept = []
            for j, i in enumerate(few):
                lots[i] = made[0][j], made[1][j]
                both = [lots[i]] if alone else [whole[i], lots[i]]
                whole[i] = u, log_weights = tuple(
                    map(np.concatenate, zip(*both, strict=True))
                )
                found[i], smooth = certificates.by_weights(log_weights)
                rng = np.random.default_rng(numbers[i])
                kept.append(u[certificates.resampled(smooth, asked.draws, rng)])
            kept = np.stack(kept + kept[-1:] * (len(which) - len(few)))
            for name, values in importance.constrained(skeleton, own[0], kept).items():
                params[name][list(few)] = np.asarray(values)[: len(few)]
        left = [i for i in left if not found[i].passed]
    return found


def _lot(
    skeleton: Any, stage: Any, own: Any, numbers: np.ndarray, last: list[Any], asked: Asked
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draws of some fits and their log weights, the last lots telling where from."""
    keys = jax.vmap(jax.random.key)(numbers)
    with jax.enable_x64(asked.precision == "float64"):
        if isinstance(stage, tuple):
            lot = importance.weighed(skeleton, stage, *own, keys)
        else:
            keys = jax.vmap(jax.random.fold_in, (0, None))(keys, stage)
            told = tuple(np.stack(part) for part in zip(*last, strict=True))
            lot = importance.again(skeleton, *own, told, keys)
    return np.asarray(lot[0]), np.asarray(lot[1])
