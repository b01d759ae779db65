"""Sparse upcycling: a mixture of experts that starts from a trained dense model."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.chinchilla import Chinchilla
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Upcycled:
    r"""Hoffmann's surface at what parameters and both trainings' tokens are worth.

    $$ L = E + A \hat N^{-\alpha} + B \hat D^{-\beta}, \qquad
       \hat N = N \left(\frac{N_{total}}{N}\right)^{\eta}, \qquad
       \hat D = D + \omega D_1 $$

    N counts the parameters active for one token, D the tokens that the mixture itself
    sees and D1 those of its dense parent.  Data of both trainings and their interplay are
    measured by Liew et al. (2025, arXiv:2502.03009), who multiply powers of both; a sum
    needs no product where the parent was hardly trained, and is a run from scratch at
    D1 = 0.  An inactive parameter is worth less than an active one, a parent's token at
    most about one of the mixture's.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    expansion: float = 1.0  # total over active parameters where no table says
    parent: float = 0.0  # tokens of the dense parent where no table says

    @property
    def inputs(self) -> tuple[str, ...]:
        """Active parameters, tokens, total parameters, tokens of the parent."""
        return ("N", "D", "total_params", "dense_tokens")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Upcycled":
        """Put the reference run, dense and from scratch, at the centre of the runs."""
        N0, D0 = centre(x["N"]), centre(x["D"])
        return replace(
            self,
            N0=N0,
            D0=D0,
            expansion=centre(x["total_params"]) / N0,
            parent=centre(x["dense_tokens"]),
        )

    def usual(self, N: Array, D: Array) -> Inputs:
        """Expand, and train the parent, as the runs do on geometric average."""
        return {
            "N": N,
            "D": D,
            "total_params": N * self.expansion,
            "dense_tokens": self.parent + 0 * D,
        }

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, the worth of experts, and that of the parent's tokens."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "expert_worth": dist.Beta(3.0, 3.5),
            "parent_worth": dist.LogNormal(np.log(0.4), 0.7),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self._loss(params, x))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of a run of the usual expansion and parent."""
        return self._loss(params, self.usual(N, D))

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's E, A, B, alpha and beta of dense runs from scratch."""
        return self._dense().derived(params)

    def _loss(self, params: Params, x: Inputs) -> Array:
        N, D = x["N"], x["D"] + params["parent_worth"] * x["dense_tokens"]
        size = N * jnp.exp(params["expert_worth"] * jnp.log(x["total_params"] / N))
        return self._dense().loss(params, size, D)

    def _dense(self) -> Chinchilla:
        return Chinchilla(self.N0, self.D0)
