"""The course of a run: its log loss along the way less that at its end, from a ladder's curves.

Curves of a ladder with one schedule differ by size and length, smoothly.  The excess over
the end is a mean shape times one plus a Gaussian process in log N, log D and the log of the
way, with what single runs differ by, noise that wanders and noise of each measurement,
larger where the curve is steep.  All of it is Gaussian for given sizes of these parts,
whose posterior is drawn by Laplace's method.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, nnls
from threadpoolctl import threadpool_limits

from nstar.curves.laws import Bell
from nstar.samplers import modes
from nstar.types import Array

BEGIN = 0.15  # of a run, before which its shape is its warm-up's
PLACES = 24  # of a ladder's curve, each the mean of its neighbours
LADDER = 32  # curves that are read: those nearest in size and length
DRAWS = 16  # of the parts' sizes
SPACINGS = (
    8  # between the last points, of which the median says when the next one comes
)
PAD = 64  # measurements are padded to multiples, so that few programs serve all tables
FREE = (
    0.1  # sd of the log loss of a ladder curve's end, which is learned from its curve
)
NOISY = 0.3  # sd of the log of a run's noise beside the ladder's
LOOSE = 0.3
JITTER = 1e-10

# In shares of the mean excess: `trend` with log N and log D, `bend` away from it over
# `reach` e-folds of D and twice as many of N, `of_run`; `stiff` is how far along the log of
# the way departures go together.  In log loss: `white` of a measurement, which is
# 1 + `steep` excess times as large, and `wander`, remembered for `memory` of the way.
PRIORS = {
    "trend": Bell(float(np.log(0.2)), 0.7),
    "bend": Bell(float(np.log(0.2)), 0.7),
    "reach": Bell(float(np.log(2.0)), 0.5),
    "stiff": Bell(float(np.log(0.8)), 0.5),
    "of_run": Bell(float(np.log(0.02)), 0.7),
    "white": Bell(float(np.log(4e-4)), 0.7),
    "wander": Bell(float(np.log(5e-4)), 0.7),
    "memory": Bell(float(np.log(0.1)), 0.7),
    "steep": Bell(float(np.log(10.0)), 1.0),
    "rough": Bell(float(np.log(0.02)), 0.7),
    "reach_size": Bell(float(np.log(6.0)), 0.7),
}
MEAN, SD = np.array(list(PRIORS.values())).T
PARTS = tuple(PRIORS)


UNKNOWN = (0.0, 0.0)  # log N and log D of a run whose size is not known


class Track(NamedTuple):
    """A curve along the share of its run that is done."""

    run: str
    way: np.ndarray  # rising to one at the run's end, (point,)
    log_loss: np.ndarray  # (point,)
    count: np.ndarray  # measurements that a point is the mean of, (point,)
    size: tuple[float, float]  # log N and log D, or `UNKNOWN`


class Course(NamedTuple):
    """What is expected of a run's log loss at places of its way, less that at its end.

    Gaussian for each component, of which one is true.
    """

    way: Float[np.ndarray, " place"]
    mean: Float[np.ndarray, "component place"]
    covariance: Float[np.ndarray, "component place place"]  # with noise
    weight: Float[np.ndarray, " component"]  # log, of components


def warp(way: np.ndarray) -> np.ndarray:
    """Place a share of a run between zero and one, with more room where curves are steep."""
    return (np.log(way / BEGIN) / np.log(1 / BEGIN) + (way - BEGIN) / (1 - BEGIN)) / 2


def average(track: Track, most: int) -> Track:
    """Average neighbours in bins that do not depend on how far a run has come.

    Args:
        track: a curve.
        most: bins of a whole run; a curve of fewer points after `BEGIN` stays as it is.
    """
    run, way, log_loss, count, size = track
    later = way >= BEGIN
    way, log_loss, count = way[later], log_loss[later], count[later]
    bins = np.minimum((warp(way) * most).astype(int), most - 1)
    total = np.bincount(bins, count, most)
    there = total > 0

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(bins, values * count, most)[there] / total[there]

    return Track(run, np.exp(mean(np.log(way))), mean(log_loss), total[there], size)


def full_bins(track: Track, most: int) -> Track:
    """Leave out the last bin of a run that goes on, unless its next point is beyond it.

    A bin that still grows changes with every check; the test is of bins that do not.
    """
    way = track.way
    if len(way) < 2 or way[-1] >= 1 or way[-1] < BEGIN:
        return track
    spacing = np.median(np.diff(way[-SPACINGS:]))
    to_come = np.minimum(way[-1:] + spacing, 1.0)
    bins = (warp(np.maximum(way, BEGIN)) * most).astype(int)
    if warp(to_come)[0] * most >= bins[-1] + 1:
        return track
    keep = (way < BEGIN) | (bins < bins[-1])
    if not np.any(way[keep] >= BEGIN):
        return track
    return track._replace(
        way=way[keep], log_loss=track.log_loss[keep], count=track.count[keep]
    )


class _Seen(NamedTuple):
    """Points of a ladder's curves, padded, (point,)."""

    way: np.ndarray
    residual: np.ndarray  # log loss less that at the end, less the mean shape
    count: np.ndarray
    of: np.ndarray  # index of the curve
    size: np.ndarray  # log N and log D from the ladder's middle, (point, 2)
    shape: np.ndarray  # mean shape
    there: np.ndarray  # whether it is a point, rather than padding


