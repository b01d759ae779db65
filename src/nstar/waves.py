"""A smooth random process over (log N, log D), told as waves of fixed frequencies."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from nstar.types import Array, Prior

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process
NOISE = 0.006  # of a run on its log reducible loss, about: a guide, no assumption


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D) told as waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,V \frac{w}{s(\tau)}, \qquad
       w_j \sim \mathrm{Normal}(0, s_j(\tau)), \qquad s_j = \sqrt{1 + (\tau q_j)^2} $$

    The columns of $\Phi$ are cosines and sines whose frequencies lie at even quantiles
    of the kernel's spectrum (Rahimi & Recht 2007), so that the process is as uncertain
    far from the runs as anywhere.  $V$ turns them so that each weight is one shape over
    the runs' design; $q_j$ is that shape's size over the usual run noise.  A weight the
    runs pin is as wide as they leave it, one they do not as wide as its prior, whatever
    the amplitude (Papaspiliopoulos et al. 2007).  Same process, whatever q.
    """

    usual: float  # the prior's median of the amplitude
    spread: float  # sd of its log
    frequency: Any = field(compare=False)  # (wave, 2), per e-fold of N and of D
    pin: float = 0.0  # 1 where the process is zero at the centre of the runs
    turn: Any = field(default=None, compare=False)  # V, (2 wave, 2 wave)
    seen: Any = field(default=None, compare=False)  # q, (2 wave,)

    @property
    def size(self) -> int:
        """Number of weights."""
        return 2 * len(self.frequency)

    def at(
        self, n: np.ndarray, d: np.ndarray, wider: Array = 1.0, noise: float = NOISE
    ) -> "Waves":
        """Turn the waves to a design, log N and log D about their centre, (run,).

        `wider` is what multiplies the process at each run, `noise` what a run scatters.
        """
        phase = np.stack([n, d], axis=-1) @ self.frequency.T
        columns = np.concatenate([np.cos(phase) - self.pin, np.sin(phase)], axis=-1)
        columns *= np.reshape(wider, (-1, 1)) / np.sqrt(len(self.frequency))
        _, size, turn = np.linalg.svd(columns, full_matrices=len(n) < self.size)
        size = np.concatenate([size, np.zeros(len(turn))])[: len(turn)]
        return replace(self, turn=turn.T, seen=size / noise)

    def columns(self, n: Array, d: Array) -> Array:
        """Each weight's shape at unit amplitude, (run, weight)."""
        return self._columns(n, d) @ self.turn

    def scale(self, tau: Array) -> Array:
        """How wide each weight is a priori, s."""
        return jnp.hypot(1.0, tau * self.seen)

    def taken(self, tau: Array) -> Array:
        """What weights the runs ask for at the usual amplitude become at another."""
        return tau / self.scale(tau) * (self.scale(self.usual) / self.usual)

    def scaled(self, tau: Array, w: Array) -> Array:
        """What multiplies the columns under an amplitude and weights."""
        return tau * w / self.scale(tau)

    def _columns(self, n: Array, d: Array) -> Array:
        phase = jnp.stack([n, d], axis=-1) @ self.frequency.T
        size = np.sqrt(self.frequency.shape[0])
        return jnp.concatenate([jnp.cos(phase) - self.pin, jnp.sin(phase)], -1) / size

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return dist.LogNormal(jnp.log(self.usual), self.spread)

    def weights(self, tau: Array) -> Prior:
        """Prior of w given tau."""
        return dist.Normal(0.0, self.scale(tau))

    def bend(self, tau: Array, w: Array, n: Array, d: Array) -> Array:
        """Value of the process."""
        return self._columns(n, d) @ (self.turn @ self.scaled(tau, w))


def over_line(waves: int, length: float) -> np.ndarray:
    """Even quantiles of the spectrum on a line, a Student-t with 3 degrees of freedom."""
    return stats.t(MATERN).ppf(0.5 + (np.arange(waves) + 0.5) / (2 * waves)) / length


def over_plane(waves: int, lengths: tuple[float, float]) -> np.ndarray:
    """Points of the spectrum in the plane, spread evenly by a Halton sequence."""
    u = stats.qmc.Halton(3, scramble=False).random(waves + 1)[1:]
    radius = np.sqrt(MATERN / stats.chi2(MATERN).ppf(u[:, 2]))
    return stats.norm.ppf(u[:, :2]) * radius[:, None] / np.array(lengths)
