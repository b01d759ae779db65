"""A smooth random process over (log N, log D), told as waves of fixed frequencies."""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from nstar.types import Array, Prior

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D) told as waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,w, \qquad w_j \sim \mathrm{Normal}(0, 1) $$

    The columns of $\Phi$ are cosines and sines whose frequencies lie at even quantiles
    of the kernel's spectrum (Rahimi & Recht 2007), so that the process is as uncertain
    far from the runs as anywhere.
    """

    usual: float  # the prior's median of the amplitude
    spread: float  # sd of its log
    frequency: Any = field(compare=False)  # (wave, 2), per e-fold of N and of D
    pin: float = 0.0  # 1 where the process is zero at the centre of the runs

    @property
    def size(self) -> int:
        """Number of weights."""
        return 2 * len(self.frequency)

    def columns(self, n: Array, d: Array) -> Array:
        """Each weight's shape at unit amplitude, (..., weight)."""
        phase = jnp.stack([n, d], axis=-1) @ self.frequency.T
        size = np.sqrt(self.frequency.shape[0])
        return jnp.concatenate([jnp.cos(phase) - self.pin, jnp.sin(phase)], -1) / size

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return dist.LogNormal(jnp.log(self.usual), self.spread)

    def weights(self) -> Prior:
        """Prior of w."""
        return dist.Normal(0.0, 1.0).expand([self.size])

    def bend(self, tau: Array, w: Array, n: Array, d: Array) -> Array:
        """Value of the process."""
        return self.columns(n, d) @ (tau * w)


def over_line(waves: int, length: float) -> np.ndarray:
    """Even quantiles of the spectrum on a line, a Student-t with 3 degrees of freedom."""
    return stats.t(MATERN).ppf(0.5 + (np.arange(waves) + 0.5) / (2 * waves)) / length


def over_plane(waves: int, lengths: tuple[float, float]) -> np.ndarray:
    """Points of the spectrum in the plane, spread evenly by a Halton sequence."""
    u = stats.qmc.Halton(3, scramble=False).random(waves + 1)[1:]
    radius = np.sqrt(MATERN / stats.chi2(MATERN).ppf(u[:, 2]))
    return stats.norm.ppf(u[:, :2]) * radius[:, None] / np.array(lengths)
