"""The log-linear law of data mixing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class LogLinear:
    r"""Log loss is a line in the shares.

    $$ \log L_i(r) = \text{level} + \textstyle\sum_j t_{ij} r_j $$

    The regression of Olmix (arXiv:2602.12237) without its floor; with normal noise the
    posterior is exact.
    """

    def centre(self, domains: int, own: int | None) -> Float[np.ndarray, " unknown"]:
        """Prior means: data of a domain's own brings its loss down."""
        slope = np.zeros(domains)
        if own is not None:
            slope[own] = -0.5
        return slope

    def spread(self, domains: int) -> Float[np.ndarray, " unknown"]:
        """Prior sds."""
        return np.ones(domains)

    def log_loss(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, " row"]:
        """Log loss up to a constant."""
        return shares @ unknowns

    def slopes(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, "row unknown"]:
        """The shares themselves."""
        return shares
