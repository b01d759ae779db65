"""A smooth random process over (log N, log D), told as waves of fixed frequencies."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws.priors import log_normal
from nstar.types import Array, Prior

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process
STEP = 1.4  # between frequencies on a line, times the root of their number
GOLDEN = (np.sqrt(5) - 1) / 2  # part of a turn between points of the spiral


class Spectrum(NamedTuple):
    """Frequencies per e-fold and the part of the process's variance that each has."""

    frequency: np.ndarray  # (wave, dimension)
    part: np.ndarray  # (wave,), adding up to one

    def along(self, axes: Any) -> "Spectrum":
        """Lay the frequencies along other axes, (dimension, other dimension)."""
        return self._replace(frequency=self.frequency @ np.asarray(axes))


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D) told as waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,w, \qquad w_j \sim \mathrm{Normal}(0, 1) $$

    The columns of $\Phi$ are cosines and sines whose frequencies cover the kernel's
    spectrum (Rahimi & Recht 2007), so that the process is as uncertain far from the runs
    as anywhere.
    """

    usual: float  # the prior's median of the amplitude
    spread: float  # sd of its log
    spectrum: Any = field(compare=False)  # over log N and log D
    pin: float = 0.0  # 1 where the process is zero at the centre of the runs

    @property
    def size(self) -> int:
        """Number of weights."""
        return 2 * len(self.spectrum.part)

    def columns(self, n: Array, d: Array) -> Array:
        """Each weight's shape at unit amplitude, (..., weight)."""
        xp = (
            np if isinstance(n, np.ndarray) else jnp
        )  # outside of a program without one
        phase = xp.stack([n, d], axis=-1) @ self.spectrum.frequency.T
        size = xp.sqrt(xp.tile(self.spectrum.part, 2))
        return xp.concatenate([xp.cos(phase) - self.pin, xp.sin(phase)], -1) * size

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return log_normal(self.usual, self.spread)

    def weights(self) -> Prior:
        """Prior of w."""
        return dist.Normal(0.0, 1.0).expand([self.size])

    def bend(self, tau: Array, w: Array, n: Array, d: Array) -> Array:
        """Value of the process."""
        return self.columns(n, d) @ (tau * w)


def over_line(waves: int, length: float) -> Spectrum:
    """Frequencies a step apart, each with its part of a Student-t with 3 degrees of freedom.

    The process repeats itself after 2 pi over the step: 13 lengths for ten waves, and
    the more the more waves there are; up to half of that its correlations are right to .01.
    """
    at = STEP / np.sqrt(waves) * (np.arange(waves) + 0.5)
    density = (1 + np.square(at) / MATERN) ** (-(MATERN + 1) / 2)
    return Spectrum(at[:, None] / length, density / density.sum())


def over_plane(waves: int, lengths: tuple[float, float]) -> Spectrum:
    """Points of equal parts of the spectrum in the plane, on Vogel's spiral.

    The radius of a Student-t with nu degrees of freedom in the plane has distribution
    function 1 - (1 + r^2 / nu)^(-nu / 2); half the plane is enough, as a wave's
    frequency has no sign.  (Vogel 1979, doi:10.1016/0025-5564(79)90080-4.)
    """
    at = np.arange(waves)
    left = 1 - (at + 0.5) / waves
    radius = np.sqrt(MATERN * (left ** (-2 / MATERN) - 1))
    angle = np.pi * (at * GOLDEN % 1)
    on_plane = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    frequency = radius[:, None] * on_plane / np.array(lengths)
    return Spectrum(frequency, np.full(waves, 1 / waves))
