"""The allocation law, on compute-optimal points, where C = k N D ties N* to D*."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.allocation_line import AllocationLine
from nstar.laws.line import tied
from nstar.responses.scales import LOG_TOKENS
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class Allocation(AllocationLine):
    r"""Compute-optimal size and tokens are powers of the budget.

    $$ N^*(C) = A_1 C^{\alpha_1}, \quad D^*(C) = A_2 C^{\alpha_2} $$

    (Kaplan et al. 2020; Hoffmann et al. 2022, eq. 4).  With C = k N D the two are tied:
    $\alpha_1 + \alpha_2 = 1$ and $A_1 A_2 = 1/k$.  The level lives at the reference
    budget C0 as tokens per parameter, $D^*(C_0)/N^*(C_0)$.
    """

    response = LOG_TOKENS

    def priors(self) -> dict[str, Prior]:
        """Level and exponent, and what the trend adds."""
        return {
            "tokens_per_parameter": priors.tokens_per_parameter(),
            "alpha1": priors.alpha1(),
            **self.trend.priors(),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log D* of each budget."""
        return self.log_optimum(params, x["C"])[1]

    def log_optimum(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
        """Return log N* and log D* on the law's line."""
        return tied(params, C, self.C0, self.k, self.trend)

    def off_line(
        self,
        params: Params,
        C: Float[np.ndarray, " budgets"],
        noise: Float[np.ndarray, "draws budgets"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draws budgets"], Float[np.ndarray, "draws budgets"]]:
        """Off by the noise: N* and D* stay tied."""
        return -noise, noise
