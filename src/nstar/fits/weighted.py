"""Fits by importance sampling, with more draws where few were not enough.

Two lots are drawn about the modes, the second the larger where the first is not enough.
A fit that neither answers is left to NUTS.
"""

from typing import Any

import jax
import numpy as np

from nstar.fits import certificates
from nstar.fits.batch_tasks import BatchOptions, Task, number, size_of, stacked
from nstar.fits.certificates import Certificate
from nstar.samplers import importance, search
from nstar.samplers.devices import pad_fits


def by_weights(
    chunk: list[Task], options: BatchOptions, prior: Any, params: dict[str, np.ndarray]
) -> list[Certificate]:
    """Fit a chunk by importance sampling, with more draws where few were not enough.

    Draws of the fits go into `params`, (fit, draw, ...).
    """
    skeleton, numbers = chunk[0].skeleton, [number(t, options.seed) for t in chunk]
    given = stacked(chunk, options.sizes)
    if chunk[0].near is None:
        at, more = search.search_many(skeleton, given, prior, len(chunk))
    else:
        starts = np.stack([t.near for t in chunk])
        at, more = search.find_modes_of_many(skeleton, given, starts)
    judged = [certificates.failed("more than two modes")] * len(chunk)
    left = [i for i in range(len(chunk)) if not more[i]]
    for counts in (importance.FEW, importance.MANY):
        if not left:
            break
        parts, pairs = jax.tree.map(
            lambda a, which=left: np.asarray(a)[which], (given, at)
        )
        parts = pad_fits(parts, size_of(len(left), options.sizes))
        energies = search.energies_of(
            skeleton, parts, x64=options.precision == "float64"
        )
        lots = importance.draw_weighted(
            energies, counts, pairs, [numbers[i] for i in left]
        )
        picked = []
        for i, u, log_weights in zip(left, *lots, strict=True):
            judged[i], smooth = certificates.of_lot(u, log_weights)
            rng = np.random.default_rng([numbers[i], 1])
            picked.append(u[certificates.resampled(smooth, options.draws, rng)])
        named = importance.named(skeleton, parts, np.stack(picked))
        for name, values in named.items():
            params[name][left] = values
        left = [i for i in left if not judged[i].passed]
    return judged
