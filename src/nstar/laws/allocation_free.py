"""The allocation law where nothing ties N* to D*: their FLOP were counted another way."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.allocation_line import AllocationLine
from nstar.responses.scales import LOG_OPTIMUM
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class AllocationFree(AllocationLine):
    r"""N* and D* are two powers of the budget, measured with correlated scatter.

    $$ N^*(C) = A_1 C^{\alpha_1}, \quad D^*(C) = A_2 C^{\alpha_2} $$

    with $\alpha_1 + \alpha_2$ free, as in the fits of Bi et al. (2024, DeepSeek) and
    Beck et al. (2025, xLSTM), whose budgets count more than 6ND.
    What a run costs by parameter and token is an unknown, with k as its median, and the
    trend bends D*/N*; N* D* stays a power of C.
    """

    response = LOG_OPTIMUM
    words: ClassVar = {
        "alpha2": "exponent of D* in C, before any bend",
        "flop_per_param_token": "C/(N* D*) at the reference budget",
    }

    def priors(self) -> dict[str, Prior]:
        """Levels at C0, as D*/N* and as C0/(N* D*), both exponents, the trend's own."""
        return {
            "tokens_per_parameter": priors.tokens_per_parameter(),
            "flop_per_param_token": priors.log_normal(self.k, 0.3),
            "alpha1": priors.alpha1(),
            "alpha2": priors.alpha1(),
            **self.trend.priors(),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs 2"]:
        """Log N* and log D* of each budget, in the last axis."""
        return jnp.stack(self.log_optimum(params, x["C"]), axis=-1)

    def log_optimum(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
        """Return log N* and log D* on the law's two lines."""
        c = jnp.log(C / self.C0)
        both = jnp.log(self.C0 / params["flop_per_param_token"])
        ratio = jnp.log(params["tokens_per_parameter"])
        ratio = ratio + 2 * self.trend.bend(params, c)
        return (
            (both - ratio) / 2 + params["alpha1"] * c,
            (both + ratio) / 2 + params["alpha2"] * c,
        )

    def off_line(
        self,
        params: Params,
        C: Float[np.ndarray, " budgets"],
        noise: Float[np.ndarray, "draws budgets 2"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draws budgets"], Float[np.ndarray, "draws budgets"]]:
        """Off by the noise of each."""
        return noise[..., 0], noise[..., 1]
