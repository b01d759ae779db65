"""Hoffmann's surface at what the parameters and the tokens of a run are worth."""

from abc import abstractmethod
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Float

from nstar.laws.chinchilla import Chinchilla
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Inputs, Params


@dataclass(frozen=True)
class EffectiveSurface(LossSurface):
    r"""Loss of the plain run (N', D') that does as well as this one.

    $$ L = E + A N'^{-\alpha} + B D'^{-\beta} $$

    A law of this kind gives `inputs`, `usual`, `priors` and `effective`.
    """

    @abstractmethod
    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Inputs of a run (N, D) that is in all else as the reference run."""

    @abstractmethod
    def effective(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Return N' and D' of each run."""

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        return jnp.log(self.plain().loss(params, *self.effective(params, x)))

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a run as usual."""
        x = self.usual(N, D)
        return self.plain().loss(params, *self.effective(params, x))

    def derived(self, params: Params) -> Derived:
        """Hoffmann's E, A, B, alpha and beta of plain runs."""
        return self.plain().derived(params)

    def plain(self) -> Chinchilla:
        """Return the surface of runs that are worth what they count."""
        return Chinchilla(self.N0, self.D0)
