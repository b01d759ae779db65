r"""Step one: a task's bits per byte, or a loss, as a function of size and tokens.

$$ \log q = \ell + \log\!\big( e + (1 - e)\, e^{d}\, [\, s\,(N/N_0)^{-\alpha}
            + (1 - s)\,(D/D_0)^{-\beta} ] \big) + h\,\sigma\,\epsilon $$

about a reference run in the middle of the ladder, where e is the share of the floor and s
that of size in what is reducible.  d is the misfit: the exponent wanders along compute and
along tokens per parameter (`nstar.downstream.conditioning`).  The noise of a run, h, grows
toward small compute.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from nstar.downstream.conditioning import draw_misfit, log_normal_density, wander
from nstar.downstream.populations import Unknown

UNKNOWNS = {
    "level": Unknown(0.0, 0.5),
    "floor_share": Unknown(0.0, 1.0, 0.6),  # logit
    "size_share": Unknown(0.0, 1.0, 0.4),  # logit
    "alpha": Unknown(np.log(0.35), 0.35, 0.2),
    "beta": Unknown(np.log(0.35), 0.35, 0.2),
    "sigma": Unknown(np.log(0.01), 1.0, 1.0),
    "bend": Unknown(np.log(0.06), 0.6, 0.3),
    "growth": Unknown(0.1, 0.1, 0.1),
}
RANGE = np.log(100.0)  # of compute over which the exponent wanders by the bend
RATIO = 4.0  # variance of its wandering along D / N, to that along compute
ROUNDED = 1e-4  # of a log that a table's digits leave


class _Form(NamedTuple):
    """The form at runs, for a stack of points."""

    log_q: np.ndarray  # (point, run)
    share: np.ndarray  # of q that is reducible
    noise: np.ndarray  # sd


@dataclass(frozen=True)
class FirstStep:
    """One quantity measured at the ends of runs."""

    N: Float[np.ndarray, " runs"]
    D: Float[np.ndarray, " runs"]
    q: Float[np.ndarray, " runs"]  # positive

    def log_likelihood(
        self, psi: Float[np.ndarray, "point unknown"]
    ) -> Float[np.ndarray, " point"]:
        """Log density of the runs, up to a constant."""
        form = self._form(psi, self.N, self.D)
        return log_normal_density(
            self._y - form.log_q, self._covariance(psi, form, self._misfit)
        )

    def curve(
        self, psi: Float[np.ndarray, "draw unknown"]
    ) -> Float[np.ndarray, " runs"]:
        """Log q of these runs without their noise, its mean over draws."""
        form = self._form(psi, self.N, self.D)
        covariance = self._covariance(psi, form, self._misfit)
        i = np.arange(len(self.N))
        smooth = covariance.copy()
        smooth[:, i, i] -= form.noise**2 + ROUNDED**2
        off = np.linalg.solve(covariance, (self._y - form.log_q)[..., None])
        return np.mean(form.log_q + (smooth @ off)[..., 0], axis=0)

    def draw(
        self,
        psi: Float[np.ndarray, "draw unknown"],
        N: Float[np.ndarray, " new"],
        D: Float[np.ndarray, " new"],
        shocks: Float[np.ndarray, "draw new"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draw new"], Float[np.ndarray, "draw new"]]:
        """Draw log q of new runs: of the curve, and as measured.

        Args:
            psi: draws of the unknowns.
            N: parameters.
            D: tokens.
            shocks: standard normal noise of the runs.
            random: of the misfit.
        """
        here, there = self._form(psi, self.N, self.D), self._form(psi, N, D)
        pace = np.exp(psi[:, 6])[:, None, None] ** 2 / RANGE
        across = pace * here.share[:, None, :] * self._wander(N, D, self.N, self.D)
        misfit = draw_misfit(
            self._y - here.log_q,
            self._covariance(psi, here, self._misfit),
            across,
            pace * self._wander(N, D, N, D),
            random,
        )
        level, share = there.log_q, there.share
        log_q = level + np.log1p(share * np.expm1(np.clip(misfit, -3, 3)))
        return log_q, log_q + there.noise * shocks

    @cached_property
    def _y(self) -> np.ndarray:
        return np.log(self.q)

    @cached_property
    def _middle(self) -> tuple[float, float, float]:
        """Logs of N and D of the reference run, and the mean of log q."""
        return (
            float(np.log(self.N).mean()),
            float(np.log(self.D).mean()),
            float(self._y.mean()),
        )

    @cached_property
    def _misfit(self) -> np.ndarray:
        return self._wander(self.N, self.D, self.N, self.D)

    def _wander(
        self, N: np.ndarray, D: np.ndarray, N2: np.ndarray, D2: np.ndarray
    ) -> np.ndarray:
        """Covariance of the misfit between runs, for a unit of pace."""
        n0, d0, _ = self._middle
        n, d, n2, d2 = np.log(N) - n0, np.log(D) - d0, np.log(N2) - n0, np.log(D2) - d0
        return wander(n + d, n2 + d2) + RATIO * wander(d - n, d2 - n2)

    def _form(self, psi: np.ndarray, N: np.ndarray, D: np.ndarray) -> _Form:
        level, floor, size, alpha, beta, sigma, _, growth = psi.T[:, :, None]
        n0, d0, mean = self._middle
        n, d = np.log(N) - n0, np.log(D) - d0
        e, s = expit(floor), expit(size)
        reducible = s * np.exp(-np.exp(alpha) * n) + (1 - s) * np.exp(-np.exp(beta) * d)
        total = e + (1 - e) * reducible
        noise = np.exp(sigma - growth * (n + d))
        return _Form(mean + level + np.log(total), 1 - e / total, noise)

    def _covariance(
        self, psi: np.ndarray, form: _Form, misfit: np.ndarray
    ) -> np.ndarray:
        pace = np.exp(psi[:, 6])[:, None, None] ** 2 / RANGE
        covariance = pace * form.share[:, :, None] * form.share[:, None, :] * misfit
        i = np.arange(len(self.N))
        covariance[:, i, i] += form.noise**2 + ROUNDED**2
        return covariance
