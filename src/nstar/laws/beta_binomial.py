"""The plain beta-binomial of repeated sampling: no problem is beyond reach."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.examples import PROBLEMS
from nstar.responses.scales import SUCCESSES
from nstar.types import Array, Derived, Inputs, Params, Prior

ODDS = (-3.0, 3.0)  # log-odds of a sample solving a problem
TAIL = (0.25, 0.6)  # of a, after the exponents of Brown et al. (2024, fig. 5)


@dataclass(frozen=True)
class BetaBinomial:
    r"""Success rates of problems are a Beta, and counts are binomial.

    $$ p_i \sim \mathrm{Beta}(a, b), \qquad s_i \sim \mathrm{Binomial}(n_i, p_i) $$

    (Schaeffer et al. 2025, arXiv:2502.17578; Kazdan et al. 2025, arXiv:2510.05197.)
    pass@k comes to one as k grows, however few problems were solved.
    """

    inputs = ("samples",)  # of each problem
    response = SUCCESSES
    words: ClassVar = {
        "log_odds": "log-odds of a sample solving a problem",
        "beta_b": "b of the Beta of the rates, whose a is the tail",
    }
    example: ClassVar = PROBLEMS

    def priors(self) -> dict[str, Prior]:
        """Log-odds of the mean rate, and the exponent of the left tail."""
        return {
            "log_odds": dist.Normal(*ODDS),
            "tail": dist.LogNormal(np.log(TAIL[0]), TAIL[1]),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs 3"]:
        """Describe each problem's population by a, b and no mass at zero, (problem, 3)."""
        a = params["tail"]
        population = jnp.stack([a, a * jnp.exp(-params["log_odds"]), jnp.zeros_like(a)])
        return jnp.broadcast_to(population, (*jnp.shape(x["samples"]), 3))

    def derived(self, params: Params) -> Derived:
        """Return pass@1 of the population, and b of its Beta; a is the tail."""
        rate = 1 / (1 + jnp.exp(-params["log_odds"]))
        return {"pass_1": rate, "beta_b": params["tail"] * (1 - rate) / rate}
