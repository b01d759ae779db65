"""Hoffmann's surface with one exponent for size and data, as Gadre et al. (2024) fit it."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.chinchilla import Chinchilla
from nstar.laws.reference_run import flop_per_token
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Params, Prior


@dataclass(frozen=True)
class Tied(LossSurface):
    r"""Size and data help alike: tokens per parameter are the same at every budget.

    $$ L(C, M) = E + (a M^{\eta} + b M^{-\eta}) C^{-\eta}, \qquad M = D/N $$

    (Gadre et al. 2024, arXiv:2403.08540, eq. 4).  With C = k N D it is Hoffmann's
    surface with alpha = beta = 2 eta, so alpha1 is one half whatever the runs say: for
    ladders that train each size on a few token multiples, which tell no more.
    """

    k: float = flop_per_token()
    words: ClassVar = {
        "eta": "exponent of L - E in C at fixed D/N",
        "a": "size term at C = 1 and D/N = 1",
        "b": "data term at C = 1 and D/N = 1",
    }

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, less the allocation exponent."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "exponent_sum": priors.exponent_sum(),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Hoffmann's surface at alpha1 = 1/2."""
        return self.untied().loss({**params, "alpha1": jnp.asarray(0.5)}, N, D)

    def derived(self, params: Params) -> Derived:
        """Hoffmann's E, A, B and their exponent, and Gadre's eta, a and b."""
        numbers = self.untied().derived({**params, "alpha1": jnp.asarray(0.5)})
        eta = numbers["alpha"] / 2
        return numbers | {
            "eta": eta,
            "a": numbers["A"] * self.k**eta,
            "b": numbers["B"] * self.k**eta,
        }

    def untied(self) -> Chinchilla:
        """Return the surface whose allocation exponent is free."""
        return Chinchilla(self.N0, self.D0)
