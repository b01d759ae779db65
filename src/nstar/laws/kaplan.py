"""The joint law of Kaplan et al. (2020): size and data coupled, and no floor."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.powers import exponents, power
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Params, Prior


@dataclass(frozen=True)
class Kaplan(LossSurface):
    r"""Loss falls to nothing as one power of two summed bottlenecks.

    $$ L(N, D) = \left[\left(\frac{N_c}{N}\right)^{\alpha/\beta} + \frac{D_c}{D}\right]^{\beta} $$

    (Kaplan et al. 2020, arXiv:2001.08361, eq. 4.1, with their alpha_N for alpha and
    alpha_D for beta.)  It is the coupled law with k = beta and E = 0, so that
    alpha1 = beta / (alpha + beta) is still the exponent of N*(C).  N_c and D_c are the
    sizes at which either alone would give a loss of one; the unknowns are the loss at
    the reference run and the share of the bracket that is size there.
    """

    words: ClassVar = {
        "N_c": "parameters that alone give a loss of one",
        "D_c": "tokens that alone give a loss of one",
    }

    def priors(self) -> dict[str, Prior]:
        """Level, share and exponents.

        With no floor to fall to, the exponents are those of the whole loss: Kaplan has
        0.076 + 0.103 = 0.18, and the additive fits' 0.63 times a reducible share of 0.4
        is 0.25.
        """
        return {
            "level": priors.level(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": dist.LogNormal(np.log(0.2), 0.5),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Sum the two bottlenecks under their common power."""
        alpha, beta = exponents(params)
        size = params["size_share"]
        both = size * power(N / self.N0, -alpha / beta) + (1 - size) * self.D0 / D
        return params["level"] * both**beta

    def floor(self, params: Params) -> Float[Array, "..."]:
        """No loss is irreducible."""
        return jnp.zeros_like(params["level"])

    def derived(self, params: Params) -> Derived:
        """Kaplan's N_c and D_c, alpha_N and alpha_D."""
        alpha, beta = exponents(params)
        level, size = params["level"], params["size_share"]
        return {
            "N_c": self.N0 * size ** (beta / alpha) * level ** (1 / alpha),
            "D_c": self.D0 * (1 - size) * level ** (1 / beta),
            "alpha": alpha,
            "beta": beta,
        }
