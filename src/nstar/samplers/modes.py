"""The mode of a posterior and its curvature there, by Newton's method with trust."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

STEP = 1e-5  # between the gradients whose difference is the curvature
STEPS = 100  # Newton steps; typical searches need ten
POINTS = 200  # draws from the prior the search may start from, and from the normal
# approximation that say how good it is: as many, so that one program serves both
NEAR = 1e-9  # a step that gains less is the last
TRUSTED = 2.0  # mismatch up to which its curvature is a good guide


class Mode(NamedTuple):
    """Where the density peaks, and how wide it is there."""

    at: np.ndarray  # (unknown,)
    width: (
        np.ndarray
    )  # (unknown, unknown): at + width @ z is about normal for standard z


class Found(NamedTuple):
    """A mode, and minus the log density there."""

    mode: Mode
    energy: float


Slopes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Minus log density, (point,), and its gradient, (point, unknown), at (point, unknown)."""


def local(slopes: Slopes, u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy, gradient and curvature at a point, by central differences of the gradient."""
    apart = STEP * np.eye(len(u))
    values, slope = slopes(np.concatenate([u[None], u + apart, u - apart]))
    up, down = np.split(np.nan_to_num(slope[1:]), 2)
    hessian = (up - down) / (2 * STEP)
    return float(values[0]), np.nan_to_num(slope[0]), (hessian + hessian.T) / 2


def find(slopes: Slopes, start: np.ndarray, free: np.ndarray) -> Found:
    """Descend from a start, (unknown,), to the mode.

    Levenberg's damping on the absolute curvature: a step is kept when it lowers the
    energy, and shortened when it does not.  Unknowns with `free` of zero, (unknown,),
    stay where they start.
    """
    u, (value, slope, hessian) = start, local(slopes, start)
    damping = 1.0
    for _ in range(STEPS):
        curvature, axes = np.linalg.eigh(
            hessian * free * free[:, None] + np.diag(1 - free)
        )
        move = axes @ ((axes.T @ (slope * free)) / (np.abs(curvature) + damping))
        there = local(slopes, u - move)
        gain = value - there[0]
        if gain > 0:
            u, (value, slope, hessian) = u - move, there
        if 0 < gain < NEAR or damping > 1e11:
            break
        damping = np.clip(damping / 5 if gain > 0 else damping * 4, 1e-9, 1e12)
    return Found(Mode(u, width(hessian)), float(value))


def apart(found: list[Found]) -> list[Found]:
    """The modes that differ, lowest energy first; within a width of one is that one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: f.energy):
        z = (np.linalg.solve(k.mode.width, one.mode.at - k.mode.at) for k in kept)
        if not any(np.linalg.norm(off) < 1 for off in z):
            kept.append(one)
    return kept


def shared(found: list[Found], chains: int) -> np.ndarray:
    """Which mode each chain starts at, (chain,): by their shares of Laplace's masses."""
    mass = np.array([np.linalg.slogdet(m.width)[1] - energy for m, energy in found])
    share = np.cumsum(np.exp(mass - mass.max()))
    return np.searchsorted(share / share[-1], (np.arange(chains) + 0.5) / chains)


def probes(mode: Mode) -> tuple[np.ndarray, np.ndarray]:
    """Draws from the normal approximation, (point, unknown), and minus their log density."""
    z = np.random.default_rng(0).normal(size=(POINTS, mode.at.size))
    return mode.at + z @ mode.width.T, np.sum(np.square(z), axis=1) / 2


def mismatch(energies: np.ndarray, normal: np.ndarray) -> float:
    """Sd of the log density against the normal's, over its probes."""
    return float(np.std(np.nan_to_num(energies - normal, nan=1e6, posinf=1e6)))


def about(slopes: Slopes, draws: np.ndarray) -> Mode:
    """Centre and width from draws, (draw, unknown): their mean, their mean curvature."""
    curvature = np.mean([local(slopes, u)[2] for u in draws], axis=0)
    return Mode(np.mean(draws, axis=0), width(curvature))


def spread(mode: Mode, z: np.ndarray) -> Mode:
    """Centre and width from draws about a mode, (chain, draw, unknown): their covariance."""
    z = z.reshape(-1, z.shape[-1])
    n, own = len(z), np.cov(z, rowvar=False)
    held = np.diag(np.diag(own)) * z.shape[-1] / (n + z.shape[-1])  # of full rank, so
    inner = np.linalg.cholesky(own * n / (n + z.shape[-1]) + held)
    return Mode(mode.at + mode.width @ z.mean(0), mode.width @ inner)


def scaled(mode: Mode) -> Mode:
    """Keep only the marginal widths: posterior-sd units, for a curvature not to be trusted."""
    return mode._replace(width=np.diag(np.linalg.norm(mode.width, axis=1)))


def width(hessian: np.ndarray) -> np.ndarray:
    """Inverse square root of the curvature; flat or upward directions get unit width."""
    curvature, axes = np.linalg.eigh(hessian)
    return axes * np.where(curvature > 1e-2, np.maximum(curvature, 1e-2) ** -0.5, 1.0)
