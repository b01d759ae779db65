"""What Hoffmann's surface says of a budget, in NumPy and SciPy from the draws alone.

The oracle of numbers that people read: nothing here is nstar's, not even the formula.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar


@dataclass(frozen=True)
class Surface:
    """Draws of E, A, B, alpha and beta, (draw,) each, with C = 6 N D."""

    E: np.ndarray
    A: np.ndarray
    B: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    def loss(self, N, D):
        """Loss of a run that is one for all draws, or (draw,) of them: (draw,)."""
        return self.E + self.A / N**self.alpha + self.B / D**self.beta

    def optimum(self, C):
        """N* of every draw, Hoffmann et al. (2022), eq. 4: (draw,)."""
        G = (self.alpha * self.A / (self.beta * self.B)) ** (
            1 / (self.alpha + self.beta)
        )
        return G * (C / 6) ** (self.beta / (self.alpha + self.beta))

    def least(self, C):
        """Loss of every draw's own best run: (draw,)."""
        N = self.optimum(C)
        return self.loss(N, C / 6 / N)

    def compute(self, loss):
        """FLOP with which every draw's own best run has this loss, else inf: (draw,)."""
        g = self.alpha * self.beta / (self.alpha + self.beta)
        F = self.least(1.0) - self.E
        above = np.maximum(loss - self.E, 0.0)
        with np.errstate(divide="ignore"):
            return (above / F) ** (-1 / g)

    def best(self, C):
        """Size of least mean loss, one for all draws."""
        middle = np.log(np.median(self.optimum(C)))

        def mean(n):
            return self.loss(np.exp(n), C / 6 / np.exp(n)).mean()

        ends = middle - 3, middle + 3
        optimum = minimize_scalar(
            mean, bounds=ends, method="bounded", options={"xatol": 1e-7}
        )
        return float(np.exp(optimum.x))


def surface(fit):
    """Draws of a fit of the chinchilla law, from its unknowns at the reference run."""
    posterior = fit.tree["posterior"]
    names = "level", "floor_share", "size_share", "alpha1", "exponent_sum"
    level, floor, size, alpha1, both = (posterior[n].to_numpy().ravel() for n in names)
    beta = alpha1 * both
    alpha = both - beta
    return Surface(
        level * floor,
        level * (1 - floor) * size * fit.law.N0**alpha,
        level * (1 - floor) * (1 - size) * fit.law.D0**beta,
        alpha,
        beta,
    )


def quantiles(draws, prob=0.9):
    """Median and equal-tailed ends, as documents have them."""
    tail = (1 - prob) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    return {"median": middle, "lower": low, "upper": high}
