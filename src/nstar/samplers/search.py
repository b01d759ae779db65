"""Where a posterior's modes are: searches from draws of the prior, in flat unknowns."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nstar.samplers import density, modes
from nstar.samplers.density import Skeleton
from nstar.samplers.devices import each
from nstar.types import Array, Law, Noise, Params

ONE = np.ones(1, bool)
TOGETHER = 32  # points whose slopes are worked out together
SEARCHES = 4  # for modes, each from the best of as many parts of the prior's draws
STARTS, EACH = 64, 2  # of each fit of many: draws of the prior, and searches from them
RARE = 0.01  # part of the posterior's mass that a second mode may have


def energy(skeleton: Skeleton, problem: Any) -> tuple[Callable, Callable]:
    """Minus log density of a flat vector of unknowns, and the map to named ones."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    _, unravel = ravel_pytree(origin(law, noise, chosen))
    of_named = density.energy(law, noise, chosen, data)
    return lambda u: of_named(unravel(u)), unravel


def origin(law: Law, noise: Noise, chosen: Any) -> dict[str, Array]:
    """Every unknown at zero on the real line."""
    shapes = jax.eval_shape(
        lambda key: density.prior_draw(law, noise, chosen, key), jax.random.key(0)
    )
    return {name: jnp.zeros(s.shape, s.dtype) for name, s in shapes.items()}


def prepare(
    skeleton: Skeleton, problem: Any, u: np.ndarray, steps: int = modes.STEPS
) -> tuple[list[modes.Found], float]:
    """Find the modes from flat unknowns, (start, unknown), and the best's mismatch."""
    slopes = slopes_of(skeleton, problem)
    energies = slopes(u[None], ONE)[0][0]
    energies = np.where(np.isfinite(energies), energies, np.inf)
    parts = np.array_split(np.arange(len(u)), min(SEARCHES, len(u)))
    best = [part[np.argmin(energies[part])] for part in parts]
    found = modes.apart(modes.find(slopes, u[best], steps))
    at, normal = modes.probes(found[0].mode)
    return found, modes.mismatch(slopes(at[None], ONE)[0][0], normal)


@partial(jax.jit, static_argnums=0)
def flat(skeleton: Skeleton, problem: Any, draws: Params) -> Array:
    """Flat unknowns of draws of the prior, (draw, unknown); those they lack are zero."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    zero = origin(law, noise, chosen)

    def real(params: Params) -> Array:
        whole = {n: params.get(n, none) for n, none in zero.items()}
        u = density.unconstrain(law, noise, chosen, data, whole)
        return jnp.nan_to_num(ravel_pytree(u)[0])

    return jax.vmap(real)(draws)


@partial(jax.jit, static_argnums=0)
def real(skeleton: Skeleton, problem: Any, u: Array) -> dict[str, Array]:
    """Named unknowns on the real line from flat ones of the sampler."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    named = energy(skeleton, problem)[1](u)
    return density.led(law, noise, chosen, data, named)[1]


def leading(skeleton: Skeleton, problem: Any, named: Params) -> np.ndarray:
    """Flat unknowns at real ones, (unknown,), but for what the law leads: led to."""
    numbers, chosen, _ = problem
    law, noise = skeleton.fill(numbers)
    u = origin(law, noise, chosen)
    u |= {name: value for name, value in named.items() if name not in law.leads}
    return np.asarray(ravel_pytree(u)[0])


@partial(jax.jit, static_argnums=0)
def look(skeleton: Skeleton, problem: Any, u: Array, draws: Array) -> Any:
    """Look at the runs from flat unknowns, beside flat draws of the prior, (draw, ...)."""
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    _, named = energy(skeleton, problem)
    return density.looked(law, noise, chosen, data, named(u), jax.vmap(named)(draws))


@partial(jax.jit, static_argnums=0)
def _slopes(skeleton: Skeleton, problem: Any, u: Array) -> tuple[Array, Array]:
    """Minus log density and its gradient at flat unknowns, (point, unknown)."""
    slopes = jax.value_and_grad(energy(skeleton, problem)[0])
    if density.leads(skeleton.law):  # small matrices, slow side by side on a CPU
        return each(slopes, u)
    return jax.vmap(slopes)(u)


