"""The mode of a posterior and its curvature there, by Newton's method with trust."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

STEP = 1e-5  # between the gradients whose difference is the curvature
STEPS = 100  # Newton steps; typical searches need ten
POINTS = 200  # draws from the prior the search may start from, and from the normal
# approximation that say how good it is
TOLERANCE = 1e-9  # gain in nats below which a step is the last
NEGLIGIBLE = 0.01  # share of the posterior's mass below which a mode is ignored
TRUSTED = 2.0  # mismatch up to which its curvature is a good guide


class Mode(NamedTuple):
    """Where the density peaks, and how wide it is there."""

    at: np.ndarray  # (unknown,)
    # (unknown, unknown): at + width @ z is about the posterior for standard normal z
    width: np.ndarray


class Peak(NamedTuple):
    """A mode, and minus the log density there."""

    mode: Mode
    energy: float


Slopes = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Minus log density, (search, point), and its gradient, (search, point, unknown), at
(search, point, unknown): of one problem, or each search of a problem of its own.  The
second argument, (search,), says for which searches they are requested."""


def derivatives(
    slopes: Slopes, u: np.ndarray, requested: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy, gradient and curvature at each point, (search, unknown).

    The curvature is a central difference of gradients.
    """
    requested = np.ones(len(u), bool) if requested is None else requested
    steps = STEP * np.eye(u.shape[1])
    points = u[:, None] + np.concatenate([0 * steps[:1], steps, -steps])
    values, slope = slopes(points, requested)
    slope = np.nan_to_num(slope)
    up, down = np.split(slope[:, 1:], 2, axis=1)
    hessian = (up - down) / (2 * STEP)
    return values[:, 0], slope[:, 0], (hessian + np.swapaxes(hessian, 1, 2)) / 2


def find(slopes: Slopes, starts: np.ndarray, steps: int = STEPS) -> list[Peak]:
    """Descend from each start, (search, unknown), to a mode.

    Levenberg's damping on the absolute curvature: a step is kept when it lowers the
    energy, and shortened when it does not; there are no more than `steps`.
    """
    u, (value, slope, hessian) = starts, derivatives(slopes, starts)
    damping, searching = np.ones(len(u)), np.ones(len(u), bool)
    for _ in range(steps):
        curvature, axes = np.linalg.eigh(hessian)
        direction = np.einsum("kij,ki->kj", axes, slope)
        direction /= np.abs(curvature) + damping[:, None]
        step = np.einsum("kij,kj->ki", axes, direction)
        trial = derivatives(slopes, u - step, searching)
        gain = value - trial[0]
        accepted = searching & (gain > 0)
        u = np.where(accepted[:, None], u - step, u)
        value, slope, hessian = (
            np.where(accepted.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(trial, (value, slope, hessian), strict=True)
        )
        searching &= ~(((gain > 0) & (gain < TOLERANCE)) | (damping > 1e11))
        if not searching.any():
            break
        damping = np.clip(np.where(gain > 0, damping / 5, damping * 4), 1e-9, 1e12)
    return [
        Peak(Mode(*m), float(v)) for *m, v in zip(u, width(hessian), value, strict=True)
    ]


def distinct(peaks: list[Peak]) -> list[Peak]:
    """The modes that differ, most mass first; those within a width of another are left out."""
    distinct_peaks: list[Peak] = []
    for peak in sorted(peaks, key=_log_mass, reverse=True):
        z = (
            np.linalg.solve(k.mode.width, peak.mode.at - k.mode.at)
            for k in distinct_peaks
        )
        if not any(np.linalg.norm(off) < 1 for off in z):
            distinct_peaks.append(peak)
    return distinct_peaks


def shares(peaks: list[Peak]) -> np.ndarray:
    """Laplace's mass of each mode, (mode,), as parts of one."""
    mass = np.array([_log_mass(peak) for peak in peaks])
    mass = np.exp(mass - mass.max())
    return mass / mass.sum()


def _log_mass(peak: Peak) -> float:
    """Log of Laplace's mass: a spike may be deep and hold next to nothing."""
    return float(np.linalg.slogdet(peak.mode.width)[1] - peak.energy)


def assign(peaks: list[Peak], chains: int) -> np.ndarray:
    """Which mode each chain starts at, (chain,): by their shares of the mass."""
    share = np.cumsum(shares(peaks))
    return np.searchsorted(share / share[-1], (np.arange(chains) + 0.5) / chains)


def missed(peaks: list[Peak], at: np.ndarray) -> list[float]:
    """Shares of the mass of modes worth a chain that no chain starts at."""
    shares_of_modes = enumerate(shares(peaks))
    return [
        float(share)
        for i, share in shares_of_modes
        if share > NEGLIGIBLE and i not in at
    ]


def probes(mode: Mode) -> tuple[np.ndarray, np.ndarray]:
    """Draws from the normal approximation, (point, unknown), and minus their log density."""
    z = np.random.default_rng(0).normal(size=(POINTS, mode.at.size))
    return mode.at + z @ mode.width.T, np.sum(np.square(z), axis=1) / 2


def mismatch(energies: np.ndarray, normal: np.ndarray) -> float:
    """Sd of the log density against the normal's, over its probes."""
    return float(np.std(np.nan_to_num(energies - normal, nan=1e6, posinf=1e6)))


def from_curvature(slopes: Slopes, draws: np.ndarray) -> Mode:
    """Centre and width from draws, (draw, unknown): their mean, their mean curvature."""
    curvature = np.mean(derivatives(slopes, draws)[2], axis=0)
    return Mode(np.mean(draws, axis=0), width(curvature))


def from_covariance(mode: Mode, z: np.ndarray) -> Mode:
    """Centre and width from draws about a mode, (chain, draw, unknown): their covariance."""
    z = z.reshape(-1, z.shape[-1])
    n, covariance = len(z), np.cov(z, rowvar=False)
    # shrunk toward its diagonal, so that it has full rank
    diagonal = np.diag(np.diag(covariance)) * z.shape[-1] / (n + z.shape[-1])
    inner = np.linalg.cholesky(covariance * n / (n + z.shape[-1]) + diagonal)
    return Mode(mode.at + mode.width @ z.mean(0), mode.width @ inner)


def scaled(mode: Mode) -> Mode:
    """Keep only the marginal widths: posterior-sd units, for a curvature not to be trusted."""
    return mode._replace(width=np.diag(np.linalg.norm(mode.width, axis=1)))


def width(hessian: np.ndarray) -> np.ndarray:
    """Inverse square root of the curvature, (..., unknown, unknown).

    Flat or upward directions get unit width.
    """
    curvature, axes = np.linalg.eigh(hessian)
    scale = np.where(curvature > 1e-2, np.maximum(curvature, 1e-2) ** -0.5, 1.0)
    return axes * scale[..., None, :]
