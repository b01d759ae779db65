"""Search the simplex for mixtures of low expected loss, near to what was measured."""

import numpy as np
from jaxtyping import Float

from nstar.mixtures.fitting import MixtureFit
from nstar.mixtures.limits import Bounds
from nstar.mixtures.targets import Target

ROUNDS = 14
PROPOSED = 250  # mixtures a round
PARENTS = 25
POOL = 260  # mixtures that are weighed under the posterior
TOLERANCE = 1e-9


def distances(
    shares: Float[np.ndarray, "row domain"], others: Float[np.ndarray, "other domain"]
) -> Float[np.ndarray, "row other"]:
    """Share of the data that differs between two mixtures: half the absolute difference."""
    total = np.zeros((len(shares), len(others)))
    for a, b in zip(shares.T, others.T, strict=True):
        total += np.abs(a[:, None] - b)
    return total / 2


def neighbours(shares: Float[np.ndarray, "row domain"]) -> Float[np.ndarray, " row"]:
    """Distance of each mixture to the nearest other one."""
    apart = distances(shares, shares)
    np.fill_diagonal(apart, np.inf)
    return apart.min(axis=1)


def expected(
    fit: MixtureFit,
    target: Target,
    shares: Float[np.ndarray, "row domain"],
    at: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, " row"]:
    """The target at the medians of its losses; the search goes by it."""
    losses = [np.exp(fit.mean(name, shares, at, smooth=True)) for name in target.losses]
    return target.of(np.stack(losses, axis=-1))


def search(
    fit: MixtureFit,
    target: Target,
    at: Float[np.ndarray, " 2"],
    measured: Float[np.ndarray, "row domain"],
    bounds: Bounds,
    within: float,
    seed: int = 0,
) -> Float[np.ndarray, "row domain"]:
    """Gather the best mixtures there are, the best first.

    Measured mixtures are moved inside the limits; from the best, new ones are made by
    mixing two, by shifting shares in proportion, and by leaving a domain out.

    Args:
        fit: of the losses.
        target: what is least.
        at: the size, as the fit places it.
        measured: mixtures, each once.
        bounds: of shares.
        within: greatest distance to the nearest measured mixture.
        seed: of proposals.
    """
    rng = np.random.default_rng([seed, 3])
    pool = bounds.project(measured)
    pool = pool[distances(pool, measured).min(axis=1) <= within + TOLERANCE]
    if not len(pool):  # limits lie beyond what was measured: as near as can be
        inside = bounds.project(measured)
        pool = inside[[np.argmin(distances(inside, measured).min(axis=1))]]
        within = float(distances(pool, measured).min())
    value, width = expected(fit, target, pool, at), 1.0
    for _ in range(ROUNDS):
        best = pool[np.argsort(value)[:PARENTS]]
        first, second = (best[rng.integers(len(best), size=PROPOSED)] for _ in "ab")
        third = pool[rng.integers(len(pool), size=PROPOSED)]
        other = np.where(rng.random((PROPOSED, 1)) < 0.5, second, third)
        share = rng.random((PROPOSED, 1)) * width
        proposed = (1 - share) * first + share * other
        shift = width * rng.standard_normal(proposed.shape)
        proposed = (proposed + 2e-4 * (rng.random(proposed.shape) < 0.1)) * np.exp(
            shift
        )
        proposed[rng.random(proposed.shape) < 0.05] = 0.0
        proposed = np.maximum(proposed, 1e-12)
        proposed = bounds.project(proposed / proposed.sum(axis=1, keepdims=True))
        proposed = proposed[
            distances(proposed, measured).min(axis=1) <= within + TOLERANCE
        ]
        if len(proposed):
            pool = np.concatenate([pool, proposed])
            value = np.concatenate([value, expected(fit, target, proposed, at)])
            keep = np.argsort(value)[: 4 * POOL]
            pool, value = pool[keep], value[keep]
        width *= 0.85
    order = np.argsort(value)
    best, rest = np.split(order, [POOL // 2])  # the best, and others in even steps
    further = np.linspace(0, len(rest) - 1, min(POOL // 2, len(rest)))
    return pool[np.concatenate([best, rest[further.astype(int)]])]
