r"""Step one by way of the loss: a task's bits per byte as a power of a validation loss.

$$ \log q = \ell + \kappa\,x + d(x) + \sigma\,\epsilon, \qquad x = \log(L / L_b) $$

with L_b that of the best run (Brandfonbrener et al. 2024, arXiv:2411.12925).  d is the
misfit: the power wanders along x (`nstar.downstream.conditioning`).  A loss is measured far
better than a task's likelihood, so its surface over N and D is known far better, too.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from nstar.downstream.conditioning import draw_misfit, log_normal_density, wander
from nstar.downstream.populations import Unknown

UNKNOWNS = {
    "level": Unknown(0.0, 0.3),  # of the best run, from its own
    "power": Unknown(0.0, 0.5, 0.4),  # its log
    "sigma": Unknown(np.log(0.01), 1.0, 1.0),
    "bend": Unknown(np.log(0.2), 0.6, 0.4),  # share of the power, over RANGE
}
RANGE = 0.3  # of log L
ROUNDED = 1e-4  # of a log that a table's digits leave


@dataclass(frozen=True)
class ThroughLoss:
    """A task's likelihood beside the loss, at the ends of runs."""

    L: Float[np.ndarray, " runs"]
    q: Float[np.ndarray, " runs"]

    def log_likelihood(
        self, psi: Float[np.ndarray, "point unknown"]
    ) -> Float[np.ndarray, " point"]:
        """Log density of the runs, up to a constant."""
        return log_normal_density(self._residual(psi), self._covariance(psi))

    def curve(
        self, psi: Float[np.ndarray, "draw unknown"]
    ) -> Float[np.ndarray, " runs"]:
        """Log q of these runs without their noise, its mean over draws."""
        off = np.linalg.solve(self._covariance(psi), self._residual(psi)[..., None])
        misfit = (self._pace(psi) * self._misfit) @ off
        form = np.log(self.q) - self._residual(psi)
        return np.mean(form + misfit[..., 0], axis=0)

    def draw(
        self,
        psi: Float[np.ndarray, "draw unknown"],
        curve: Float[np.ndarray, "draw new"],
        log_L: Float[np.ndarray, "draw new"],
        shocks: Float[np.ndarray, "draw new"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draw new"], Float[np.ndarray, "draw new"]]:
        """Draw log q of new runs: of the curve, and as measured.

        Args:
            psi: draws of the unknowns.
            curve: log losses of the new runs without their noise.
            log_L: the same as measured.
            shocks: standard normal noise of the runs.
            random: of the misfit.
        """
        x = np.concatenate([curve, log_L], axis=1) - self._best
        base = np.broadcast_to(self._x, (len(psi), len(self._x)))
        pace = self._pace(psi)
        misfit = draw_misfit(
            self._residual(psi),
            self._covariance(psi),
            pace * wander(x, base),
            pace * wander(x, x),
            random,
        )
        log_q = self._level + psi[:, :1] + np.exp(psi[:, 1:2]) * x + misfit
        clean, moved = np.split(log_q, 2, axis=1)
        return clean, moved + np.exp(psi[:, 2:3]) * shocks

    @cached_property
    def _best(self) -> float:
        return float(np.log(self.L).min())

    @cached_property
    def _level(self) -> float:
        return float(np.log(self.q[np.argmin(self.L)]))

    @cached_property
    def _x(self) -> np.ndarray:
        return np.log(self.L) - self._best

    @cached_property
    def _misfit(self) -> np.ndarray:
        return wander(self._x, self._x)

    def _pace(self, psi: np.ndarray) -> np.ndarray:
        return np.exp(psi[:, 3] + psi[:, 1])[:, None, None] ** 2 / RANGE

    def _residual(self, psi: np.ndarray) -> np.ndarray:
        form = self._level + psi[:, :1] + np.exp(psi[:, 1:2]) * self._x
        return np.log(self.q) - form

    def _covariance(self, psi: np.ndarray) -> np.ndarray:
        covariance = self._pace(psi) * self._misfit
        i = np.arange(len(self.q))
        covariance[:, i, i] += np.exp(2 * psi[:, 2:3]) + ROUNDED**2
        return covariance
