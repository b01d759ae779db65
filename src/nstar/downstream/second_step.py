r"""Step two: accuracy as a sigmoid of bits per byte, or of a loss, from chance to a ceiling.

$$ a(q) = c + (u - c)\,\mathrm{expit}(\eta), \qquad
   \eta = \eta_b - k\,\frac{e^{\lambda x} - 1}{\lambda} + d(x), \qquad
   x = \log(q/q_b) / w $$

with q_b that of the best run, where eta_b and the slope k are, and w the spread of log q
over the ladder, so that slopes of tasks may be compared.  d is the misfit between
the two steps: the slope wanders along x (`nstar.downstream.conditioning`), so it is
carried beyond the runs.  A measured accuracy scatters by its number of questions, by what
moves eta from run to run, and by what moves an accuracy at chance.  The same questions are
put to every run, and what they have in common is in the curve: only a share of the
binomial variance, which is learned, is new with each run.
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
    "floor": Unknown(0.0, 1.0),
    "ceiling": Unknown(2.5, 0.7, 0.7),  # logit of its way from the floor to one
    "best": Unknown(-1.0, 2.0),  # eta of the best run
    "slope": Unknown(0.0, 0.6, 0.3),
    "power": Unknown(0.0, 0.15, 0.07),
    "run_scatter": Unknown(np.log(0.05), 1.0, 0.7),  # of eta
    "floor_scatter": Unknown(np.log(0.004), 1.0, 0.8),  # of the accuracy
    "bend": Unknown(np.log(0.5), 0.8, 0.7),
    "follows": Unknown(0.0, 1.0, 1.0),  # logit
    "own_questions": Unknown(0.0, 1.0, 0.7),  # logit of the binomial variance's share
}
ROUNDED = 1e-4  # of an accuracy, that a table's digits leave
RANGE = 1.4  # spreads of log q over which the slope wanders by its share `bend`


class _Form(NamedTuple):
    """The form at values of q, for a stack of points."""

    eta: np.ndarray  # (point, run)
    floor: np.ndarray  # (point, 1)
    ceiling: np.ndarray


@dataclass(frozen=True)
class SecondStep:
    """Accuracies of one task at the ends of runs, beside what they follow from."""

    log_q: Float[np.ndarray, " runs"]  # as measured
    curve: Float[
        np.ndarray, " runs"
    ]  # log q of the first step, without the run's noise
    accuracy: Float[np.ndarray, " runs"]  # between 0 and 1
    spread: float  # sd of log q over the ladder, what x is counted in
    chance: float  # about which the floor lies
    floor_sd: float
    questions: float | None = None  # None: their part is not told from the runs' own

    def log_likelihood(
        self, psi: Float[np.ndarray, "point unknown"]
    ) -> Float[np.ndarray, " point"]:
        """Log density of the runs, up to a constant."""
        x = self._place(psi, self.curve, self.log_q)
        return log_normal_density(*self._residual(psi, x, self._form(psi, x)))

    def draw(
        self,
        psi: Float[np.ndarray, "draw unknown"],
        curve: Float[np.ndarray, "draw new"],
        log_q: Float[np.ndarray, "draw new"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draw new"], Float[np.ndarray, "draw new"]]:
        """Draw accuracies at values of log q: of the curve, and as measured."""
        base, x = (
            self._place(psi, *values)
            for values in ((self.curve, self.log_q), (curve, log_q))
        )
        here, there = self._form(psi, base), self._form(psi, x)
        residual, covariance = self._residual(psi, base, here)
        pace = self._pace(psi)
        slope = _slope(here)
        misfit = draw_misfit(
            residual,
            covariance,
            pace * wander(x, base) * slope[:, None, :],
            pace * wander(x, x),
            random,
        )
        there = there._replace(eta=there.eta + misfit)
        accuracy = _accuracy(there)
        variance = np.minimum(
            self._variance(psi, there), 0.9 * accuracy * (1 - accuracy) + 1e-12
        )
        total = np.maximum(accuracy * (1 - accuracy) / variance - 1, 1e-3)
        a, b = (
            np.maximum(accuracy * total, 1e-9),
            np.maximum((1 - accuracy) * total, 1e-9),
        )
        return accuracy, random.beta(a, b)

    def at_best(
        self, psi: Float[np.ndarray, "draw unknown"]
    ) -> tuple[Float[np.ndarray, " draw"], Float[np.ndarray, " draw"]]:
        """Accuracy of the curve at the best run, and its floor."""
        form = self._form(psi, np.zeros((len(psi), 1)))
        return _accuracy(form)[:, 0], form.floor[:, 0]

    @cached_property
    def _best(self) -> float:
        return float(self.curve.min())

    def _place(
        self, psi: np.ndarray, curve: np.ndarray, log_q: np.ndarray
    ) -> np.ndarray:
        """What the accuracy follows, less that of the best run."""
        follows = expit(psi[:, 8])[:, None]
        return (curve + follows * (log_q - curve) - self._best) / self.spread

    def _pace(self, psi: np.ndarray) -> np.ndarray:
        return np.exp(psi[:, 7] + psi[:, 3])[:, None, None] ** 2 / RANGE

    def _form(self, psi: np.ndarray, x: np.ndarray) -> _Form:
        floor, ceiling, best, slope, power = psi.T[:5, :, None]
        bottom = np.clip(self.chance + self.floor_sd * floor, 0.0, 0.9)
        top = bottom + (1 - bottom) * expit(ceiling)
        flat = np.abs(power) < 1e-6
        curved = np.expm1(np.where(flat, 1.0, power) * x) / np.where(flat, 1.0, power)
        eta = best - np.exp(slope) * np.where(flat, x, curved)
        return _Form(eta, bottom, top)

    def _residual(
        self, psi: np.ndarray, x: np.ndarray, form: _Form
    ) -> tuple[np.ndarray, np.ndarray]:
        slope = _slope(form)
        covariance = self._pace(psi) * slope[:, :, None] * slope[:, None, :]
        covariance = covariance * wander(x, x)
        i = np.arange(len(self.accuracy))
        covariance[:, i, i] += self._variance(psi, form)
        return self.accuracy - _accuracy(form), covariance

    def _variance(self, psi: np.ndarray, form: _Form) -> np.ndarray:
        """Of a measured accuracy about the curve's."""
        scatter, floor_scatter = np.exp(psi.T[5:7, :, None])
        variance = np.square(_slope(form) * scatter) + np.square(floor_scatter)
        variance = variance + ROUNDED**2
        if self.questions is not None:
            p = (_accuracy(form) * self.questions + 1) / (self.questions + 2)
            share = expit(psi[:, 9])[:, None]
            variance = variance + share * p * (1 - p) / self.questions
            variance = variance + 1 / (12 * self.questions**2)  # whole questions
        return variance


def _accuracy(form: _Form) -> np.ndarray:
    return form.floor + (form.ceiling - form.floor) * expit(form.eta)


def _slope(form: _Form) -> np.ndarray:
    """Derivative of the accuracy by eta."""
    way = expit(form.eta)
    return (form.ceiling - form.floor) * way * (1 - way)
