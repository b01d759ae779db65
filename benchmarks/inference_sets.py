"""Populations of success rates that the laws of repeated sampling are tried on.

Most are of no form that a law of nstar's has: Betas with a mass at zero as an earlier
benchmark had them, Kumaraswamys of the curves that Brown et al. (2024, fig. 5) print for
coding and proving, log-odds that are normal (two as wide as MATH's best, which counts of
10,000 samples reject), and clusters that a hundred samples cannot see.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

Rates = Callable[[Any, int], np.ndarray]  # of a generator and a number of problems


def beta(a: float, b: float, zero: float) -> Rates:
    """Beta rates, and a share never solved."""
    return lambda random, n: random.beta(a, b, n) * (random.random(n) >= zero)


def kumaraswamy(a: float, b: float) -> Rates:
    """Rates whose pass@k is nearly exp(-b k^-a)."""
    return lambda random, n: (1 - (1 - random.random(n)) ** (1 / b)) ** (1 / a)


def logit_normal(mean: float, sd: float) -> Rates:
    """Rates whose log-odds are normal."""
    return lambda random, n: expit(random.normal(mean, sd, n))


def clusters(share: float, upper: float, lower: float) -> Rates:
    """Two clusters of log-odds, each one wide."""
    return lambda random, n: expit(
        random.normal(np.where(random.random(n) < share, upper, lower), 1.0)
    )


POPULATIONS: dict[str, Rates] = {
    "nine in ten out of reach": beta(0.5, 250.0, 0.9),
    "hardly any solved": beta(0.013, 65.0, 0.0),
    "two in three out of reach": beta(0.3, 4.0, 0.7),
    "a long tail": beta(0.06, 2.8, 0.0),
    "half out of reach": beta(0.4, 3.0, 0.55),
    "all within reach": beta(0.45, 1.2, 0.01),
    "printed: 8B, CodeContests": kumaraswamy(0.11, 3.88),
    "printed: 70B, CodeContests": kumaraswamy(0.11, 2.52),
    "printed: 8B, MiniF2F": kumaraswamy(0.08, 1.33),
    "log-normal as MATH of 12B": logit_normal(-5.7, 2.7),
    "log-normal as MATH of 160M": logit_normal(-8.7, 3.2),
    "clusters at 12 % and 1e-6": clusters(0.5, -2.0, -14.0),
}
