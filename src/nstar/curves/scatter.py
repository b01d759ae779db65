"""How curves scatter about their law: each run's own departures, and noise."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from nstar.curves.laws import Bell, Parts, Unknowns
from nstar.curves.progress import Paths
from nstar.types import Array

# A law is fitted no finer than it is true: published fits are off by 0.4 to 1 % at worst
# (Luo et al. 2025, table 2), points within 0.01 of a log step are off together, and where a
# loss falls fast it is off by as much as a few hundredths of a log step change it.
TOLERANCE = 2.5e-3
REACH = 0.01
EARLY = 0.05
# By which a run departs from its law, in log loss.  A level of its own: runs of other seeds
# end within 2e-4 to 3e-4 of one another (Bhagia et al. 2024, arXiv:2412.04403, reruns of four
# sizes).  Shares by which its decay and its warm-up differ, and a decay deeper than any seen.
OFFSET = 3e-4
DECAY_OFF = 0.02
START_OFF = 0.05
BEYOND = 0.2
# And wandering, more of it once the learning rate has changed, which it forgets along steps
# and along the learning rate's way.
WANDER = 3e-4
TURNED = 1e-3
IN_STEPS = 0.5  # log steps
IN_RATE = 0.3  # as a share of the peak
TINY = 1e-10  # variance that keeps a matrix of smooth departures invertible


class Seen(NamedTuple):
    """What was measured, (curve, point)."""

    paths: Paths
    log_loss: np.ndarray
    count: np.ndarray  # measurements that a point is the mean of
    extra: np.ndarray  # sd beyond a measurement's, of spikes
    slope: np.ndarray  # of log loss by log step, without its sign


class _Place(NamedTuple):
    """How far a run has come, (curve, point)."""

    log_step: Array
    way: Array  # that the learning rate has gone, up and down

    @classmethod
    def of(cls, paths: Paths) -> "_Place":
        return cls(jnp.asarray(paths.log_step), jnp.asarray(paths.way))


def priors() -> dict[str, Bell]:
    """Sd of one measurement, in log loss."""
    return {"log_white": Bell(float(np.log(3e-4)), 0.5)}


def log_law(parts: Parts) -> Array:
    """Log loss of the law, (curve, point)."""
    return jnp.log(_loss(parts))


def log_likelihood(p: Unknowns, parts: Parts, seen: Seen) -> Array:
    """Log density of the curves about a law."""
    log_step = jnp.asarray(seen.paths.log_step)
    apart = jnp.abs(log_step[..., :, None] - log_step[..., None, :])
    sd = jnp.sqrt(TOLERANCE**2 + (EARLY * jnp.asarray(seen.slope)) ** 2)
    smooth = sd[..., :, None] * sd[..., None, :] * jnp.exp(-apart / REACH)
    root = _root(p, smooth, seen)
    z = solve_triangular(root, _left(parts, seen)[..., None], lower=True)
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
    taken = jnp.where(seen.paths.there, seen_parts.decay / _loss(seen_parts), 0.0)
    deepest = jnp.max(taken)
    shapes, every = _shapes(parts, deepest), _shapes(seen_parts, deepest)
    before = _Place.of(seen.paths)
    root = _root(p, _together(every, every, before, before), seen)[of]
    at, until = _Place.of(paths), _Place(*(part[of] for part in before))
    known = (of >= 0)[:, None] & seen.paths.there[of]
    left = _left(seen_parts, seen)[of]
    cross = _together(shapes, every[of], at, until)
    cross = jnp.where(known[:, None, :], cross, 0.0)
    half = solve_triangular(root, jnp.swapaxes(cross, 1, 2), lower=True)
    back = jnp.swapaxes(half, 1, 2)
    z = solve_triangular(root, jnp.where(known, left, 0.0)[..., None], lower=True)
    rest = _together(shapes, shapes, at, at) - back @ half
    rest += TINY * jnp.eye(rest.shape[-1])
    departure = back @ z + jnp.linalg.cholesky(rest) @ shocks[..., None]
    return log_law(parts) + departure[..., 0]


def _loss(parts: Parts) -> Array:
    return jnp.maximum(parts.progress - parts.decay, 1e-3)


def _shapes(parts: Parts, deepest: Array) -> Array:
    """A run's departures by one sd: level, decay, warm-up, decay not seen, (curve, point, 4)."""
    loss = _loss(parts)
    taken = parts.decay / loss
    level = OFFSET * jnp.ones_like(loss)
    unseen = BEYOND * jnp.maximum(taken - deepest, 0.0)
    start = START_OFF * parts.start / loss
    return jnp.stack([level, DECAY_OFF * taken, start, unseen], axis=-1)


def _together(shapes: Array, others: Array, at: _Place, other: _Place) -> Array:
    """Covariance of a run's departures between points, (curve, point, other point)."""
    clock, other_clock = (p.log_step / IN_STEPS + p.way / IN_RATE for p in (at, other))
    apart = jnp.abs(clock[..., :, None] - other_clock[..., None, :])
    sd, other_sd = _wandering(at), _wandering(other)
    persistent = shapes @ jnp.swapaxes(others, 1, 2)
    return persistent + sd[..., :, None] * other_sd[..., None, :] * jnp.exp(-apart)


def _wandering(at: _Place) -> Array:
    turned = -jnp.expm1(-at.way / IN_RATE)
    return jnp.sqrt(WANDER**2 + TURNED**2 * turned)


def _root(p: Unknowns, smooth: Array, seen: Seen) -> Array:
    """Cholesky factors of the covariance of each curve's points; padding is apart."""
    there = seen.paths.there
    white = jnp.exp(2 * p["log_white"]) / seen.count + seen.extra**2
    both = there[:, :, None] & there[:, None, :]
    diagonal = jnp.where(there, white, 1.0)[:, None, :] * jnp.eye(there.shape[1])
    return jnp.linalg.cholesky(jnp.where(both, smooth, 0.0) + diagonal)


def _left(parts: Parts, seen: Seen) -> Array:
    """Log loss beyond the law's, (curve, point)."""
    return jnp.where(seen.paths.there, seen.log_loss - log_law(parts), 0.0)
