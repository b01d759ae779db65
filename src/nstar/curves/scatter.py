"""How curves scatter about their law, and how far the law itself is off."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from nstar.curves.laws import Bell, Parts, Unknowns
from nstar.curves.progress import Paths
from nstar.types import Array

# A law is fitted no finer than it is true: published fits are off by 0.4 to 1 % at worst
# (Luo et al. 2025, table 2), and points within 0.01 of a log step are off together.
TOLERANCE = 4e-3
REACH = 0.01
# Beyond the law, in log loss: a run's own level and wandering, and shares by which its
# decay and its warm-up differ from the law's.
OFFSET = 5e-4
OF_RUN = 6e-4
MEMORY = 0.5  # of that, in log steps
DECAY_OFF = 0.03
START_OFF = 0.05
TINY = 1e-10  # variance that keeps a matrix of smooth departures invertible


class Seen(NamedTuple):
    """What was measured, (curve, point)."""

    paths: Paths
    log_loss: np.ndarray
    count: np.ndarray  # measurements that a point is the mean of
    extra: np.ndarray  # sd beyond a measurement's, of spikes


def priors() -> dict[str, Bell]:
    """Sd of one measurement, in log loss."""
    return {"log_white": Bell(float(np.log(7e-4)), 0.7)}


def log_law(parts: Parts) -> Array:
    """Log loss of the law, (curve, point)."""
    return jnp.log(jnp.maximum(parts.progress - parts.decay, 1e-3))


def log_likelihood(p: Unknowns, parts: Parts, seen: Seen) -> Array:
    """Log density of the curves about a law with its tolerance."""
    wandering = _wandering(seen.paths.since, seen.paths.since, TOLERANCE, REACH)
    root = _root(p, wandering, seen)
    residual = jnp.where(seen.paths.there, seen.log_loss - log_law(parts), 0.0)
    z = solve_triangular(root, residual[..., None], lower=True)
    spread = jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)))
    return -0.5 * jnp.sum(z**2) - spread


def continued(
    p: Unknowns,
    parts: Parts,
    paths: Paths,
    of: Array,
    seen_parts: Parts,
    seen: Seen,
    shocks: Array,
) -> Array:
    """Draw the log loss of runs at points, (curve, point), without a measurement's own noise.

    Args:
        p: one draw of the unknowns.
        parts: the law at the points.
        paths: the points.
        of: index of the curve seen that each run continues; -1 for a new one, (curve,).
        seen_parts: the law at the points seen.
        seen: what was measured.
        shocks: standard normal, (curve, point).
    """
    shapes, seen_shapes = _shapes(parts), _shapes(seen_parts)
    since, before = paths.since, seen.paths.since
    within = seen_shapes @ jnp.swapaxes(seen_shapes, 1, 2)
    within += _wandering(before, before, OF_RUN, MEMORY)
    within += _wandering(before, before, TOLERANCE, REACH)
    root = _root(p, within, seen)[of]
    cross = shapes @ jnp.swapaxes(seen_shapes[of], 1, 2)
    cross += _wandering(since, before[of], OF_RUN, MEMORY)
    known = (of >= 0)[:, None] & seen.paths.there[of]
    cross = jnp.where(known[:, None, :], cross, 0.0)
    left = jnp.where(known, seen.log_loss[of] - log_law(seen_parts)[of], 0.0)
    half = solve_triangular(root, jnp.swapaxes(cross, 1, 2), lower=True)
    white = solve_triangular(root, left[..., None], lower=True)
    back = jnp.swapaxes(half, 1, 2)
    of_run = shapes @ jnp.swapaxes(shapes, 1, 2) + _wandering(
        since, since, OF_RUN, MEMORY
    )
    rest = of_run - back @ half + TINY * jnp.eye(of_run.shape[-1])
    departure = back @ white + jnp.linalg.cholesky(rest) @ shocks[..., None]
    return log_law(parts) + departure[..., 0]


def _shapes(parts: Parts) -> Array:
    """A run's departures by one sd: level, decay, warm-up, (curve, point, 3)."""
    loss = jnp.maximum(parts.progress - parts.decay, 1e-3)
    level = OFFSET * jnp.ones_like(loss)
    decay, start = DECAY_OFF * parts.decay / loss, START_OFF * parts.start / loss
    return jnp.stack([level, decay, start], axis=-1)


def _wandering(since: Array, till: Array, sd: float, memory: float) -> Array:
    apart = jnp.abs(since[..., :, None] - till[..., None, :])
    return sd**2 * jnp.exp(-apart / memory)


def _root(p: Unknowns, smooth: Array, seen: Seen) -> Array:
    """Cholesky factors of the covariance of each curve's points; padding is apart."""
    there = seen.paths.there
    white = jnp.exp(2 * p["log_white"]) / seen.count + seen.extra**2
    both = there[:, :, None] & there[:, None, :]
    diagonal = jnp.where(there, white, 1.0)[:, None, :] * jnp.eye(there.shape[1])
    return jnp.linalg.cholesky(jnp.where(both, smooth, 0.0) + diagonal)
