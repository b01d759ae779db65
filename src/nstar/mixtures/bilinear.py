"""A bounded law of data mixing: a loss between a floor and that of no useful data."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Bilinear:
    r"""Loss lies between a floor and that of no useful data.

    $$ L_i(r) \propto f_i + \frac{1}{1 + \sum_j w_{ij} r_j} $$

    Bounded at both ends: at (f + 1) where no share is worth anything, at f where worths
    are large.
    """

    def centre(self, domains: int, own: int | None) -> Float[np.ndarray, " unknown"]:
        """Prior means of log f and of log worths."""
        worth = np.full(domains, 1.0)
        if own is not None:
            worth[own] = 3.0
        return np.concatenate([[0.0], worth])

    def spread(self, domains: int) -> Float[np.ndarray, " unknown"]:
        """Prior sds."""
        return np.concatenate([[1.5], np.full(domains, 1.5)])

    def log_loss(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, " row"]:
        """Log loss up to a constant."""
        return np.log(np.exp(unknowns[0]) + 1 / (1 + shares @ np.exp(unknowns[1:])))

    def slopes(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, "row unknown"]:
        """Derivatives in log f and log worths."""
        parts = shares * np.exp(unknowns[1:])
        falling = 1 / (1 + parts.sum(axis=1))
        loss = np.exp(unknowns[0]) + falling
        return np.column_stack(
            [np.exp(unknowns[0]) / loss, -parts * (falling**2 / loss)[:, None]]
        )
