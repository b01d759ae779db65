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
from nstar.samplers.devices import map_fits, pad_fits
from nstar.samplers.flat import energy_of, flatten, origin, unravel_of
from nstar.types import Array, Params

SEARCHES = 4  # for modes, each from the best of as many parts of the prior's draws
BLOCK = 64  # points whose densities are evaluated together, of each fit of many
ALL_REQUESTED = np.ones(1, bool)


def find_modes(
    skeleton: Skeleton,
    problem: Any,
    u: np.ndarray,
    steps: int = modes.STEPS,
    known: Sequence[modes.Peak] = (),
) -> tuple[list[modes.Peak], float]:
    """Find the modes of a density, and how far the best is from normal.

    Args:
        skeleton: the law and the noise.
        problem: numbers, priors and runs.
        u: flat unknowns to start from, (start, unknown).
        steps: most steps of each search.
        known: modes that another search has found.

    Returns:
        The modes, most mass first, and `modes.mismatch` of the first.
    """
    slopes = slopes_of(skeleton, problem)
    energies = slopes(u[None], ALL_REQUESTED)[0][0]
    energies = np.where(np.isfinite(energies), energies, np.inf)
    parts = np.array_split(np.arange(len(u)), min(SEARCHES, len(u)))
    best = [part[np.argmin(energies[part])] for part in parts]
    peaks = modes.distinct([*known, *modes.find(slopes, u[best], steps)])
    at, normal = modes.probes(peaks[0].mode)
    return peaks, modes.mismatch(slopes(at[None], ALL_REQUESTED)[0][0], normal)


def centred_start(skeleton: Skeleton, problem: Any, named: Params) -> np.ndarray:
    """Flat unknowns from those on the real line, (unknown,).

    Unknowns that the law reparameterises are at their conditional centre.
    """
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    u = origin(law, noise, priors)
    u |= {
        name: value for name, value in named.items() if name not in law.reparameterised
    }
    return np.asarray(ravel_pytree(u)[0])


def centred_draws(skeleton: Skeleton, problem: Any, draws: Params) -> np.ndarray:
    """Flat draws of the prior, (draw, unknown).

    Unknowns that the law reparameterises are at their conditional centre.
    """
    numbers, priors, _ = problem
    law, noise = skeleton.fill(numbers)
    zero = origin(law, noise, priors)
    free = {
        n: np.full(np.shape(v), n not in law.reparameterised) for n, v in zero.items()
    }
    return flatten(skeleton, problem, draws) * np.asarray(ravel_pytree(free)[0])


@partial(jax.jit, static_argnums=0, compiler_options=density.ONCE)
def linearise(skeleton: Skeleton, problem: Any, u: Array, draws: Array) -> Any:
    """Linearise the law about flat unknowns, (unknown,).

    Args:
        skeleton: the law and the noise.
        problem: numbers, priors and runs.
        u: flat unknowns, (unknown,).
        draws: flat draws of the prior, (draw, unknown).

    Returns:
        The linearisation, and the law's unknowns on the real line there.
    """
    numbers, priors, data = problem
    law, noise = skeleton.fill(numbers)
    unravel = unravel_of(skeleton, problem)
    linearisation = density.linearise(
        law, noise, priors, data, unravel(u), jax.vmap(unravel)(draws)
    )
    return linearisation, density.reparameterise(law, noise, priors, data, unravel(u))[
        1
    ]


