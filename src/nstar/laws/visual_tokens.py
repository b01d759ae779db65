"""Inference of vision-language models: error by size and by visual tokens."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws.centre import centre
from nstar.responses.scales import METRIC
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class VisualTokens:
    r"""Error falls with the language model's size, and with the tokens an image becomes.

    $$ Y(N, T) = \frac{A}{N^{\alpha} T^{\beta}} + D $$

    (Li et al. 2024, arXiv:2411.03312, eq. 2: alpha 0.077, beta 0.015 over nine tasks.)
    The unknowns are the error of the reference model, the share of it that no size and
    no token removes, and both exponents; error is never above one.
    """

    N0: float = 3e9  # parameters of the reference model
    T0: float = 64.0  # its visual tokens

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and visual tokens."""
        return ("N", "T")

    @property
    def response(self) -> Response:
        """The mean error."""
        return METRIC

    def at(self, x: Inputs, cost: Cost) -> "VisualTokens":
        """Put the reference at the geometric centre of the models."""
        return replace(self, N0=centre(x["N"]), T0=centre(x["T"]))

    def priors(self) -> dict[str, Prior]:
        """Error at the reference, floor and exponents, wide about those published."""
        return {
            "error": dist.Beta(2.0, 2.0),
            "error_floor_share": dist.Beta(1.0, 2.0),
            "alpha": dist.LogNormal(np.log(0.1), 0.7),
            "beta": dist.LogNormal(np.log(0.03), 1.0),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Error of each model."""
        share = params["error_floor_share"]
        n, t = jnp.log(x["N"] / self.N0), jnp.log(x["T"] / self.T0)
        power = jnp.exp(-params["alpha"] * n - params["beta"] * t)
        return jnp.minimum(params["error"] * (share + (1 - share) * power), 1.0)
