"""Data that repeats and size it cannot feed, each worth less: Muennighoff et al. (2023)."""

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.chinchilla import Chinchilla
from nstar.laws.exponents import exponents
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response

SMALLEST = 1e-290  # share of N that is fed, under exponents that nothing supports
HARDLY_ANY = 1e-140  # ... and below which its square is no number
NOTHING_LEFT = (
    700.0  # e-folds of decay, beyond which a gradient is lost and nothing else
)


@dataclass(frozen=True)
class DataConstrained:
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

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    supply: float = math.inf  # unique tokens there are

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size, tokens seen and unique tokens."""
        return ("N", "D", "unique_tokens")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "DataConstrained":
        """Put the reference run, of one epoch, at the geometric centre of the runs."""
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]))

    def usual(self, N: Array, D: Array) -> Inputs:
        """Take every token as unique, one epoch, as far as the supply goes."""
        return {"N": N, "D": D, "unique_tokens": np.minimum(D, self.supply)}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law; both decays about where Muennighoff finds them."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "R_D": dist.LogNormal(np.log(15.0), 0.5),
            "R_N": dist.LogNormal(np.log(5.0), 0.7),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self._loss(params, x))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of one epoch, or of the epochs that D tokens make of the supply."""
        unique = jnp.minimum(D, self.supply)
        return self._loss(params, {"N": N, "D": D, "unique_tokens": unique})

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's E, A, B, alpha and beta."""
        return self._fed().derived(params)

    def _loss(self, params: Params, x: Inputs) -> Array:
        N, D = self.worth(params, x["N"], x["D"], x["unique_tokens"])
        return self._fed().loss(params, N, D)

    def worth(
        self, params: Params, N: Array, D: Array, unique: Array
    ) -> tuple[Array, Array]:
        """Return N' and D': parameters and unique tokens that would do as well."""
        alpha, beta = exponents(params)
        unique = jnp.minimum(unique, D)
        size = params["size_share"]
        ray = (alpha * size / (beta * (1 - size))) ** (1 / alpha)
        fed = self.N0 * ray * jnp.exp(beta / alpha * jnp.log(unique / self.D0))
        fed = jnp.clip(fed, SMALLEST * N, N)
        return _decayed(fed, N, params["R_N"]), _decayed(unique, D, params["R_D"])

    def _fed(self) -> Chinchilla:
        return Chinchilla(self.N0, self.D0)


def _decayed(first: Array, all_of: Array, star: Array) -> Array:
    """Count what comes after the first by a value that decays."""
    times = all_of / jnp.maximum(first, HARDLY_ANY * all_of)
    left = jnp.minimum((times - 1) / star, NOTHING_LEFT)
    return first * (1 - star * jnp.expm1(-left))