def slopes_of(skeleton: Skeleton, problem: Any) -> modes.Slopes:
    """Minus log density and its gradient at flat unknowns, (search, point, unknown)."""

    def slopes(u: np.ndarray, requested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = np.zeros(u.shape[:-1]), np.zeros(u.shape)
        flat = u[requested].reshape(-1, u.shape[-1])
        values, slopes = trajectories.slopes_at_points(skeleton, problem, flat)
        value[requested] = values.reshape(value[requested].shape)
        slope[requested] = slopes.reshape(slope[requested].shape)
        return value, slope

    return slopes


def search_many(
    skeleton: Skeleton, problems: Any, prior: Params, count: int
) -> tuple[modes.Mode, np.ndarray]:
    """Find two modes of each of many problems, and say which have more, (fit,).

    The first search is from the best of the prior's draws, the next from the draw whose
    density is most above the normals of the modes so far: another mode, if there is one,
    is on its side.  Where two are found, a third is searched for.

    Args:
        skeleton: the law and the noise.
        problems: numbers, priors and runs, each with a leading axis of fits.
        prior: draws of the prior, (draw, ...) each.
        count: how many of the problems are searched.
    """
    first_problem = jax.tree.map(lambda a: a[0], problems)
    u = flatten(skeleton, first_problem, {n: v[:BLOCK] for n, v in prior.items()})
    energies = energies_of(skeleton, problems)(np.stack([u] * count))
    energies = np.where(np.isfinite(energies), energies, np.inf)
    peaks = _search_all(skeleton, problems, u[np.argmin(energies, axis=1)][:, None])
    for _ in range(2):
        starts = [
            u[_farthest_above(of_fit, u, energy)]
            for of_fit, energy in zip(peaks, energies, strict=True)
        ]
        more = _search_all(skeleton, problems, np.stack(starts)[:, None])
        peaks = [modes.distinct([*a, *b]) for a, b in zip(peaks, more, strict=True)]
        if all(len(of_fit) == 1 for of_fit in peaks):
            break
    return _best_two(peaks)


def _farthest_above(
    peaks: list[modes.Peak], u: np.ndarray, energies: np.ndarray
) -> int:
    """Number of the point whose density is most above the normals about the modes.

    Args:
        peaks: modes, each with a normal of its curvature.
        u: points, (point, unknown).
        energies: minus log density at the points, (point,).
    """
    normal = [
        np.sum(np.square(np.linalg.solve(width, (u - at).T)), axis=0) / 2 + energy
        for (at, width), energy in peaks
    ]
    return int(np.argmin(energies - np.min(normal, axis=0)))


def find_modes_of_many(
    skeleton: Skeleton, problems: Any, starts: np.ndarray
) -> tuple[modes.Mode, np.ndarray]:
    """Find the modes of each of many problems from given places, (fit, search, unknown).

    Returns:
        The two best modes of each problem, (fit, 2, ...), the same one twice where the
        others have next to no mass; and whether a third has some, (fit,).
    """
    return _best_two(_search_all(skeleton, problems, starts))


def _search_all(
    skeleton: Skeleton, problems: Any, starts: np.ndarray
) -> list[list[modes.Peak]]:
    """Search from every start, (fit, search, unknown); a mode for each search."""
    fits, searches, size = starts.shape

    def slopes(u: np.ndarray, requested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = u.reshape(fits, searches, *u.shape[1:])
        value, slope = _slopes_of_each(
            skeleton, problems, points, requested.reshape(fits, searches)
        )
        return value.reshape(u.shape[:-1]), slope.reshape(u.shape)

    peaks = modes.find(slopes, starts.reshape(-1, size))
    return [peaks[i : i + searches] for i in range(0, len(peaks), searches)]


def _best_two(peaks: list[list[modes.Peak]]) -> tuple[modes.Mode, np.ndarray]:
    distinct = [modes.distinct(of_fit) for of_fit in peaks]
    pairs = [
        of_fit[:2]
        if modes.shares(of_fit)[0] < 1 - modes.NEGLIGIBLE
        else [of_fit[0], of_fit[0]]
        for of_fit in distinct
    ]
    stacked = [
        jax.tree.map(lambda *a: np.stack(a), *(peak.mode for peak in pair))
        for pair in pairs
    ]
    has_more = np.array(
        [modes.shares(of_fit)[:2].sum() < 1 - modes.NEGLIGIBLE for of_fit in distinct]
    )
    return jax.tree.map(lambda *a: np.stack(a), *stacked), has_more


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
                value = _energies_program(
                    skeleton, problems, pad_fits(points, size), len(u)
                )
            parts.append(np.asarray(value, float)[: len(u)])
        return np.concatenate(parts, axis=1)[:, : u.shape[1]]

    return energies


@partial(jax.jit, static_argnums=0)
def _energies_program(
    skeleton: Skeleton, problems: Any, u: Array, count: Array
) -> Array:
    def energies_of_fit(args: Any) -> Array:
        problem, u = args
        return jax.vmap(energy_of(skeleton, problem))(u)

    return map_fits(energies_of_fit, (problems, u), count)


def _slopes_of_each(
    skeleton: Skeleton, problems: Any, u: np.ndarray, requested: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minus log density and its gradient at (fit, search, point, unknown).

    Zero in searches that are not requested, (fit, search).
    """
    full = pad_fits((u, requested), len(jax.tree.leaves(problems)[0]))
    value, slope = _slopes_program(skeleton, problems, *full, len(u))
    return np.asarray(value)[: len(u)], np.asarray(slope)[: len(u)]


@partial(jax.jit, static_argnums=0)
def _slopes_program(
    skeleton: Skeleton, problems: Any, u: Array, requested: Array, count: Array
) -> tuple[Array, Array]:
    def slopes_of_fit(args: Any) -> tuple[Array, Array]:
        problem, u, requested = args
        slopes = jax.vmap(jax.value_and_grad(energy_of(skeleton, problem)))

        def slopes_of_search(args: Any) -> tuple[Array, Array]:
            u, requested = args
            none = jnp.zeros(u.shape[:1]), jnp.zeros_like(u)
            return jax.lax.cond(requested, slopes, lambda _: none, u)

        return jax.lax.map(slopes_of_search, (u, requested))

    return map_fits(slopes_of_fit, (problems, u, requested), count)
