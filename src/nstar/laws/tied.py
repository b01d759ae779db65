"""Hoffmann's surface with one exponent for size and data, as Gadre et al. (2024) fit it."""

from dataclasses import dataclass, replace

import jax.numpy as jnp

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, flop_per_param_token
from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.chinchilla import Chinchilla
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Tied:
    r"""Size and data help alike: tokens per parameter are the same at every budget.

    $$ L(C, M) = E + (a M^{\eta} + b M^{-\eta}) C^{-\eta}, \qquad M = D/N $$

    (Gadre et al. 2024, arXiv:2403.08540, eq. 4).  With C = k N D it is Hoffmann's
    surface with alpha = beta = 2 eta, so alpha1 is one half whatever the runs say: for
    ladders that train each size on a few token multiples, which tell no more.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    k: float = FLOP_PER_PARAM_TOKEN

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and data."""
        return ("N", "D")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Tied":
        """Put the reference run at the geometric centre of the runs."""
        k = flop_per_param_token(cost)
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]), k=k)

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, less the allocation exponent."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "exponent_sum": priors.exponent_sum(),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Hoffmann's surface at alpha1 = 1/2."""
        return self._untied().loss({**params, "alpha1": 0.5}, N, D)

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's E, A, B and their exponent, and Gadre's eta, a and b."""
        found = self._untied().derived({**params, "alpha1": 0.5})
        eta = found["alpha"] / 2
        return found | {
            "eta": eta,
            "a": found["A"] * self.k**eta,
            "b": found["B"] * self.k**eta,
        }

    def _untied(self) -> Chinchilla:
        return Chinchilla(self.N0, self.D0)
