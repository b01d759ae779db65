"""Data that repeats and size it cannot feed, each worth less: Muennighoff et al. (2023)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.effective_surface import EffectiveSurface
from nstar.laws.examples import PROFILES, cycled
from nstar.laws.powers import exponents, power
from nstar.types import Array, Inputs, Params, Prior

SMALLEST = 1e-290  # share of N that is fed, under exponents that nothing supports
HARDLY_ANY = 1e-140  # ... and below which its square is no number
# e-folds of decay, beyond which a gradient is lost and nothing else
NOTHING_LEFT = 700.0


@dataclass(frozen=True)
class DataConstrained(EffectiveSurface):
    r"""Hoffmann's surface at what the tokens and the parameters are worth.

    $$ D' = U_D + U_D R_D^* \left(1 - e^{-R_D/R_D^*}\right), \quad
       N' = U_N + U_N R_N^* \left(1 - e^{-R_N/R_N^*}\right), \quad
       L = E + A N'^{-\alpha} + B D'^{-\beta} $$

    (Muennighoff et al. 2023, arXiv:2305.16264, eq. 5 and 6, with alpha and beta free.)
    Of D tokens U_D are unique and R_D = D/U_D - 1 are repetitions; U_N is the size that
    U_D unique tokens would feed optimally, or N where that is less, and
    R_N = N/U_N - 1 the excess.  A repeated token decays with R_D*, about 15 epochs,
    excess parameters with R_N*, about 5.  Where a run says nothing of its unique tokens,
    those beyond the supply are repetitions; every token is fresh unless one is set.
    """

    supply: float = math.inf  # unique tokens there are
    inputs = ("N", "D", "unique_tokens")
    words: ClassVar = {
        "R_D": "epochs after which repeated tokens lose their worth",
        "R_N": "excess size after which parameters lose their worth",
    }
    example: ClassVar = PROFILES | {
        "unique_tokens": PROFILES["D"] / cycled(1.0, 4.0, 60.0, 1.0, 16.0)
    }

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Take every token as unique, one epoch, as far as the supply goes."""
        return {"N": N, "D": D, "unique_tokens": np.minimum(D, self.supply)}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law; both decays about where Muennighoff finds them."""
        return {
            **priors.additive(),
            "R_D": dist.LogNormal(np.log(15.0), 0.5),
            "R_N": dist.LogNormal(np.log(5.0), 0.7),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of one epoch, or of the epochs that D tokens make of the supply."""
        unique = jnp.minimum(D, self.supply)
        x = {"N": N, "D": D, "unique_tokens": unique}
        return self.plain().loss(params, *self.effective(params, x))

    def effective(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Return N' and D': parameters and unique tokens that would do as well."""
        N, D = x["N"], x["D"]
        alpha, beta = exponents(params)
        unique = jnp.minimum(x["unique_tokens"], D)
        size = params["size_share"]
        ray = (alpha * size / (beta * (1 - size))) ** (1 / alpha)
        fed = self.N0 * ray * power(unique / self.D0, beta / alpha)
        fed = jnp.clip(fed, SMALLEST * N, N)
        return _decayed(fed, N, params["R_N"]), _decayed(unique, D, params["R_D"])


def _decayed(
    first: Float[Array, "*#runs"],
    all_of: Float[Array, "*#runs"],
    star: Float[Array, "*#runs"],
) -> Float[Array, "*runs"]:
    """Count what comes after the first by a value that decays."""
    times = all_of / jnp.maximum(first, HARDLY_ANY * all_of)
    left = jnp.minimum((times - 1) / star, NOTHING_LEFT)
    return first * (1 - star * jnp.expm1(-left))
