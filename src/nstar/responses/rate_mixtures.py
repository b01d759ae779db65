r"""Populations of success rates as mixtures of Betas, and what follows in closed form.

A population is an array whose last axis is either a, b and z, a Beta(a, b) of which a
share z is never solved; or the share never solved, followed by the weights of the 41
Betas of a fixed basis: Beta(5/(1 - p), 5/p), of mean p, for p evenly spaced in log-odds
from 2e-9 to 1 - 6e-5.  Each is 0.45 wide in log-odds and stands 0.75 from the next, so
that their sum has no ripples, and the probability of counts, pass@k and a rate given its
counts are exact at any number of samples (Diaconis & Ylvisaker 1985 on mixtures of
conjugate priors).  The sum is the law's population: the density that its weights come
from, blurred by 0.45 in log-odds.  The blur leaves pass@1 and takes 0.01 to 0.02 off that
density's pass@10 to pass@10,000 at tails of 0.2 and more.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from scipy.special import betaln, expit, logit

from nstar.types import Array

SHARP = 5.0  # 1 / variance of a basis Beta in log-odds
STEP = 0.75
CENTRES = np.arange(-20.25, 10.0, STEP)  # log-odds of their means
A, B = SHARP / expit(-CENTRES), SHARP / expit(CENTRES)
LOG_BETA = betaln(A, B)
HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
REACH = 1e-6  # a rate below which a problem counts as beyond reach
BELOW = logit(REACH) > CENTRES


class Parts(NamedTuple):
    """A mixture: Betas and their weights, (..., component), and what is never solved."""

    a: Any
    b: Any
    weight: Any
    never: Any  # (...)


def parts(population: Array) -> Parts:
    """Take a population apart, whichever way it is described."""
    if population.shape[-1] == 3:
        a, b, zero = (population[..., i] for i in range(3))
        return Parts(a[..., None], b[..., None], (1 - zero)[..., None], zero)
    return Parts(A, B, population[..., 1:], population[..., 0])


def pass_at_k(population: Array, k: Array) -> np.ndarray:
    r"""Probability that a new problem is solved by one of k samples.

    $$ \sum_m w_m \Bigl(1 - \frac{B(a_m, b_m + k)}{B(a_m, b_m)}\Bigr) $$

    Args:
        population: populations, (..., a, b and z or share and weights).
        k: samples, broadcast against the other axes.
    """
    p = Parts(*(np.asarray(v, float) for v in parts(population)))
    k = np.asarray(k, float)[..., None]
    return -(p.weight * np.expm1(betaln(p.a, p.b + k) - betaln(p.a, p.b))).sum(-1)


def mean(population: Array) -> Array:
    """Mean rate, which is pass@1."""
    p = parts(population)
    return (p.weight * (p.a / (p.a + p.b))).sum(-1)


def beyond_reach(population: Array) -> Array:
    """Share of the problems that are never solved, or less than once in 1/REACH samples.

    Of a Beta(a, b) with a mass at zero it is that mass alone.
    """
    p = parts(population)
    if population.shape[-1] == 3:
        return p.never
    return p.never + p.weight[..., BELOW].sum(-1)


def given_counts(population: np.ndarray, n: float, s: float) -> Parts:
    """Populations of rates given s successes of n samples, weights and share summing to one.

    Args:
        population: populations, (draw, a, b and z or share and weights).
        n: samples of a problem.
        s: successes among them.
    """
    p = parts(population)
    log_p = betaln(p.a + s, p.b + n - s) - betaln(p.a, p.b)
    scale = np.max(log_p, axis=-1, keepdims=True)
    weight = p.weight * np.exp(log_p - scale)
    never = p.never * np.exp(-scale[..., 0]) if s == 0 else np.zeros(len(population))
    whole = np.maximum(weight.sum(-1) + never, 1e-300)
    return Parts(p.a + s, p.b + n - s, weight / whole[..., None], never / whole)


def drawn(mixture: Parts, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw rates of problems, (draw, count), from one mixture a draw."""
    ends = np.cumsum(mixture.weight, axis=-1)
    at = random.random((len(ends), count)) * (ends[:, -1] + mixture.never)[:, None]
    which = (at[..., None] >= ends[:, None, :]).sum(-1)
    never = which == ends.shape[-1]
    which = np.where(never, 0, which)
    a, b = (
        np.take_along_axis(np.broadcast_to(v, ends.shape), which, 1)
        for v in (mixture.a, mixture.b)
    )
    return np.where(never, 0.0, random.beta(a, b))


def log_kernel(n: Array, s: Array) -> Array:
    """Log probability of s successes of n under each Beta of the basis, (..., 41), in JAX.

    By Stirling's series, and of differences: gammaln of a b of 1e9 keeps six digits.
    """
    n, s = (jnp.asarray(v)[..., None] for v in (n, s))
    fails, a = n - s, A + s
    ways = gammaln(n + 1) - gammaln(s + 1) - gammaln(fails + 1)
    log_gamma = (a - 0.5) * jnp.log(a) - a + HALF_LOG_2PI + _rest(a)
    return ways + log_gamma - _rise(B + fails, a) - LOG_BETA


def _rise(x: Array, d: Array) -> Array:
    """Log of Gamma(x + d) / Gamma(x), for x of 5 and more."""
    return (
        (x - 0.5) * jnp.log1p(d / x)
        + d * (jnp.log(x + d) - 1)
        + _rest(x + d)
        - _rest(x)
    )


def _rest(x: Array) -> Array:
    """Last terms of Stirling's series, to 1e-9 for x of 5 and more."""
    w = 1 / (x * x)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w / 1680))) / x
