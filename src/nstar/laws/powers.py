"""Powers, exponents and floors, as the laws write them."""

import jax.numpy as jnp
from jaxtyping import Float

from nstar.types import Array, Params


def power(
    ratio: Float[Array, "*#runs"], exponent: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Raise a positive ratio to an exponent: a power law is a line in logs."""
    return jnp.exp(exponent * jnp.log(ratio))


def exponents(params: Params) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Return $\alpha$ and $\beta$ from their sum and $\alpha_1 = \beta/(\alpha+\beta)$."""
    beta = params["alpha1"] * params["exponent_sum"]
    return params["exponent_sum"] - beta, beta


def above_floor(
    level: Float[Array, "*#runs"],
    share: Float[Array, "*#runs"],
    reducible: Float[Array, "*#runs"],
) -> Float[Array, "*runs"]:
    r"""Return $\ell\,(s + (1 - s) R)$: a share s of the level is floor, the rest falls with R."""
    return level * (share + (1 - share) * reducible)
