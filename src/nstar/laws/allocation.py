"""The allocation law, on compute-optimal points, where C = k N D ties N* to D*."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, flop_per_param_token
from nstar.laws import priors
from nstar.laws.centre import centre, typical_error
from nstar.laws.line import STRAIGHT, Trend, tied
from nstar.responses.scales import LOG_TOKENS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Allocation:
    r"""Compute-optimal size and tokens are powers of the budget.

    $$ N^*(C) = A_1 C^{\alpha_1}, \quad D^*(C) = A_2 C^{\alpha_2} $$

    (Kaplan et al. 2020; Hoffmann et al. 2022, eq. 4).  With C = k N D the two are tied:
    $\alpha_1 + \alpha_2 = 1$ and $A_1 A_2 = 1/k$.  The level lives at the reference
    budget C0 as tokens per parameter, $D^*(C_0)/N^*(C_0)$.
    """

    C0: float = 1e21  # FLOP, the reference budget
    k: float = FLOP_PER_PARAM_TOKEN
    se: float = 0.0  # typical standard error of a measured log D*
    trend: Trend = STRAIGHT  # how log D* leaves its power law

    @property
    def inputs(self) -> tuple[str, ...]:
        """The budget."""
        return ("C",)

    @property
    def response(self) -> Response:
        """The log of the measured optimum's tokens."""
        return LOG_TOKENS

    def at(self, x: Inputs, cost: Cost) -> "Allocation":
        """Put the reference budget at the geometric centre, and note how well optima were measured."""
        k = flop_per_param_token(cost)
        return replace(self, C0=centre(x["C"]), k=k, se=typical_error(x))

    def priors(self) -> dict[str, Prior]:
        """Level and exponent, and what the trend adds."""
        return {
            "tokens_per_parameter": priors.tokens_per_parameter(),
            "alpha1": priors.alpha1(),
            **self.trend.priors(),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log D* of each budget."""
        return self.log_optimum(params, x["C"])[1]

    def log_optimum(self, params: Params, C: Array) -> tuple[Array, Array]:
        """Return log N* and log D* on the law's line."""
        return tied(params, C, self.C0, self.k, self.trend)

    def probes(self, C: np.ndarray) -> Inputs:
        """The budgets, measured as well as usual."""
        return {"C": C, "se": np.full(len(C), self.se)}

    def off_line(
        self, params: Any, C: np.ndarray, noise: np.ndarray, random: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Off by the noise: N* and D* stay tied."""
        return -noise, noise

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Those of the trend."""
        return self.trend.labels()

    def derived(self, params: Params) -> dict[str, Array]:
        """Numbers of the line with its bend, where it has one."""
        return self.trend.derived(params, partial(self.log_optimum, params), self.C0)
