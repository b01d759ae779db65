"""Sparse weights: of two models with as many parameters left, the sparser is better."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.examples import PROFILES, cycled
from nstar.laws.powers import above_floor, exponents, power
from nstar.laws.reference_run import centre, from_runs
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Sparsity(LossSurface):
    r"""Hoffmann's surface whose size term shrinks as the share of zeros grows.

    $$ L(N, D, S) = E + \left(a_S (1 - S)^{b_S} + c_S\right) N^{-\alpha} + B D^{-\beta} $$

    (Frantar et al. 2023, arXiv:2309.08520, eq. 1.)  N counts the weights that are not
    zero; S is the share that is, 0 for a dense model.  Where weights are idle rather
    than zero, N is the active ones and 1 - S the active share.
    """

    # 1 - S of the reference run
    density: float = from_runs(1.0, lambda x, _: centre(1 - jnp.asarray(x["sparsity"])))
    inputs = ("N", "D", "sparsity")
    words: ClassVar = {
        "sparse_share": "share of the size term that zeros remove",
        "sparse_exponent": "exponent of that in the share not zero",
        "a_S": "size term at N = 1 that zeros remove",
        "c_S": "size term at N = 1 that zeros leave",
    }
    example: ClassVar = PROFILES | {"sparsity": cycled(0.0, 0.75, 0.95, 0.5, 0.9)}

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Leave out as many weights as the runs do on geometric average."""
        return {"N": N, "D": D, "sparsity": jnp.asarray(1 - self.density)}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and how the size term shrinks.

        Frantar's two data sets have exponents 0.72 and 0.82, and 0.27 and 0.39 as the
        share of a dense model's size term that sparsity may remove.
        """
        return {
            **priors.additive(),
            "sparse_share": dist.Beta(2.0, 3.0),
            "sparse_exponent": dist.LogNormal(np.log(0.75), 0.4),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        return jnp.log(self.sparse_loss(params, x))

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a run of the usual sparsity."""
        return self.sparse_loss(params, self.usual(N, D))

    def derived(self, params: Params) -> Derived:
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

    def sparse_loss(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Loss of runs of any sparsity."""
        alpha, beta = exponents(params)
        size = params["size_share"]
        share, b = params["sparse_share"], params["sparse_exponent"]
        thinned = power((1 - x["sparsity"]) / self.density, b)
        by_size = (1 - share + share * thinned) * power(x["N"] / self.N0, -alpha)
        by_data = power(x["D"] / self.D0, -beta)
        reducible = size * by_size + (1 - size) * by_data
        return above_floor(params["level"], params["floor_share"], reducible)
