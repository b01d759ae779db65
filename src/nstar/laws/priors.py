"""Priors that several laws share, each with its reason.

Their numbers are known to be valid: checking them is a dozen small programs to compile.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions.transforms import SigmoidTransform

from nstar.types import Number, Prior

WORDS = {
    "alpha1": "exponent of N* in C, before any bend",
    "tokens_per_parameter": "D*/N* at the reference budget, before any bend",
    "level": "loss at the reference run or budget",
    "floor_share": "share of that loss no run removes",
    "size_share": "share of the rest that size removes",
    "exponent_sum": "alpha + beta",
}


def log_normal(median: Number, spread: Number) -> dist.Distribution:
    """Log-normal prior by its median, which may be a number of a compiled law."""
    log = jnp.log if isinstance(median, jax.Array) else np.log
    return dist.LogNormal(log(median), spread)


def alpha1() -> dist.Distribution:
    r"""Exponent of $N^* = A_1 C^{\alpha_1}$, heavy-tailed on the logit scale.

    26 published fits of total or unstated parameter counts have mean 0.506 and sd
    0.049; other counting conventions give 0.35 to 0.84 (Marin, Kaplan), which the
    Student-t tails (4 degrees of freedom) leave open.  90 % lies in 0.33 to 0.69.
    """
    base = dist.StudentT(4.0, 0.04, 0.35, validate_args=False)
    return dist.TransformedDistribution(base, SigmoidTransform(), validate_args=False)


def tokens_per_parameter() -> dist.Distribution:
    """D*/N* at the reference budget: 11 to 50 in the published fits at 1e21 FLOP."""
    return dist.LogNormal(np.log(20.0), 1.0)


def level() -> dist.Distribution:
    """Loss at the reference run: any unit in use, from bits per byte to nats per token."""
    return dist.LogNormal(np.log(2.0), 1.0)


def floor_share() -> dist.Distribution:
    """Irreducible share of the loss at the reference run: hardly identified, so proper."""
    return dist.Beta(3.0, 2.0, validate_args=False)


def size_share() -> dist.Distribution:
    """Share of the reducible loss that size removes at the reference run."""
    return dist.Beta(2.0, 2.0, validate_args=False)


def exponent_sum() -> dist.Distribution:
    """Alpha + beta, from 15 untied published fits with a floor: sd of the log 0.37."""
    return dist.LogNormal(np.log(0.63), 0.5)


def additive() -> dict[str, Prior]:
    """Priors of Hoffmann's surface: level, shares and exponents."""
    return {
        "level": level(),
        "floor_share": floor_share(),
        "size_share": size_share(),
        "alpha1": alpha1(),
        "exponent_sum": exponent_sum(),
    }
