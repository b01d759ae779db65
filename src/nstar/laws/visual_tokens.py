"""Inference of vision-language models: error by size and by visual tokens."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.powers import above_floor
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import METRIC
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class VisualTokens(CentredLaw):
    r"""Error falls with the language model's size, and with the tokens an image becomes.

    $$ Y(N, T) = \frac{A}{N^{\alpha} T^{\beta}} + D $$

    (Li et al. 2024, arXiv:2411.03312, eq. 2: alpha 0.077, beta 0.015 over nine tasks.)
    The unknowns are the error of the reference model, the share of it that no size and
    no token removes, and both exponents; error is never above one.
    """

    N0: float = centre_of("N", 3e9)  # parameters of the reference model
    T0: float = centre_of("T", 64.0)  # its visual tokens
    inputs = ("N", "T")
    response = METRIC
    # four sizes with one to 576 visual tokens
    example: ClassVar = {
        "N": np.repeat([5e8, 1.8e9, 4e9, 7e9], 7),
        "T": np.tile([1.0, 4, 16, 36, 64, 144, 576], 4),
    }

    def priors(self) -> dict[str, Prior]:
        """Error at the reference, floor and exponents, wide about those published."""
        return {
            "error": dist.Beta(2.0, 2.0),
            "error_floor_share": dist.Beta(1.0, 2.0),
            "alpha": dist.LogNormal(np.log(0.1), 0.7),
            "beta": dist.LogNormal(np.log(0.03), 1.0),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Error of each model."""
        n, t = jnp.log(x["N"] / self.N0), jnp.log(x["T"] / self.T0)
        falling = jnp.exp(-params["alpha"] * n - params["beta"] * t)
        error = above_floor(params["error"], params["error_floor_share"], falling)
        return jnp.minimum(error, 1.0)
