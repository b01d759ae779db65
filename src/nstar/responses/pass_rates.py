r"""Populations of problems: how often a sample solves one, and unbiased pass@k of counts.

The success rate p of a problem lies between a Beta and a Kumaraswamy population, its
left tail may bend, and a share z of the problems is never solved:

$$ q^{2a} \sim \mathrm{Beta}(\tfrac12, b), \qquad
   \log q = \log p \text{ above } p_0, \quad
   \log\frac{q}{p_0} = \frac{(p/p_0)^{\lambda} - 1}{\lambda} \text{ below it} $$

Near zero, with lambda = 0, the density goes as $p^{a-1}$, so that what is not yet solved
falls as $k^{-a}$: the left tail is the power law (Schaeffer et al. 2025,
arXiv:2502.17578, sec. 4; Kazdan et al. 2025, arXiv:2510.05197).  A Beta leaves its tail
too sharply and a Kumaraswamy, which is the exponentiated power law of Brown et al. (2024,
arXiv:2407.21787) written as a population, too slowly for counts of 10,000 samples; 1/2 lies
between.  lambda > 0 lets the exponent die away, so that ever fewer of the rest are
solved; lambda < 0 lets it rise, as of log-normal rates: samples say little of either
below one success in as many as were drawn.  Chosen by benchmarks/results/inference.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpy.typing import ArrayLike

from nstar.responses.rate_mixtures import CENTRES, STEP
from nstar.types import Array, Params, Prior

# Brown et al. (2024, fig. 5) print eight exponents, 0.08 to 0.46, whose logs have mean
# log 0.215 and sd 0.70
TAIL = (0.22, 0.6)
EASE = (0.0, 2.0)
# Student-t: of published curves none bends much over four decades
BEND = (2.0, 0.0, 0.05)
WORDS = {
    "ease": "how easily problems are solved: log-odds of the mean of p^2a, above those at p = 0.03",
    "tail": "exponent a of the problems hardly ever solved: 1 - pass@k falls as k^-a",
    "tail_bend": "how fast the tail's exponent dies away (above 0) or rises (below), per e-fold of the rate",
    "zero_root": "sixth root of the share of problems that no number of samples solves",
}
ROOT = 6  # the share never solved is known by its sixth root, which a sampler walks
SHAPE = 0.5  # of the Beta of q^2a; a gives a Beta population, 1 a Kumaraswamy
REFERENCE = 0.03  # p0, which a hundred samples show; the ease too is defined there
_EDGES = np.array([CENTRES[0] - STEP / 2, CENTRES[-1] + STEP / 2])  # of the basis
_AT = np.concatenate([_EDGES, CENTRES])  # log-odds where the density is worked out
_LOG_P, _LOG_FAIL = -np.log1p(np.exp(-_AT)), -np.log1p(np.exp(_AT))
_NODES, _WEIGHTS = (
    (np.polynomial.legendre.leggauss(16)[i] + 1 - i) / 2 for i in (0, 1)
)


def priors() -> dict[str, Prior]:
    """Ease, exponent of the left tail, how it bends, root of the share never solved."""
    return {
        "ease": dist.Normal(*EASE),
        "tail": dist.LogNormal(np.log(TAIL[0]), TAIL[1]),
        "tail_bend": dist.StudentT(*BEND),
        "zero_root": dist.Uniform(0.0, 1.0),
    }


def population(ease: Array, tail: Array, bend: Array, zero_mass: Array) -> Array:
    """Return a population as the share never solved and its weights on the basis of Betas.

    Args:
        ease: log-odds of the mean of q^2a, above those of p0^2a.
        tail: a.
        bend: lambda, per unit of log p.
        zero_mass: z.
    """
    ease, tail, bend, zero = (
        v[..., None] for v in jnp.broadcast_arrays(ease, tail, bend, zero_mass)
    )
    power, at = tail / SHAPE, float(np.log(REFERENCE))
    b = SHAPE * jnp.exp(-ease - power * at) * -jnp.expm1(power * at)
    below = np.minimum(_LOG_P - at, 0.0)
    y = bend * below
    small = jnp.abs(y) < 1e-5
    bent = below * jnp.where(small, 1 + y / 2, jnp.expm1(y) / jnp.where(small, 1.0, y))
    log_u = power * (np.maximum(_LOG_P, at) + bent)
    log_rest = jnp.log(-jnp.expm1(log_u))
    inner = SHAPE * log_u + (b - 1) * log_rest + y + _LOG_FAIL + np.log(STEP)
    root = jnp.exp(SHAPE * log_u[..., :1])
    left = (_WEIGHTS * jnp.exp((b - 1) * jnp.log1p(-((root * _NODES) ** 2)))).sum(-1)
    ends = (
        jnp.log(left[..., None]) + SHAPE * log_u[..., :1] + jnp.log(2.0),
        b * log_rest[..., 1:2] - jnp.log(b),
    )
    whole = jnp.concatenate(
        [ends[0] - jnp.log(power), inner[..., 2:], ends[1] - jnp.log(power)], -1
    )
    weights = (1 - zero) * jax.nn.softmax(whole, axis=-1)
    never = zero + weights[..., :1]
    top = weights[..., -2:].sum(-1, keepdims=True)
    return jnp.concatenate([never, weights[..., 1:-2], top], axis=-1)


def population_of(params: Params) -> Array:
    """Population of one draw of the unknowns."""
    return population(
        params["ease"], params["tail"], params["tail_bend"], zero_mass(params)
    )


def zero_mass(params: Params) -> Array:
    """Share of the problems that no number of samples solves."""
    return params["zero_root"] ** ROOT


def unbiased(samples: ArrayLike, successes: ArrayLike, k: ArrayLike) -> np.ndarray:
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
    n, c, k = np.broadcast_arrays(
        *(np.asarray(v, float) for v in (samples, successes, k))
    )
    if not (np.all(c >= 0) and np.all(c <= n)):
        at = int(np.argmax(((c < 0) | (c > n)).ravel()))
        msg = f"expected successes from 0 to the samples, got {c.ravel()[at]:g} of {n.ravel()[at]:g}"
        raise ValueError(msg)
    if not (np.all(k >= 1) and np.all(k <= n)):
        at = int(np.argmax(((k < 1) | (k > n)).ravel()))
        msg = f"pass@k is estimated without a law for k from 1 to the samples of a problem, got k = {k.ravel()[at]:g} of {n.ravel()[at]:g} samples"
        raise ValueError(msg)
    estimate = np.empty(n.shape)
    for size, tries in np.unique(np.stack([n.ravel(), k.ravel()]), axis=1).T:
        at = (n == size) & (k == tries)
        left = size - np.arange(size - tries)  # of what a success may be, one by one
        log_fail = np.append(np.cumsum(np.log1p(-tries / left)), -np.inf)
        log_fail = np.concatenate([[0.0], log_fail])
        reach = np.minimum(c[at], size - tries + 1).astype(int)
        estimate[at] = -np.expm1(log_fail[reach])
    return estimate
