"""The loss surface of Hoffmann et al. (2022), stated at a reference run."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.powers import above_floor, exponents, power
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Params, Prior


@dataclass(frozen=True)
class Chinchilla(LossSurface):
    r"""Loss falls to a floor as a power of model size and of data.

    $$ L(N, D) = E + A N^{-\alpha} + B D^{-\beta} $$

    (Hoffmann et al. 2022, arXiv:2203.15556, eq. 2).  A and B are losses at N = 1 and
    D = 1, almost perfectly correlated with the exponents.  The unknowns here are the
    loss at the reference run (N0, D0), the shares of it that are floor and size, and
    the exponents as their sum and as $\alpha_1 = \beta/(\alpha+\beta)$, the exponent of
    N*(C) = A1 C^alpha1 (eq. 4), which the public record knows far better than either.
    """

    words: ClassVar = {
        "E": "irreducible loss",
        "A": "size term at N = 1",
        "B": "data term at D = 1",
        "alpha": "exponent of the loss in N",
        "beta": "exponent of the loss in D",
    }

    def priors(self) -> dict[str, Prior]:
        """Level, shares and exponents."""
        return priors.additive()

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Sum the floor and the two reducible terms directly, at the reference scale."""
        alpha, beta = exponents(params)
        size = params["size_share"]
        by_size, by_data = power(N / self.N0, -alpha), power(D / self.D0, -beta)
        reducible = size * by_size + (1 - size) * by_data
        return above_floor(params["level"], params["floor_share"], reducible)

    def derived(self, params: Params) -> Derived:
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
