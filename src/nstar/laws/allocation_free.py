"""The allocation law where nothing ties N* to D*: their FLOP were counted another way."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, flop_per_param_token
from nstar.laws import priors
from nstar.laws.centre import centre, typical_error
from nstar.laws.line import STRAIGHT, Trend
from nstar.responses.scales import LOG_OPTIMUM
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class AllocationFree:
    r"""N* and D* are two powers of the budget, measured with correlated scatter.

    $$ N^*(C) = A_1 C^{\alpha_1}, \quad D^*(C) = A_2 C^{\alpha_2} $$

    with $\alpha_1 + \alpha_2$ free, as in the fits of Bi et al. (2024, DeepSeek) and
    Beck et al. (2025, xLSTM), whose budgets count more than 6ND.
    """

    C0: float = 1e21  # FLOP, the reference budget
    k: float = FLOP_PER_PARAM_TOKEN  # as stated; what the optima show is an unknown
    se: float = 0.0  # typical standard error of a measured log N* and log D*
    trend: Trend = STRAIGHT  # bends D*/N*; N* D* stays a power of C

    @property
    def inputs(self) -> tuple[str, ...]:
        """The budget."""
        return ("C",)

    @property
    def response(self) -> Response:
        """The logs of the measured optimum's parameters and tokens."""
        return LOG_OPTIMUM

    def at(self, x: Inputs, cost: Cost) -> "AllocationFree":
        """Put the reference budget at the geometric centre, and note how well optima were measured."""
        k = flop_per_param_token(cost)
        return replace(self, C0=centre(x["C"]), k=k, se=typical_error(x))

    def priors(self) -> dict[str, Prior]:
        """Levels at C0, told as D*/N* and as C0/(N* D*), both exponents, the trend's own."""
        return {
            "tokens_per_parameter": priors.tokens_per_parameter(),
            "flop_per_param_token": priors.log_normal(self.k, 0.3),
            "alpha1": priors.alpha1(),
            "alpha2": priors.alpha1(),
            **self.trend.priors(),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log N* and log D* of each budget, in the last axis."""
        return jnp.stack(self.log_optimum(params, x["C"]), axis=-1)

    def log_optimum(self, params: Params, C: Array) -> tuple[Array, Array]:
        """Return log N* and log D* on the law's two lines."""
        c = jnp.log(C / self.C0)
        both = jnp.log(self.C0 / params["flop_per_param_token"])
        ratio = jnp.log(params["tokens_per_parameter"])
        ratio = ratio + 2 * self.trend.bend(params, c)
        return (
            (both - ratio) / 2 + params["alpha1"] * c,
            (both + ratio) / 2 + params["alpha2"] * c,
        )

    def probes(self, C: np.ndarray) -> Inputs:
        """The budgets, measured as well as usual."""
        return {"C": C, "se": np.full(len(C), self.se)}

    def off_line(
        self, params: Any, C: np.ndarray, noise: np.ndarray, random: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Off by the noise of each."""
        return noise[..., 0], noise[..., 1]

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Those of the trend."""
        return self.trend.labels()

    def derived(self, params: Params) -> dict[str, Array]:
        """Numbers of the lines with their bend, where they have one."""
        return self.trend.derived(params, partial(self.log_optimum, params), self.C0)
