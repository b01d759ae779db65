"""Mixture laws: how the log loss of a domain changes with the shares of the data."""

from typing import Protocol

import numpy as np
from jaxtyping import Float

from nstar.mixtures.bilinear import Bilinear
from nstar.mixtures.effective_data import EffectiveData
from nstar.mixtures.exponential import Exponential
from nstar.mixtures.log_linear import LogLinear


class MixtureLaw(Protocol):
    """A shape in the shares; its level and scale by size are unknowns of the fit.

    Unknowns are a vector whose prior is normal and independent: `centre` and `spread`.
    """

    def centre(self, domains: int, own: int | None) -> Float[np.ndarray, " unknown"]:
        """Prior means; `own` is the domain that the loss is of, where it is trained on."""
        ...

    def spread(self, domains: int) -> Float[np.ndarray, " unknown"]:
        """Prior sds."""
        ...

    def log_loss(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, " row"]:
        """Log loss up to a constant."""
        ...

    def slopes(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, "row unknown"]:
        """Derivatives of `log_loss` in the unknowns."""
        ...


LAWS: dict[str, MixtureLaw] = {
    "effective_data": EffectiveData(),
    "exponential": Exponential(),
    "log_linear": LogLinear(),
    "bilinear": Bilinear(),
}
USUAL = "effective_data"
