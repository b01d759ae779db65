"""A smooth random process over (log N, log D), as a sum of waves of fixed frequencies."""

from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float
from scipy import special  # not scipy.stats, which takes half a second to import

from nstar.laws.priors import log_normal
from nstar.types import Array, Number, Prior

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D), as a sum of waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,w, \qquad w_j \sim \mathrm{Normal}(0, 1) $$

    The columns of $\Phi$ are cosines and sines whose frequencies lie at even quantiles
    of the kernel's spectrum (Rahimi & Recht 2007), so that the process is as uncertain
    far from the runs as anywhere.
    """

    median: float  # the prior's median of the amplitude
    spread: float  # sd of its log
    frequency: Float[np.ndarray, "waves 2"] = field(
        compare=False
    )  # per e-fold of N and of D
    pin: float = 0.0  # 1 where the process is zero at the centre of the runs

    @property
    def size(self) -> int:
        """Number of weights."""
        return 2 * len(self.frequency)

    def columns(
        self, n: Float[Array, "*runs"], d: Float[Array, "*runs"]
    ) -> Float[Array, "*runs weights"]:
        """Value of each wave at unit amplitude and weight, (..., weight)."""
        # NumPy's arrays stay NumPy's: no program is compiled for them
        xp = np if isinstance(n, np.ndarray) else jnp
        phase = xp.stack([n, d], axis=-1) @ self.frequency.T
        size = np.sqrt(self.frequency.shape[0])
        return xp.concatenate([xp.cos(phase) - self.pin, xp.sin(phase)], -1) / size

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return log_normal(self.median, self.spread)

    def weights(self) -> Prior:
        """Prior of w."""
        return dist.Normal(0.0, 1.0).expand([self.size])

    def bend(
        self,
        tau: Number,
        w: Float[Array, " weights"],
        n: Float[Array, "*runs"],
        d: Float[Array, "*runs"],
    ) -> Float[Array, "*runs"]:
        """Value of the process."""
        return self.columns(n, d) @ (tau * w)


def over_line(waves: int, length: float) -> Float[np.ndarray, " waves"]:
    """Even quantiles of the spectrum on a line, a Student-t with 3 degrees of freedom."""
    u = 0.5 + (np.arange(waves) + 0.5) / (2 * waves)
    return special.stdtrit(MATERN, u) / length


def over_plane(
    waves: int, lengths: tuple[float, float]
) -> Float[np.ndarray, "waves 2"]:
    """Points of the spectrum in the plane, spread evenly by a Halton sequence."""
    at = np.arange(1, waves + 1)
    u = np.stack([_radical_inverse(at, base) for base in (2, 3, 5)], axis=-1)
    chi_square = 2 * special.gammaincinv(MATERN / 2, u[:, 2])
    radius = np.sqrt(MATERN / chi_square)
    return special.ndtri(u[:, :2]) * radius[:, None] / np.array(lengths)


def _radical_inverse(at: np.ndarray, base: int) -> np.ndarray:
    """Mirror the digits of whole numbers at the point: one axis of a Halton sequence."""
    mirrored, place = np.zeros(len(at)), 1.0
    while at.any():
        place /= base
        at, digit = np.divmod(at, base)
        mirrored += place * digit
    return mirrored
