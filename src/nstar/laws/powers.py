"""Powers, exponents and floors, as the laws write them."""

import jax.numpy as jnp

from nstar.types import Array, Params


def power(ratio: Array, exponent: Array) -> Array:
    """Raise a positive ratio to an exponent: a power law is a line in logs."""
    return jnp.exp(exponent * jnp.log(ratio))


def exponents(params: Params) -> tuple[Array, Array]:
    r"""Return $\alpha$ and $\beta$ from their sum and $\alpha_1 = \beta/(\alpha+\beta)$."""
    beta = params["alpha1"] * params["exponent_sum"]
    return params["exponent_sum"] - beta, beta


def above_floor(level: Array, share: Array, reducible: Array) -> Array:
    r"""Return $\ell\,(s + (1 - s) R)$: a share s of the level is floor, the rest falls with R."""
    return level * (share + (1 - share) * reducible)
