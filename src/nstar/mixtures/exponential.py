"""The exponential law of data mixing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Exponential:
    r"""Loss above a floor is the exponential of a line in the shares.

    $$ L_i(r) = c_i + k_i \exp\left(\textstyle\sum_j t_{ij} r_j\right) $$

    Ye et al. (2024, arXiv:2403.16952).  The floor is read as $f = c / k$.
    """

    def centre(self, domains: int, own: int | None) -> Float[np.ndarray, " unknown"]:
        """Prior means of log f and of t."""
        slope = np.zeros(domains)
        if own is not None:
            slope[own] = -1.0
        return np.concatenate([[0.0], slope])

    def spread(self, domains: int) -> Float[np.ndarray, " unknown"]:
        """Prior sds."""
        return np.concatenate([[1.5], np.full(domains, 1.5)])

    def log_loss(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, " row"]:
        """Log loss up to a constant."""
        return np.logaddexp(unknowns[0], shares @ unknowns[1:])

    def slopes(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, "row unknown"]:
        """Derivatives in log f and t."""
        floor = np.exp(unknowns[0] - self.log_loss(unknowns, shares))
        return np.column_stack([floor, shares * (1 - floor)[:, None]])
