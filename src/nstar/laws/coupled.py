"""Hoffmann's surface with its two terms coupled: off the optimal ray they do not just add."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.exponents import exponents
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Coupled:
    r"""Size and data share one power: each helps less where the other is short.

    $$ L(N, D) = E + \left(A N^{-\alpha/k} + B D^{-\beta/k}\right)^k $$

    (Busbridge et al. 2025, arXiv:2502.08606, with their gamma for k, 0.45; Skaling
    2026 finds 0.31 to 0.90; k = 1 is Hoffmann et al. 2022, eq. 2.)  The optimum along
    C = 6ND does not depend on k, nor does alpha1 = beta / (alpha + beta).
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and data."""
        return ("N", "D")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Coupled":
        """Put the reference run at the geometric centre of the runs."""
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]))

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and k below or about one."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "coupling": dist.LogNormal(np.log(0.7), 0.4),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Sum the two terms under their common power, then add the floor."""
        k = params["coupling"]
        alpha, beta = exponents(params)
        size, share = params["size_share"], params["floor_share"]
        both = size * jnp.exp(-alpha / k * jnp.log(N / self.N0)) + (1 - size) * jnp.exp(
            -beta / k * jnp.log(D / self.D0)
        )
        return params["level"] * (share + (1 - share) * both**k)

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """E, A, B, alpha and beta: A and B as the terms' weights at N = D = 1."""
        k = params["coupling"]
        alpha, beta = exponents(params)
        reducible = (params["level"] * (1 - params["floor_share"])) ** (1 / k)
        return {
            "E": self.floor(params),
            "A": reducible * params["size_share"] * self.N0 ** (alpha / k),
            "B": reducible * (1 - params["size_share"]) * self.D0 ** (beta / k),
            "alpha": alpha,
            "beta": beta,
        }
