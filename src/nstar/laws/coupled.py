"""Hoffmann's surface with its two terms coupled: off the optimal ray they do not just add."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.powers import above_floor, exponents, power
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Params, Prior


@dataclass(frozen=True)
class Coupled(LossSurface):
    r"""Size and data share one power: each helps less where the other is short.

    $$ L(N, D) = E + \left(A N^{-\alpha/k} + B D^{-\beta/k}\right)^k $$

    (Busbridge et al. 2025, arXiv:2502.08606, with their gamma for k, 0.45; Skaling
    2026 finds 0.31 to 0.90; k = 1 is Hoffmann et al. 2022, eq. 2.)  The optimum along
    C = 6ND does not depend on k, nor does alpha1 = beta / (alpha + beta).
    """

    words: ClassVar = {
        "coupling": "common power k of the two terms",
    }

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and k below or about one."""
        return {
            **priors.additive(),
            "coupling": dist.LogNormal(np.log(0.7), 0.4),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Sum the two terms under their common power, then add the floor."""
        k = params["coupling"]
        alpha, beta = exponents(params)
        size = params["size_share"]
        by_size, by_data = power(N / self.N0, -alpha / k), power(D / self.D0, -beta / k)
        reducible = (size * by_size + (1 - size) * by_data) ** k
        return above_floor(params["level"], params["floor_share"], reducible)

    def derived(self, params: Params) -> Derived:
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
