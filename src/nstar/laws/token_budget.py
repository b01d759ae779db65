"""Longer thinking: accuracy against the tokens spent on a problem."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nstar.laws.reference_run import CentredLaw, centre_of, spread_of
from nstar.responses import sigmoid
from nstar.responses.scales import ACCURACY
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class TokenBudget(CentredLaw):
    r"""Accuracy rises from a floor to a ceiling, a sigmoid of the log of the tokens.

    $$ a(T) = a_0 + \frac{a_1 - a_0}{1 + (T / m)^{-1/w}} $$

    For token budgets and sequential revision, whose accuracy saturates (budget forcing,
    Muennighoff et al. 2025, arXiv:2501.19393; ScaleRL fits the same to training compute,
    arXiv:2510.13786).  The unknowns are defined where the runs are (`nstar.responses.sigmoid`), at the
    curve that is one of log T.
    """

    T0: float = centre_of("T", 1000.0)  # tokens of the reference run
    spread: float = spread_of("T", 1.0)  # of the runs' log tokens, their sd
    inputs = ("T",)  # tokens generated for a problem
    response = ACCURACY
    # sixteen token budgets of a benchmark of many problems
    example: ClassVar = {
        "T": np.geomspace(200, 60000, 16),
        "questions": np.full(16, 2000.0),
    }

    def priors(self) -> dict[str, Prior]:
        """A curve about as wide as the budgets are spread."""
        every = sigmoid.priors(0.6 * self.spread)
        return {name: prior for name, prior in every.items() if name != "curve"}

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Accuracy at each budget."""
        return sigmoid.accuracy(
            {**params, "curve": jnp.asarray(0.0)}, -jnp.log(x["T"] / self.T0)
        )

    def derived(self, params: Params) -> Derived:
        """Return the ceiling."""
        return {"ceiling": sigmoid.ceiling(params)}
