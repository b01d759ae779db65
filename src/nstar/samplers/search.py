"""Where a posterior's modes are: searches from draws of the prior, in flat unknowns."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nstar.samplers import density, modes, trajectories
from nstar.samplers.density import Skeleton
from nstar.samplers.devices import each, filled
from nstar.samplers.flat import energy_of, flatten, origin, unravel_of
from nstar.types import Array, Params

SEARCHES = 4  # for modes, each from the best of as many parts of the prior's draws
BLOCK = 64  # points whose densities are evaluated together, of each fit of many
ONE = np.ones(1, bool)


def prepare(
    skeleton: Skeleton,
    problem: Any,
    u: np.ndarray,
    steps: int = modes.STEPS,
    also: Sequence[modes.Found] = (),
) -> tuple[list[modes.Found], float]:
    """Find the modes from flat unknowns, (start, unknown), and the best's mismatch.

    `also` are modes that another search ended at.
    """
    slopes = slopes_of(skeleton, problem)
    energies = slopes(u[None], ONE)[0][0]
    energies = np.where(np.isfinite(energies), energies, np.inf)
    parts = np.array_split(np.arange(len(u)), min(SEARCHES, len(u)))
    best = [part[np.argmin(energies[part])] for part in parts]
    peaks = modes.apart([*also, *modes.find(slopes, u[best], steps)])
    at, normal = modes.probes(peaks[0].mode)
    return peaks, modes.mismatch(slopes(at[None], ONE)[0][0], normal)


def leading(skeleton: Skeleton, problem: Any, named: Params) -> np.ndarray:
    """Flat unknowns at real ones, (unknown,), but for what the law leads: led to."""
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    u = origin(law, noise, priors)
    u |= {name: value for name, value in named.items() if name not in law.leads}
    return np.asarray(ravel_pytree(u)[0])


def leading_draws(skeleton: Skeleton, problem: Any, draws: Params) -> np.ndarray:
    """Flat draws of the prior, (draw, unknown), but for what the law leads: at its centre."""
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    zero = origin(law, noise, priors)
    free = {n: np.full(np.shape(v), n not in law.leads) for n, v in zero.items()}
    return flatten(skeleton, problem, draws) * np.asarray(ravel_pytree(free)[0])


@partial(jax.jit, static_argnums=0, compiler_options=density.ONCE)
def look(skeleton: Skeleton, problem: Any, u: Array, draws: Array) -> Any:
    """Look at the runs from flat unknowns, beside flat draws of the prior, (draw, ...).

    Returns:
        What the law sees there, and its unknowns on the real line.
    """
    numbers, priors, data = problem
    law, noise = skeleton.fill(numbers)
    named = unravel_of(skeleton, problem)
    seen = density.looked(law, noise, priors, data, named(u), jax.vmap(named)(draws))
    return seen, density.led(law, noise, priors, data, named(u))[1]


def slopes_of(skeleton: Skeleton, problem: Any) -> modes.Slopes:
    """Minus log density and its gradient at flat unknowns, (search, point, unknown)."""

    def slopes(u: np.ndarray, asking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = np.zeros(u.shape[:-1]), np.zeros(u.shape)
        flat = u[asking].reshape(-1, u.shape[-1])
        values, slopes = trajectories.at_points(skeleton, problem, flat)
        value[asking] = values.reshape(value[asking].shape)
        slope[asking] = slopes.reshape(slope[asking].shape)
        return value, slope

    return slopes


def search_each(
    skeleton: Skeleton, problems: Any, prior: Params, count: int
) -> tuple[modes.Mode, np.ndarray]:
    """Find two modes of each of many problems, and say which have more, (fit,).

    The first search is from the best of the prior's draws, the next from the draw whose
    density is most above what the curvature of the modes so far makes of it: another
    mode, if there is one, is on its side.  Where two are there, a third is looked for.

    Args:
        skeleton: the law and the noise.
        problems: numbers, priors and runs, each with a leading axis of fits.
        prior: draws of the prior, (draw, ...) each.
        count: how many of the problems are searched.
    """
    one = jax.tree.map(lambda a: a[0], problems)
    u = flatten(skeleton, one, {n: v[:BLOCK] for n, v in prior.items()})
    energies = energies_of(skeleton, problems)(np.stack([u] * count))
    energies = np.where(np.isfinite(energies), energies, np.inf)
    peaks = _found(skeleton, problems, u[np.argmin(energies, axis=1)][:, None])
    for _ in range(2):
        starts = [u[_beside(f, u, e)] for f, e in zip(peaks, energies, strict=True)]
        more = _found(skeleton, problems, np.stack(starts)[:, None])
        peaks = [modes.apart([*a, *b]) for a, b in zip(peaks, more, strict=True)]
        if all(len(f) == 1 for f in peaks):
            break
    return _pairs(peaks)


def _beside(peaks: list[modes.Found], u: np.ndarray, energies: np.ndarray) -> int:
    """Which point's density, (point,), is most above what modes' curvature makes of it."""
    normal = [
        np.sum(np.square(np.linalg.solve(width, (u - at).T)), axis=0) / 2 + energy
        for (at, width), energy in peaks
    ]
    return int(np.argmin(energies - np.min(normal, axis=0)))


def prepare_each(
    skeleton: Skeleton, problems: Any, starts: np.ndarray
) -> tuple[modes.Mode, np.ndarray]:
    """Find the modes of each of many problems from given places, (fit, search, unknown).

    Returns:
        The two best of each, (fit, 2, ...), the same one twice where no other has a part
        of the posterior's mass; and whether a third has.
    """
    return _pairs(_found(skeleton, problems, starts))


def _found(
    skeleton: Skeleton, problems: Any, starts: np.ndarray
) -> list[list[modes.Found]]:
    """Modes of each problem, one for each search."""
    fits, searches, size = starts.shape

    def slopes(u: np.ndarray, asking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = u.reshape(fits, searches, *u.shape[1:])
        value, slope = _slopes(
            skeleton, problems, points, asking.reshape(fits, searches)
        )
        return value.reshape(u.shape[:-1]), slope.reshape(u.shape)

    found = modes.find(slopes, starts.reshape(-1, size))
    return [found[i : i + searches] for i in range(0, len(found), searches)]


def _pairs(own: list[list[modes.Found]]) -> tuple[modes.Mode, np.ndarray]:
    kept = [modes.apart(of_one) for of_one in own]
    pairs = [
        k[:2] if modes.shares(k)[0] < 1 - modes.RARE else [k[0], k[0]] for k in kept
    ]
    both = [
        jax.tree.map(lambda *a: np.stack(a), *(f.mode for f in pair)) for pair in pairs
    ]
    more = np.array([modes.shares(k)[:2].sum() < 1 - modes.RARE for k in kept])
    return jax.tree.map(lambda *a: np.stack(a), *both), more


def energies_of(
    skeleton: Skeleton, problems: Any, *, x64: bool = True
) -> Callable[[np.ndarray], np.ndarray]:
    """Minus log density of the first of many problems, (fit, point), at their own points.

    Points, (fit, point, unknown), go through one program, a block of them at a time.
    """
    size = len(jax.tree.leaves(problems)[0])

    def energies(u: np.ndarray) -> np.ndarray:
        parts = []
        for at in range(0, u.shape[1], BLOCK):
            points = u[:, np.minimum(np.arange(at, at + BLOCK), u.shape[1] - 1)]
            with jax.enable_x64(x64):
                value = _energies(skeleton, problems, filled(points, size), len(u))
            parts.append(np.asarray(value, float)[: len(u)])
        return np.concatenate(parts, axis=1)[:, : u.shape[1]]

    return energies


@partial(jax.jit, static_argnums=0)
def _energies(skeleton: Skeleton, problems: Any, u: Array, count: Array) -> Array:
    def one(args: Any) -> Array:
        problem, u = args
        return jax.vmap(energy_of(skeleton, problem))(u)

    return each(one, (problems, u), count)


def _slopes(
    skeleton: Skeleton, problems: Any, u: np.ndarray, asking: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same and its gradient at (fit, search, point, unknown), zero where not asked."""
    full = filled((u, asking), len(jax.tree.leaves(problems)[0]))
    value, slope = _each(skeleton, problems, *full, len(u))
    return np.asarray(value)[: len(u)], np.asarray(slope)[: len(u)]


@partial(jax.jit, static_argnums=0)
def _each(
    skeleton: Skeleton, problems: Any, u: Array, asking: Array, count: Array
) -> tuple[Array, Array]:
    def one(args: Any) -> tuple[Array, Array]:
        problem, u, asking = args
        slopes = jax.vmap(jax.value_and_grad(energy_of(skeleton, problem)))

        def search(args: Any) -> tuple[Array, Array]:
            u, asking = args
            none = jnp.zeros(u.shape[:1]), jnp.zeros_like(u)
            return jax.lax.cond(asking, slopes, lambda _: none, u)

        return jax.lax.map(search, (u, asking))

    return each(one, (problems, u, asking), count)
