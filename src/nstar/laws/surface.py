"""What the laws of the loss of a run (N, D) have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Float

from nstar.laws.examples import PROFILES
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Inputs, Params, Response


@dataclass(frozen=True)
class LossSurface(CentredLaw, ABC):
    """A law of the loss of a run of N parameters on D tokens, which a floor bounds below.

    A law of this kind gives `priors` and `loss`; one without `floor_share` its `floor`.
    """

    N0: float = centre_of("N", 1e9)  # parameters of the reference run
    D0: float = centre_of("D", 2e10)  # tokens of the reference run
    inputs: ClassVar[tuple[str, ...]] = ("N", "D")
    response: ClassVar[Response] = LOG_LOSS
    example: ClassVar[Inputs] = PROFILES

    @abstractmethod
    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a run of N parameters on D tokens, without run noise."""

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def floor(self, params: Params) -> Float[Array, "..."]:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]
