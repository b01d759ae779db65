"""Coverage of repeated sampling as a curve: the exponentiated power law."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws.centre import centre
from nstar.responses import pass_rates
from nstar.responses.scales import ACCURACY
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Coverage:
    r"""The log of pass@k falls as a power of the samples.

    $$ c(k) = \exp(a\,k^{b}), \qquad a, b < 0 $$

    (Brown et al. 2024, arXiv:2407.21787, eq. 3, who print eight pairs.)  For curves of
    which no counts are at hand: pass@k of the same problems at several k are not apart,
    so its intervals are those of a curve, not of problems; fit counts where there are
    any (repeated_sampling).  Unknowns: pass@k at the reference k, and -b as `tail`.
    """

    k0: float = 10.0  # samples of the reference

    @property
    def inputs(self) -> tuple[str, ...]:
        """Samples of a problem."""
        return ("k",)

    @property
    def response(self) -> Response:
        """pass@k, as a fraction of the problems."""
        return ACCURACY

    def at(self, x: Inputs, cost: Cost) -> "Coverage":
        """Put the reference at the geometric centre of the k."""
        return replace(self, k0=centre(x["k"]))

    def priors(self) -> dict[str, Prior]:
        """Any share solved, and an exponent as published."""
        median, sd = pass_rates.TAIL
        return {
            "solved": dist.Beta(1.0, 1.0),
            "tail": dist.LogNormal(np.log(median), sd),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """pass@k at each k."""
        falls = jnp.exp(-params["tail"] * jnp.log(x["k"] / self.k0))
        return jnp.exp(jnp.log(params["solved"]) * falls)

    def derived(self, params: Params) -> dict[str, Array]:
        """Return a and b as Brown et al. print them."""
        tail = params["tail"]
        return {
            "coverage_a": jnp.log(params["solved"]) * self.k0**tail,
            "coverage_b": -tail,
        }
