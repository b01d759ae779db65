"""Sparse weights: of two models with as many parameters left, the sparser is better."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.exponents import exponents
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Sparsity:
    r"""Hoffmann's surface whose size term shrinks as the share of zeros grows.

    $$ L(N, D, S) = E + \left(a_S (1 - S)^{b_S} + c_S\right) N^{-\alpha} + B D^{-\beta} $$

    (Frantar et al. 2023, arXiv:2309.08520, eq. 1.)  N counts the weights that are not
    zero; S is the share that is, 0 for a dense model.  Where weights are idle rather
    than zero, N is the active ones and 1 - S the active share.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    density: float = 1.0  # 1 - S of the reference run

    @property
    def inputs(self) -> tuple[str, ...]:
        """Non-zero parameters, tokens and the share of zeros."""
        return ("N", "D", "sparsity")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Sparsity":
        """Put the reference run at the geometric centre of the runs, its density too."""
        density = centre(1 - jnp.asarray(x["sparsity"]))
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]), density=density)

    def usual(self, N: Array, D: Array) -> Inputs:
        """Leave out as many weights as the runs do on geometric average."""
        return {"N": N, "D": D, "sparsity": 1 - self.density}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and how the size term shrinks.

        Frantar's two data sets have exponents 0.72 and 0.82, and 0.27 and 0.39 as the
        share of a dense model's size term that sparsity may remove.
        """
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "sparse_share": dist.Beta(2.0, 3.0),
            "sparse_exponent": dist.LogNormal(np.log(0.75), 0.4),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self._loss(params, x))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of a run of the usual sparsity."""
        return self._loss(params, self.usual(N, D))

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Frantar's a_S, b_S and c_S, and Hoffmann's E, B, alpha and beta."""
        alpha, beta = exponents(params)
        reducible = params["level"] * (1 - params["floor_share"])
        size = reducible * params["size_share"] * self.N0**alpha
        share, b = params["sparse_share"], params["sparse_exponent"]
        return {
            "E": self.floor(params),
            "a_S": size * share * self.density**-b,
            "c_S": size * (1 - share),
            "B": reducible * (1 - params["size_share"]) * self.D0**beta,
            "alpha": alpha,
            "beta": beta,
        }

    def _loss(self, params: Params, x: Inputs) -> Array:
        alpha, beta = exponents(params)
        size, floor = params["size_share"], params["floor_share"]
        share, b = params["sparse_share"], params["sparse_exponent"]
        thinned = jnp.exp(b * jnp.log((1 - x["sparsity"]) / self.density))
        by_size = (1 - share + share * thinned) * jnp.exp(
            -alpha * jnp.log(x["N"] / self.N0)
        )
        by_data = jnp.exp(-beta * jnp.log(x["D"] / self.D0))
        reducible = size * by_size + (1 - size) * by_data
        return params["level"] * (floor + (1 - floor) * reducible)
