"""A smooth random process over (log N, log D), told as waves of fixed frequencies."""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from nstar.types import Array, Prior

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process
SIGNAL = 1.6  # reducible share x usual amplitude / run noise, where weights meet runs


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D) told as waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,V \left(\tfrac{\tau}{\tau_0}\right)^{-c} w, \qquad
       w_j \sim \mathrm{Normal}\left(0, (\tau/\tau_0)^{c_j}\right) $$

    The columns of $\Phi$ are cosines and sines whose frequencies lie at even quantiles
    of the kernel's spectrum (Rahimi & Recht 2007), so that the process is as uncertain
    far from the runs as anywhere.  $V$ turns them so that each weight is one shape over
    the runs' design; $c_j$ says how much the runs will know of it: weights they pin are
    centred, the others are not (Papaspiliopoulos et al. 2007).  Same process, whatever c.
    """

    usual: float  # the prior's median of the amplitude, tau_0
    spread: float  # sd of its log
    frequency: Any  # (wave, 2), per e-fold of N and of D
    turn: Any = None  # V, (2 wave, 2 wave)
    known: Any = None  # c, (2 wave,)

    @property
    def size(self) -> int:
        """Number of weights."""
        return 2 * len(self.frequency)

    def at(self, n: np.ndarray, d: np.ndarray) -> "Waves":
        """Turn the waves to a design, log N and log D about their centre, (run,)."""
        phase = np.stack([n, d], axis=-1) @ self.frequency.T
        columns = np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)
        scale = np.sqrt(self.frequency.shape[0])
        _, size, turn = np.linalg.svd(columns / scale, full_matrices=True)
        size = np.concatenate([size, np.zeros(len(turn))])[: len(turn)]
        known = (SIGNAL * size) ** 2 / (1 + (SIGNAL * size) ** 2)
        return replace(self, turn=turn.T, known=known)

    def columns(self, n: Array, d: Array) -> Array:
        """Values of the process by each weight at the usual amplitude, (run, weight)."""
        return self.usual * (self._columns(n, d) @ self.turn)

    def scaled(self, tau: Array, w: Array) -> Array:
        """What multiplies those columns under an amplitude and weights."""
        return w * (tau / self.usual) ** (1 - self.known)

    def _columns(self, n: Array, d: Array) -> Array:
        phase = jnp.stack([n, d], axis=-1) @ self.frequency.T
        scale = np.sqrt(self.frequency.shape[0])
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1) / scale

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return dist.LogNormal(jnp.log(self.usual), self.spread)

    def weights(self, tau: Array) -> Prior:
        """Prior of w given tau."""
        return dist.Normal(0.0, (tau / self.usual) ** self.known)

    def bend(self, tau: Array, w: Array, n: Array, d: Array) -> Array:
        """Value of the process."""
        free = self.turn @ (w * (tau / self.usual) ** -self.known)
        return tau * (self._columns(n, d) @ free)


def over_line(waves: int, length: float) -> np.ndarray:
    """Even quantiles of the spectrum on a line, a Student-t with 3 degrees of freedom."""
    return stats.t(MATERN).ppf(0.5 + (np.arange(waves) + 0.5) / (2 * waves)) / length


def over_plane(waves: int, lengths: tuple[float, float]) -> np.ndarray:
    """Points of the spectrum in the plane, spread evenly by a Halton sequence."""
    u = stats.qmc.Halton(3, scramble=False).random(waves + 1)[1:]
    radius = np.sqrt(MATERN / stats.chi2(MATERN).ppf(u[:, 2]))
    return stats.norm.ppf(u[:, :2]) * radius[:, None] / np.array(lengths)
