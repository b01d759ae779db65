"""The effective-data law: every domain is worth some share of the data that a loss is of."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WORTH = -2.0  # log worth of another domain's data, beside a domain's own


@dataclass(frozen=True)
class EffectiveData:
    r"""Loss is a power of the data that counts for a domain.

    $$ \log L_i(r) = -\kappa \log\left(\epsilon + \textstyle\sum_j w_{ij} r_j\right) + \text{level} $$

    A power law in the data that counts for domain i, where domain j's tokens count
    $w_{ij}$ times; $\epsilon$ is what no data at all is worth.  A floor is left out: on
    the tables measured it went to nothing.
    """

    def centre(self, domains: int, own: int | None) -> Float[np.ndarray, " unknown"]:
        """Prior means of log kappa, log epsilon and log worths."""
        worth = np.full(domains, WORTH)
        if own is not None:
            worth[own] = 0.0
        return np.concatenate([[-2.5, -4.0], worth])

    def spread(self, domains: int) -> Float[np.ndarray, " unknown"]:
        """Prior sds."""
        return np.concatenate([[1.0, 2.0], np.full(domains, 1.5)])

    def log_loss(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, " row"]:
        """Log loss up to a constant."""
        value = np.exp(unknowns[1:])
        return -np.exp(unknowns[0]) * np.log(value[0] + shares @ value[1:])

    def slopes(
        self,
        unknowns: Float[np.ndarray, " unknown"],
        shares: Float[np.ndarray, "row domain"],
    ) -> Float[np.ndarray, "row unknown"]:
        """Derivatives in log kappa, log epsilon and log worths."""
        value = np.exp(unknowns[1:])
        parts = np.column_stack([np.full(len(shares), value[0]), shares * value[1:]])
        total = parts.sum(axis=1, keepdims=True)
        kappa = np.exp(unknowns[0])
        return -kappa * np.column_stack([np.log(total), parts / total])
