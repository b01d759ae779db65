"""The two exponents of a surface from the two numbers that are known apart."""

from nstar.types import Array, Params


def exponents(params: Params) -> tuple[Array, Array]:
    r"""Return $\alpha$ and $\beta$ from their sum and $\alpha_1 = \beta/(\alpha+\beta)$."""
    beta = params["alpha1"] * params["exponent_sum"]
    return params["exponent_sum"] - beta, beta