class Shapes(NamedTuple):
    """The posterior of shapes given a ladder's curves."""

    seen: _Seen
    weights: np.ndarray  # of `basis` in the mean shape
    middle: np.ndarray  # log N and log D
    draws: np.ndarray  # of the logs of the parts' sizes, (draw, part)


def basis(way: np.ndarray) -> np.ndarray:
    """Shapes that fall to zero at the end and are added up for the mean, (point, 4)."""
    fall = (1 + np.cos(np.pi * way)) / 2
    return np.stack([way**-0.3 - 1, 1 / way - 1, 1 - way, fall], axis=-1)


def _coordinates(sizes: Sequence[tuple[float, float]]) -> np.ndarray:
    """Log N and log D/N of sizes: at the same D/N runs of any size go much alike, (run, 2)."""
    return np.array(sizes) @ np.array([[1.0, -1.0], [0.0, 1.0]])


def learn_shapes(
    tracks: Sequence[Track], *, near: tuple[float, float], seed: int = 0
) -> Shapes:
    """Learn the shape of runs from curves that have ended.

    Args:
        tracks: curves of one schedule, relative to their ends.
        near: log N and log D of the run that it is for: the nearest curves are read.
        seed: of the draws.
    """
    apart = [np.hypot(t.size[0] - near[0], t.size[1] - near[1]) for t in tracks]
    chosen = [tracks[i] for i in np.argsort(apart, kind="stable")[:LADDER]]
    binned = [average(t, PLACES) for t in chosen]
    size = _coordinates([t.size for t in binned])
    of = np.repeat(np.arange(len(binned)), [len(t.way) for t in binned])
    way, count = (np.concatenate([t[i] for t in binned]) for i in (1, 3))
    excess = np.concatenate([t.log_loss - t.log_loss[-1] for t in binned])
    weights, _ = nnls(basis(way), excess)
    shape, middle = basis(way) @ weights, size.mean(axis=0)
    blank = -len(way) % PAD
    columns = (
        way,
        excess - shape,
        count,
        of,
        size[of] - middle,
        shape,
        np.ones(len(way)),
    )
    fills = (1.0, 0.0, 1.0, -2, 0.0, 0.0, 0.0)
    padded = [
        np.concatenate([c, np.full((blank, *c.shape[1:]), fill, c.dtype)])
        for c, fill in zip(columns, fills, strict=True)
    ]
    seen = _Seen(*padded[:-1], padded[-1] > 0)

    def slopes(u: np.ndarray, requested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = _slopes(u.reshape(-1, u.shape[-1]), seen)
        return np.asarray(value).reshape(u.shape[:-1]), np.asarray(slope).reshape(
            u.shape
        )

    def one(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _slopes(u[None], seen)
        return float(value[0]), np.asarray(slope[0])

    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        at = minimize(one, np.zeros(len(MEAN)), jac=True, method="L-BFGS-B").x
        width = modes.width(modes.derivatives(slopes, at[None])[2][0])
    shocks = np.random.default_rng(seed).standard_normal((DRAWS // 2, len(MEAN)))
    u = at + np.concatenate([shocks, -shocks]) @ width.T
    return Shapes(seen, weights, middle, MEAN + SD * u)


def expect(
    shapes: Shapes, size: tuple[float, float], way: np.ndarray, count: np.ndarray
) -> Course:
    """Say what a new run's course is, in measurements.

    Args:
        shapes: learned from the ladder's curves.
        size: log N and log D of the run.
        way: places, (place,).
        count: measurements that each is the mean of, (place,).
    """
    louder = _louder(len(shapes.draws))
    there = way, basis(way) @ shapes.weights
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        mean, covariance = _conditional(
            (shapes.draws, louder),
            shapes.seen,
            _coordinates([size])[0] - shapes.middle,
            there,
            count,
        )
    draws = len(shapes.draws)
    return Course(
        way, np.asarray(mean), np.asarray(covariance), np.full(draws, -np.log(draws))
    )


def noise_of_run(
    draws: Float[np.ndarray, "draw part"],
    way: np.ndarray,
    shape: np.ndarray,
    count: np.ndarray,
    white: float | None = None,
) -> Float[np.ndarray, "draw place place"]:
    """Covariance of a run's noise at places, by draw of the parts' sizes.

    Args:
        draws: logs of the parts' sizes.
        way: places, (place,).
        shape: excess expected there, (place,).
        count: measurements that each is the mean of, (place,).
        white: log sd of a measurement in place of the draws', the same all along.
    """
    if white is not None:
        draws = draws.copy()
        draws[:, PARTS.index("white")], draws[:, PARTS.index("steep")] = white, -np.inf
    with jax.enable_x64(True):
        one = jax.vmap(lambda p: _noise(p, way, shape, count, jnp.ones(())))
        return np.asarray(one(draws))


def _louder(draws: int) -> np.ndarray:
    """How much noisier than the ladder a run is, by draw: quantiles of its prior, in turn."""
    from scipy.stats import norm

    quantiles = norm.ppf((np.arange(draws) + 0.5) / draws)
    return np.exp(NOISY * np.random.default_rng(draws).permutation(quantiles))


def _smooth(p: Array, first: tuple, second: tuple, same: Array) -> Array:
    """Covariance of departures from the mean shape between points, each (way, size, shape)."""
    trend, bend, reach, stiff, of_run = (jnp.exp(p[i]) for i in range(5))
    (way, size, shape), (other, other_size, other_shape) = first, second
    rough, reach_size = jnp.exp(p[9]), jnp.exp(p[10])
    near = jnp.exp(-jnp.sum(jnp.abs(size[:, None] - other_size[None]), axis=-1))
    apart = (size[:, None] - other_size[None]) / jnp.stack([reach_size, reach])
    by_size = trend**2 * (1 + size @ other_size.T)
    by_size += bend**2 * jnp.exp(-0.5 * jnp.sum(apart**2, axis=-1))
    along = jnp.exp(
        -0.5 * ((jnp.log(way)[:, None] - jnp.log(other)[None]) / stiff) ** 2
    )
    alone = jnp.exp(
        -0.5 * ((jnp.log(way)[:, None] - jnp.log(other)[None]) / (LOOSE * stiff)) ** 2
    )
    return (
        shape[:, None]
        * other_shape[None]
        * (along * by_size + alone * (of_run**2 * same + rough**2 * near))
    )


def _noise(p: Array, way: Array, shape: Array, count: Array, same: Array) -> Array:
    """Covariance of noise between points of runs."""
    white, wander, memory, steep = (jnp.exp(p[i]) for i in range(5, 9))
    apart, loud = jnp.abs(way[:, None] - way[None]), 1 + steep * shape
    slow = wander**2 * jnp.exp(-apart / memory) * same
    return (slow + jnp.diag(white**2 / count)) * loud[:, None] * loud[None]


def _of_ladder(p: Array, seen: _Seen) -> Array:
    """Covariance of a ladder's points; padding is apart."""
    same = (seen.of[:, None] == seen.of[None]) * 1.0
    points = (seen.way, seen.size, seen.shape)
    full = _smooth(p, points, points, same) + FREE**2 * same
    full += _noise(p, seen.way, seen.shape, seen.count, same)
    both = seen.there[:, None] & seen.there[None]
    return jnp.where(both, full, 0.0) + jnp.diag(jnp.where(seen.there, JITTER, 1.0))


def _energy(u: Array, seen: _Seen) -> Array:
    root = jnp.linalg.cholesky(_of_ladder(MEAN + SD * u, seen))
    z = jax.scipy.linalg.solve_triangular(root, seen.residual, lower=True)
    return 0.5 * (z @ z + u @ u) + jnp.sum(jnp.log(jnp.diagonal(root)))


@jax.jit
def _slopes(u: Array, seen: _Seen) -> tuple[Array, Array]:
    return jax.lax.map(jax.value_and_grad(partial(_energy, seen=seen)), u)


@jax.jit
def _conditional(
    draws: tuple[Array, Array],
    seen: _Seen,
    size: Array,
    there: tuple[Array, Array],
    count: Array,
) -> tuple[Array, Array]:
    way, shape = there
    sizes = jnp.broadcast_to(size, (len(way), 2))
    points, ladder = (way, sizes, shape), (seen.way, seen.size, seen.shape)

    def one(draw: tuple[Array, Array]) -> tuple[Array, Array]:
        p, louder = draw
        root = jnp.linalg.cholesky(_of_ladder(p, seen))
        solve = partial(jax.scipy.linalg.solve_triangular, root, lower=True)
        half = solve(_smooth(p, ladder, points, jnp.zeros(())))
        mean = shape + half.T @ solve(seen.residual)
        smooth = _smooth(p, points, points, jnp.ones(()))
        noise = louder**2 * _noise(p, way, shape, count, jnp.ones(()))
        return mean, smooth - half.T @ half + noise

    return jax.lax.map(one, draws)
