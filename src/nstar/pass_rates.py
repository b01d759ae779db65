r"""Populations of problems: how often a sample solves one, and pass@k of them all.

A share $z$ of the problems is never solved, and of the others the success rate p is
Beta(a, b).  Its density near zero goes as $p^{a-1}$, so that what is not yet solved falls
as $k^{-a}$: the left tail is the power law (Schaeffer et al. 2025, arXiv:2502.17578,
sec. 4; Kazdan et al. 2025, arXiv:2510.05197).  A population is told as an array whose
last axis holds a, b and z.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import betaln

from nstar.types import Array, Params, Prior

# Brown et al. (2024, arXiv:2407.21787, fig. 5) print eight exponents, 0.08 to 0.46, whose
# logs have mean log 0.215 and sd 0.70; this and NEVER were chosen among ten pairs by the
# coverage of Pythia's MATH problems, thinned, and of simulated sets of which up to nine in
# ten problems are out of reach (benchmarks/results/inference.md)
TAIL = (0.25, 0.6)
ODDS = (-3.0, 3.0)  # log-odds of a sample solving a problem that can be solved
ROOT = 5  # the share never solved is told by its fifth root, which a sampler walks
NEVER = (1.0, 0.6)  # of that root: next to none, or any share, as public sets have


def priors() -> dict[str, Prior]:
    """Log-odds of the mean rate, exponent of the left tail, root of the share never solved."""
    return {
        "log_odds": dist.Normal(*ODDS),
        "tail": dist.LogNormal(jnp.log(TAIL[0]), TAIL[1]),
        "zero_root": dist.Beta(*NEVER),
    }


def population(log_odds: Array, tail: Array, zero_mass: Array) -> Array:
    """Tell a population by the mean m of its Beta(a, b), a, and the share never solved.

    The mean comes as log-odds, log m/(1 - m), so that b = a exp(-log_odds).
    """
    b = tail * jnp.exp(-log_odds)
    return jnp.stack(jnp.broadcast_arrays(tail, b, zero_mass), axis=-1)


def of(params: Params) -> Array:
    """Population of one draw of the unknowns."""
    return population(params["log_odds"], params["tail"], zero_mass(params))


def zero_mass(params: Params) -> Array:
    """Share of the problems that no number of samples solves."""
    return params["zero_root"] ** ROOT


def pass_at_k(told: Array, k: Array) -> Array:
    r"""Probability that a new problem is solved by one of k samples.

    $$ (1 - z)\,\Bigl(1 - \frac{B(a, b + k)}{B(a, b)}\Bigr) $$

    Args:
        told: populations, (..., 3).
        k: samples, broadcast against the other axes.
    """
    a, b, z = told[..., 0], told[..., 1], told[..., 2]
    return -(1 - z) * jnp.expm1(betaln(a, b + k) - betaln(a, b))


def unbiased(samples: Array, successes: Array, k: Array) -> np.ndarray:
    r"""Estimate pass@k of problems from counts, without bias.

    $$ 1 - \binom{n - c}{k} \Big/ \binom{n}{k} $$

    (Chen et al. 2021, arXiv:2107.03374, eq. 1), as the product of
    $1 - k/j$ for j from n - c + 1 to n, which loses no digits, up to k = n.

    Args:
        samples: n of each problem, whole numbers.
        successes: c of each, at most n.
        k: whole numbers; all three are broadcast together.

    Raises:
        ValueError: k is below one or above a problem's samples, or counts contradict.
    """
    n, c, k = np.broadcast_arrays(*(np.asarray(v, float) for v in (samples, successes, k)))  # fmt: skip
    if not (np.all(c >= 0) and np.all(c <= n)):
        at = int(np.argmax(((c < 0) | (c > n)).ravel()))
        msg = f"expected successes from 0 to the samples, got {c.ravel()[at]:g} of {n.ravel()[at]:g}"
        raise ValueError(msg)
    if not (np.all(k >= 1) and np.all(k <= n)):
        at = int(np.argmax(((k < 1) | (k > n)).ravel()))
        msg = f"pass@k is estimated without a law for k from 1 to the samples of a problem, got k = {k.ravel()[at]:g} of {n.ravel()[at]:g} samples"
        raise ValueError(msg)
    found = np.empty(n.shape)
    for size, tries in np.unique(np.stack([n.ravel(), k.ravel()]), axis=1).T:
        at = (n == size) & (k == tries)
        left = size - np.arange(size - tries)  # of what a success may be, one by one
        log_fail = np.append(np.cumsum(np.log1p(-tries / left)), -np.inf)
        log_fail = np.concatenate([[0.0], log_fail])
        reach = np.minimum(c[at], size - tries + 1).astype(int)
        found[at] = -np.expm1(log_fail[reach])
    return found
