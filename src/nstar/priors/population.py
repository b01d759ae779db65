"""Random-effects meta-analysis of many sources: the predictive for a source not seen."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special  # not scipy.stats, which takes half a second to import

DF = 4.0  # of the population and of its predictive: one source may lie far off
NODES = 16  # normals whose scale mixture approximates a Student-t
MIDDLE = (0.05, 0.95)  # quantiles of the predictive that its Student-t keeps
UNINFORMATIVE = 0.9  # posterior sd over the prior's above which there is no estimate


class Estimate(NamedTuple):
    """Estimate of one ladder or published fit, on the log or logit scale."""

    source: str
    value: float
    se: float


class StudentT(NamedTuple):
    """Location and scale of a predictive with DF degrees of freedom."""

    loc: float
    scale: float


def likelihood(
    mean: float, sd: float, prior_mean: float, prior_sd: float
) -> tuple[float, float] | None:
    """Divide the prior out of a posterior, both as normals.

    Returns:
        Value and standard error of the likelihood; None where the posterior is hardly
        narrower than the prior.
    """
    if sd > UNINFORMATIVE * prior_sd:
        return None
    precision = 1 / sd**2 - 1 / prior_sd**2
    return (mean / sd**2 - prior_mean / prior_sd**2) / precision, precision**-0.5


def predictive(estimates: Sequence[Estimate], weak: tuple[float, float]) -> StudentT:
    r"""Summarise sources by a small random-effects model, for a ladder of a new source.

    $$ \theta_i \sim t_4(\mu, \tau), \quad y_i \sim \mathrm{Normal}(\theta_i, se_i),
       \quad \mu \sim \mathrm{Normal}(m, s), \quad \tau \sim \mathrm{HalfNormal}(s/2) $$

    with (m, s) the weak prior's mean and sd (after Higgins, Thompson & Spiegelhalter
    2009, doi:10.1111/j.1467-985X.2008.00552.x, with their predictive distribution).  A
    source is one observation however many estimates it has: each of n counts 1/n, so tau
    includes how much recipes of one source differ.  The posterior of (mu, tau) is
    on a grid, and the predictive of a new theta is summarised by the Student-t of the
    same median and 90 % width.  Without estimates it is the weak prior, a little wider.

    Args:
        estimates: of all sources.
        weak: mean and sd of the weak prior on the scale of the values.
    """
    centre, spread = weak
    values = np.array([estimate.value for estimate in estimates])
    half_width = max(
        [6 * spread, *(1.2 * abs(values - centre) + spread)]
        if estimates
        else [6 * spread]
    )
    mu = centre + np.linspace(-half_width, half_width, 241)[:, None]
    tau = spread * np.geomspace(0.02, 3.0, 40)[None]
    probs = (np.arange(NODES) + 0.5) / NODES
    mixing = special.gammaincinv(DF / 2, probs) * 2 / DF  # quantiles of a gamma
    log_post = -(((mu - centre) / spread) ** 2) / 2  # of a normal, but for a constant
    log_post = log_post - (tau / (spread / 2)) ** 2 / 2 + np.log(tau)  # grid is in logs
    counts = Counter(estimate.source for estimate in estimates)
    for estimate in estimates:
        var = estimate.se**2 + tau[..., None] ** 2 / mixing
        density = np.exp(
            -((estimate.value - mu)[..., None] ** 2) / (2 * var)
        ) / np.sqrt(var)
        log_post = (
            log_post + np.log(density.mean(-1) + 1e-300) / counts[estimate.source]
        )
    weight = np.exp(log_post - log_post.max())
    low, middle, high = _quantiles(
        mu, tau, weight / weight.sum(), (MIDDLE[0], 0.5, MIDDLE[1])
    )
    width = special.stdtrit(DF, MIDDLE[1]) - special.stdtrit(DF, MIDDLE[0])
    return StudentT(middle, (high - low) / width)


def _quantiles(
    mu: np.ndarray, tau: np.ndarray, weight: np.ndarray, probs: Sequence[float]
) -> list[float]:
    """Quantiles of a mixture of Student-t over the grid."""
    from scipy.optimize import brentq

    keep = weight > 1e-6 * weight.max()
    where, scale = (np.broadcast_to(a, weight.shape)[keep] for a in (mu, tau))
    share = weight[keep] / weight[keep].sum()

    def below(x: float, prob: float) -> float:
        z = (x - where) / scale
        r = z / np.sqrt(4 + z**2)  # the distribution function of 4 degrees of freedom
        return float(share @ (0.5 + 0.75 * r - 0.25 * r**3)) - prob

    reach = 60 * scale.max() + np.ptp(where)
    ends = (where.min() - reach, where.max() + reach)
    return [float(brentq(below, *ends, args=(prob,))) for prob in probs]
