"""The plain beta-binomial of repeated sampling: no problem is beyond reach."""

from dataclasses import dataclass

import jax.numpy as jnp

from nstar import pass_rates
from nstar.responses import SUCCESSES
from nstar.types import Array, Inputs, Params, Prior, Response


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
        found = pass_rates.priors()
        return {name: found[name] for name in ("log_odds", "tail")}

    def expected(self, params: Params, x: Inputs) -> Array:
        """Tell each problem's population by a, b and no mass at zero, (problem, 3)."""
        told = pass_rates.of({**params, "zero_root": 0.0})
        return jnp.broadcast_to(told, (*jnp.shape(x["samples"]), 3))
