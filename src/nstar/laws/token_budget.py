"""Longer thinking: accuracy against the tokens spent on a problem."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from nstar.laws.centre import centre, spread_of
from nstar.responses import sigmoid
from nstar.responses.scales import ACCURACY
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class TokenBudget:
    r"""Accuracy rises from a floor to a ceiling, a sigmoid of the log of the tokens.

    $$ a(T) = a_0 + \frac{a_1 - a_0}{1 + (T / m)^{-1/w}} $$

    For token budgets and sequential revision, whose accuracy saturates (budget forcing,
    Muennighoff et al. 2025, arXiv:2501.19393; ScaleRL fits the same to training compute,
    arXiv:2510.13786).  The unknowns are told where the runs are (`nstar.responses.sigmoid`), at the
    curve that is one of log T.
    """

    T0: float = 1000.0  # tokens of the reference run
    spread: float = 1.0  # of the runs' log tokens, their standard deviation

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tokens generated for a problem."""
        return ("T",)

    @property
    def response(self) -> Response:
        """The accuracy."""
        return ACCURACY

    def at(self, x: Inputs, cost: Cost) -> "TokenBudget":
        """Put the reference at the geometric centre of the budgets."""
        return replace(self, T0=centre(x["T"]), spread=spread_of(np.log(x["T"])))

    def priors(self) -> dict[str, Prior]:
        """A curve about as wide as the budgets are spread."""
        found = sigmoid.priors(0.6 * self.spread)
        return {name: prior for name, prior in found.items() if name != "curve"}

    def expected(self, params: Params, x: Inputs) -> Array:
        """Accuracy at each budget."""
        return sigmoid.accuracy({**params, "curve": 0.0}, -jnp.log(x["T"] / self.T0))

    def derived(self, params: Params) -> dict[str, Array]:
        """Return the ceiling."""
        return {"ceiling": sigmoid.ceiling(params)}
