"""The plain beta-binomial of repeated sampling: no problem is beyond reach."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.responses.scales import SUCCESSES
from nstar.types import Array, Inputs, Params, Prior, Response

ODDS = (-3.0, 3.0)  # log-odds of a sample solving a problem
TAIL = (0.25, 0.6)  # of a, after the exponents of Brown et al. (2024, fig. 5)


@dataclass(frozen=True)
class BetaBinomial:
    r"""Success rates of problems are a Beta, and counts are binomial.

    $$ p_i \sim \mathrm{Beta}(a, b), \qquad s_i \sim \mathrm{Binomial}(n_i, p_i) $$

    (Schaeffer et al. 2025, arXiv:2502.17578; Kazdan et al. 2025, arXiv:2510.05197.)
    pass@k comes to one as k grows, however few problems were solved.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Samples of each problem."""
        return ("samples",)

    @property
    def response(self) -> Response:
        """Successes among them."""
        return SUCCESSES

    def priors(self) -> dict[str, Prior]:
        """Log-odds of the mean rate, and the exponent of the left tail."""
        return {
            "log_odds": dist.Normal(*ODDS),
            "tail": dist.LogNormal(np.log(TAIL[0]), TAIL[1]),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Tell each problem's population by a, b and no mass at zero, (problem, 3)."""
        a = params["tail"]
        told = jnp.stack([a, a * jnp.exp(-params["log_odds"]), jnp.zeros_like(a)])
        return jnp.broadcast_to(told, (*jnp.shape(x["samples"]), 3))

    def derived(self, params: Params) -> dict[str, Array]:
        """Return pass@1 of the population, and b of its Beta; a is the tail."""
        rate = 1 / (1 + jnp.exp(-params["log_odds"]))
        return {"pass_1": rate, "beta_b": params["tail"] * (1 - rate) / rate}
