"""The mode of a posterior and its curvature there, by Newton's method with trust."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nstar.types import Array

STEPS = 100  # Newton steps; typical searches need ten
STARTS = 24  # draws from the prior the search may start from
PROBES = 200  # draws from the normal approximation that say how good it is
TRUSTED = 2.0  # mismatch up to which its curvature is a good guide


class Mode(NamedTuple):
    """Where the density peaks, and how wide it is there."""

    at: Array  # (unknown,)
    width: Array  # (unknown, unknown): at + width @ z is about normal for standard z
    mismatch: Array  # sd of log density against that normal, over draws from it


def find(
    energy: Callable[[Array], Array], starts: Array, free: Array | float = 1.0
) -> Mode:
    """Descend from the best of several starts, (start, unknown), to the mode.

    Levenberg's damping on the absolute curvature: a step is kept when it lowers the
    energy, and shortened when it does not.  Unknowns with `free` of zero, (unknown,),
    stay where they start.
    """
    energies = jax.vmap(energy)(starts)
    start = starts[jnp.argmin(jnp.where(jnp.isfinite(energies), energies, jnp.inf))]
    value_and_grad = jax.value_and_grad(energy)
    hessian = jax.hessian(energy)

    def step(state: tuple) -> tuple:
        i, u, value, damping, _ = state
        _, gradient = value_and_grad(u)
        still = jnp.diag(jnp.ones(u.size) * (1 - free))
        curvature, axes = jnp.linalg.eigh(
            hessian(u) * free * jnp.reshape(free, (-1, 1)) + still
        )
        move = -axes @ ((axes.T @ (gradient * free)) / (jnp.abs(curvature) + damping))
        new = energy(u + move)
        better = new < value
        u = jnp.where(better, u + move, u)
        damping = jnp.clip(jnp.where(better, damping / 5, damping * 4), 1e-9, 1e12)
        small = jnp.abs(value - new) < 1e-9
        return i + 1, u, jnp.where(better, new, value), damping, better & small

    def going(state: tuple) -> Array:
        i, _, _, damping, done = state
        return (i < STEPS) & ~done & (damping < 1e11)

    first = (0, start, energy(start), jnp.asarray(1.0), jnp.asarray(False))
    _, at, _, _, _ = jax.lax.while_loop(going, step, first)
    whitening = width(hessian(at))
    z = jax.random.normal(jax.random.key(0), (PROBES, at.size))
    log_ratio = jax.vmap(energy)(at + z @ whitening.T) - jnp.sum(jnp.square(z), 1) / 2
    mismatch = jnp.std(jnp.nan_to_num(log_ratio, nan=1e6, posinf=1e6))
    return Mode(at, whitening, mismatch)


def about(energy: Callable[[Array], Array], draws: Array) -> Mode:
    """Centre and width from draws, (draw, unknown): their mean, their mean curvature."""
    curvature = jnp.mean(jax.lax.map(jax.hessian(energy), draws), axis=0)
    return Mode(jnp.mean(draws, axis=0), width(curvature), jnp.asarray(jnp.nan))


def scaled(mode: Mode) -> Mode:
    """Keep only the marginal widths: posterior-sd units, for a curvature not to be trusted."""
    return mode._replace(width=jnp.diag(jnp.linalg.norm(mode.width, axis=1)))


def width(hessian: Array) -> Array:
    """Inverse square root of the curvature; flat or upward directions get unit width."""
    curvature, axes = jnp.linalg.eigh(hessian)
    scale = jnp.where(curvature > 1e-2, jnp.maximum(curvature, 1e-2) ** -0.5, 1.0)
    return axes * scale
