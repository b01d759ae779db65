"""The mode of a posterior and its curvature there, by Newton's method with trust."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nstar.types import Array

STEPS = 100  # Newton steps; typical searches need ten
POINTS = 200  # draws from the prior the search may start from, and from the normal
# approximation that say how good it is: as many, so that one program serves both
TRUSTED = 2.0  # mismatch up to which its curvature is a good guide


class Mode(NamedTuple):
    """Where the density peaks, and how wide it is there."""

    at: Array  # (unknown,)
    width: Array  # (unknown, unknown): at + width @ z is about normal for standard z
    mismatch: Array  # sd of log density against that normal, over draws from it


def find(
    energy: Callable[[Array], Array], start: Array, free: Array | float = 1.0
) -> Mode:
    """Descend from a start, (unknown,), to the mode.

    Levenberg's damping on the absolute curvature: a step is kept when it lowers the
    energy, and shortened when it does not.  Unknowns with `free` of zero, (unknown,),
    stay where they start.  The mismatch is left to `probed`.
    """
    axis = jnp.eye(start.size)

    def local(u: Array) -> tuple[Array, Array, Array]:
        """Energy, gradient and curvature, in one pass."""
        (value, slope), along = jax.linearize(jax.value_and_grad(energy), u)
        return value, slope, jax.vmap(along)(axis)[1]

    def step(state: tuple) -> tuple:
        i, u, value, slope, hessian, damping, _ = state
        still = jnp.diag(jnp.ones(u.size) * (1 - free))
        curvature, axes = jnp.linalg.eigh(
            hessian * free * jnp.reshape(free, (-1, 1)) + still
        )
        move = axes @ ((axes.T @ (slope * free)) / (jnp.abs(curvature) + damping))
        new = local(u - move)
        better = new[0] < value
        near = better & (jnp.abs(value - new[0]) < 1e-9)
        damping = jnp.where(
            jnp.isinf(value), damping, jnp.where(better, damping / 5, damping * 4)
        )
        kept = jax.tree.map(
            lambda a, b: jnp.where(better, a, b),
            (u - move, *new),
            (u, value, slope, hessian),
        )
        return i + 1, *kept, jnp.clip(damping, 1e-9, 1e12), near

    def going(state: tuple) -> Array:
        i, *_, damping, near = state
        return (i < STEPS) & ~near & (damping < 1e11)

    nowhere = (jnp.asarray(jnp.inf), jnp.zeros_like(start), jnp.eye(start.size))
    first = (
        0,
        start,
        *nowhere,
        jnp.asarray(1.0),
        jnp.asarray(False),
    )  # stays for a step
    _, at, _, _, hessian, _, _ = jax.lax.while_loop(going, step, first)
    return Mode(at, width(hessian), jnp.asarray(jnp.nan))


def probes(mode: Mode) -> tuple[Array, Array]:
    """Draws from the normal approximation, (point, unknown), and minus their log density."""
    z = np.random.default_rng(0).normal(size=(POINTS, mode.at.size))
    return mode.at + z @ mode.width.T, np.sum(np.square(z), axis=1) / 2


def mismatch(energies: Array, normal: Array) -> Array:
    """Sd of the log density against the normal's, over its probes."""
    return jnp.std(jnp.nan_to_num(energies - normal, nan=1e6, posinf=1e6))


def about(energy: Callable[[Array], Array], draws: Array) -> Mode:
    """Centre and width from draws, (draw, unknown): their mean, their mean curvature."""
    curvature = jnp.mean(jax.lax.map(jax.hessian(energy), draws), axis=0)
    return Mode(jnp.mean(draws, axis=0), width(curvature), jnp.asarray(jnp.nan))


@jax.jit
def spread(mode: Mode, z: Array) -> Mode:
    """Centre and width from draws about a mode, (chain, draw, unknown): their covariance."""
    z = z.reshape(-1, z.shape[-1])
    n = len(z)
    own = jnp.cov(z, rowvar=False)
    held = (
        jnp.diag(jnp.diag(own)) * z.shape[-1] / (n + z.shape[-1])
    )  # keeps it of full rank
    inner = jnp.linalg.cholesky(own * n / (n + z.shape[-1]) + held)
    return mode._replace(at=mode.at + mode.width @ z.mean(0), width=mode.width @ inner)


def scaled(mode: Mode) -> Mode:
    """Keep only the marginal widths: posterior-sd units, for a curvature not to be trusted."""
    return mode._replace(width=jnp.diag(jnp.linalg.norm(mode.width, axis=1)))


def width(hessian: Array) -> Array:
    """Inverse square root of the curvature; flat or upward directions get unit width."""
    curvature, axes = jnp.linalg.eigh(hessian)
    scale = jnp.where(curvature > 1e-2, jnp.maximum(curvature, 1e-2) ** -0.5, 1.0)
    return axes * scale
