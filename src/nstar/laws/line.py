"""The line all tied allocation laws share: N* a power of C, and D* what is left."""

import jax.numpy as jnp

from nstar.types import Array, Params


def tied(params: Params, C: Array, C0: float, k: float) -> tuple[Array, Array]:
    r"""Return log N* and log D* of a budget under C = k N D.

    $$ \log N^* = \tfrac12 \log\frac{C_0}{k \rho} + \alpha_1 \log\frac{C}{C_0} $$

    with $\rho$ the tokens per parameter at C0; $\log D^*$ is $\log(C/k)$ less that.
    """
    both = jnp.log(C0 / k)  # log N*(C0) + log D*(C0)
    c = jnp.log(C / C0)
    log_N = (both - jnp.log(params["tokens_per_parameter"])) / 2 + params["alpha1"] * c
    return log_N, both + c - log_N