def slopes_of(skeleton: Skeleton, problem: Any) -> modes.Slopes:
    """The same at any number of points, a few at a time: one program for all."""

    def slopes(u: np.ndarray, asking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = np.zeros(u.shape[:-1]), np.zeros(u.shape)
        flat = u[asking].reshape(-1, u.shape[-1])
        short = -len(flat) % TOGETHER
        full = np.concatenate([flat, np.repeat(flat[:1], short, axis=0)])
        parts = [_slopes(skeleton, problem, p) for p in np.split(full, len(full) // TOGETHER)]  # fmt: skip
        found = (np.concatenate(p)[: len(flat)] for p in zip(*parts, strict=True))
        value[asking], slope[asking] = (f.reshape(a[asking].shape) for f, a in zip(found, (value, slope), strict=True))  # fmt: skip
        return value, slope

    return slopes


def starts_each(skeleton: Skeleton, problems: Any, starts: Params) -> np.ndarray:
    """Where the searches of each of many problems start: the best of parts of the prior.

    Args:
        skeleton: the law and the noise.
        problems: numbers, priors and runs, each with a leading axis of fits.
        starts: draws of the prior, (start, ...) each.

    Returns:
        Flat unknowns, (fit, search, unknown).
    """
    one = jax.tree.map(lambda a: a[0], problems)
    first = {n: v[:STARTS] for n, v in starts.items()}
    u = np.asarray(flat(skeleton, one, first))
    energies = np.asarray(_energies(skeleton, problems, u))
    energies = np.where(np.isfinite(energies), energies, np.inf)
    parts = energies.reshape(len(energies), EACH, -1)
    return u[np.argmin(parts, axis=2) + np.arange(EACH) * parts.shape[2]]


def prepare_each(
    skeleton: Skeleton, problems: Any, starts: np.ndarray
) -> tuple[modes.Mode, np.ndarray]:
    """Find two modes of each of many problems, and say which have more, (fit,).

    Returns:
        The two best of each, (fit, 2, ...), the same one twice where no other has a part
        of the posterior's mass; and whether a third has.
    """
    fits, searches, size = starts.shape

    def slopes(u: np.ndarray, asking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = u.reshape(fits, searches, *u.shape[1:])
        value, slope = _each(skeleton, problems, points, asking.reshape(fits, searches))
        return np.asarray(value).reshape(u.shape[:-1]), np.asarray(slope).reshape(u.shape)  # fmt: skip

    found = modes.find(slopes, starts.reshape(-1, size))
    own = [found[i : i + searches] for i in range(0, len(found), searches)]
    kept = [modes.apart(of_one) for of_one in own]
    pairs = [k[:2] if modes.shares(k)[0] < 1 - RARE else [k[0], k[0]] for k in kept]
    both = [jax.tree.map(lambda *a: np.stack(a), *(f.mode for f in pair)) for pair in pairs]  # fmt: skip
    more = np.array([modes.shares(k)[:2].sum() < 1 - RARE for k in kept])
    return jax.tree.map(lambda *a: np.stack(a), *both), more


@partial(jax.jit, static_argnums=0)
def _energies(skeleton: Skeleton, problems: Any, u: Array) -> Array:
    """Minus log density of each problem, (fit, point), at points, (point, unknown)."""
    return each(lambda p: jax.vmap(energy(skeleton, p)[0])(u), problems)


@partial(jax.jit, static_argnums=0)
def _each(
    skeleton: Skeleton, problems: Any, u: Array, asking: Array
) -> tuple[Array, Array]:
    """The same and its gradient at (fit, search, point, unknown), zero where not asked."""

    def one(args: Any) -> tuple[Array, Array]:
        problem, u, asking = args
        slopes = jax.vmap(jax.value_and_grad(energy(skeleton, problem)[0]))

        def search(args: Any) -> tuple[Array, Array]:
            u, asking = args
            none = jnp.zeros(u.shape[:1]), jnp.zeros_like(u)
            return jax.lax.cond(asking, slopes, lambda _: none, u)

        return jax.lax.map(search, (u, asking))

    return each(one, (problems, u, asking))
