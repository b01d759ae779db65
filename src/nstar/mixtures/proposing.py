"""Which proxy runs to make next: those that say most about which mixture is best."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nstar.mixtures.fitting import MixtureFit
from nstar.mixtures.limits import Bounds
from nstar.mixtures.targets import Target

CANDIDATES = 60  # mixtures that could be run
DRAWS = 400
BROAD = 12.0  # concentration of the Dirichlet around the chosen mixture, and
NARROW = 60.0
LEAST_NOISE = 1e-4  # of a candidate's variance, so that rounding is no news
LEAST_GAIN = 0.01  # of the variance, below which another run is not named


class Proposal(NamedTuple):
    """A proxy run, and the share of the choice's variance that is left after it."""

    shares: Float[np.ndarray, " domain"]
    left: float


def propose(
    fit: MixtureFit,
    target: Target,
    pool: Float[np.ndarray, "row domain"],
    at: Float[np.ndarray, " 2"],
    proxy: Float[np.ndarray, " 2"],
    bounds: Bounds,
    runs: int,
) -> list[Proposal]:
    """Choose runs greedily.

    The choice's variance is that of the target's differences to the mixture that is best
    on average, each weighted by its chance to be the best.  A run takes away what its
    measurement explains of them.

    Args:
        fit: of the losses.
        target: what is least.
        pool: mixtures that could be the best, the chosen first.
        at: size for which one is chosen.
        proxy: size of the runs.
        bounds: of shares.
        runs: how many.
    """
    rng = np.random.default_rng([fit.seed, 4])
    centre = np.maximum(pool[0], 2e-3) / np.maximum(pool[0], 2e-3).sum()
    around = [
        rng.dirichlet(concentration * centre, CANDIDATES // 3)
        for concentration in (BROAD, NARROW)
    ]
    others = pool[rng.choice(len(pool), min(CANDIDATES // 3, len(pool)), replace=False)]
    candidates = bounds.project(np.concatenate([*around, others]))
    shares = np.concatenate([pool, candidates])
    places = np.concatenate(
        [np.tile(at, (len(pool), 1)), np.tile(proxy, (len(candidates), 1))]
    )
    drawn = target.of(fit.draw(shares, places, DRAWS, target.losses, smooth=True))
    # the same draws with noise and without it
    clean, noisy = (
        target.of(
            fit.draw(
                candidates, proxy, DRAWS, target.losses, smooth=True, measured=measured
            )
        )
        for measured in (False, True)
    )
    off = drawn[:, : len(pool)] - drawn[:, :1]
    chance = np.bincount(off.argmin(axis=1), minlength=len(pool)) / DRAWS
    seen = drawn[:, len(pool) :]
    off, seen = off - off.mean(axis=0), seen - seen.mean(axis=0)
    noise = np.maximum((noisy - clean).var(axis=0), LEAST_NOISE * seen.var(axis=0))
    start = chance @ off.var(axis=0)
    left, chosen = 1.0, []
    for _ in range(runs):
        among = seen.T @ off / DRAWS  # (candidate, pool)
        gain = (among**2 @ chance) / (seen.var(axis=0) + noise)
        i = int(np.argmax(gain))
        if start <= 0 or gain[i] < LEAST_GAIN * start:
            break
        weight = 1 / (seen[:, i].var() + noise[i])
        # what is learned is subtracted, as a normal's conditional would have it
        factor = 1 - np.sqrt(1 - weight * seen[:, i].var())
        of_seen = seen[:, i] * factor / max(seen[:, i].var(), 1e-300)
        by_seen = seen[:, i] @ seen / DRAWS
        off = off - of_seen[:, None] * among[i]
        seen = seen - of_seen[:, None] * by_seen
        left = float(chance @ off.var(axis=0) / start)
        chosen.append(Proposal(candidates[i], left))
    return chosen
