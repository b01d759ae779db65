"""The loss surface of Hoffmann et al. (2022), told at a reference run."""

from dataclasses import dataclass, replace

import jax.numpy as jnp

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.exponents import exponents
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Chinchilla:
    r"""Loss falls to a floor as a power of model size and of data.

    $$ L(N, D) = E + A N^{-\alpha} + B D^{-\beta} $$

    (Hoffmann et al. 2022, arXiv:2203.15556, eq. 2).  A and B are losses at N = 1 and
    D = 1, almost perfectly correlated with the exponents.  The unknowns here are the
    loss at the reference run (N0, D0), the shares of it that are floor and size, and
    the exponents as their sum and as $\alpha_1 = \beta/(\alpha+\beta)$, the exponent of
    N*(C) = A1 C^alpha1 (eq. 4), which the public record knows far better than either.
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

    def at(self, x: Inputs, cost: Cost) -> "Chinchilla":
        """Put the reference run at the geometric centre of the runs."""
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]))

    def priors(self) -> dict[str, Prior]:
        """Level, shares and exponents."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Sum the floor and the two reducible terms directly, at the reference scale."""
        alpha, beta = exponents(params)
        size, share = params["size_share"], params["floor_share"]
        reducible = size * jnp.exp(-alpha * jnp.log(N / self.N0)) + (
            1 - size
        ) * jnp.exp(-beta * jnp.log(D / self.D0))
        return params["level"] * (share + (1 - share) * reducible)

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's E, A, B, alpha and beta."""
        alpha, beta = exponents(params)
        reducible = params["level"] * (1 - params["floor_share"])
        return {
            "E": self.floor(params),
            "A": reducible * params["size_share"] * self.N0**alpha,
            "B": reducible * (1 - params["size_share"]) * self.D0**beta,
            "alpha": alpha,
            "beta": beta,
        }
