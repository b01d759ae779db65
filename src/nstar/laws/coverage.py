"""Coverage of repeated sampling as a curve: the exponentiated power law."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.powers import power
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses import pass_rates
from nstar.responses.scales import ACCURACY
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Coverage(CentredLaw):
    r"""The log of pass@k falls as a power of the samples.

    $$ c(k) = \exp(a\,k^{b}), \qquad a, b < 0 $$

    (Brown et al. 2024, arXiv:2407.21787, eq. 3, who print eight pairs.)  For curves of
    which no counts are at hand: pass@k of the same problems at several k are not apart,
    so its intervals are those of a curve, not of problems; fit counts where there are
    any (repeated_sampling).  Unknowns: pass@k at the reference k, and -b as `tail`.
    """

    k0: float = centre_of("k", 10.0)  # samples of the reference
    inputs = ("k",)  # samples of a problem
    response = ACCURACY
    words: ClassVar = {
        "solved": "pass@k at the reference k",
        "coverage_a": "a of pass@k = exp(a k^b)",
        "coverage_b": "b of pass@k = exp(a k^b)",
    }
    # k from one to a thousand, of a benchmark of many problems
    example: ClassVar = {
        "k": np.geomspace(1, 1000, 16),
        "questions": np.full(16, 2000.0),
    }

    def priors(self) -> dict[str, Prior]:
        """Any share solved, and an exponent as published."""
        median, sd = pass_rates.TAIL
        return {
            "solved": dist.Beta(1.0, 1.0),
            "tail": dist.LogNormal(np.log(median), sd),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """pass@k at each k."""
        falls = power(x["k"] / self.k0, -params["tail"])
        return jnp.exp(jnp.log(params["solved"]) * falls)

    def derived(self, params: Params) -> Derived:
        """Return a and b as Brown et al. print them."""
        tail = params["tail"]
        return {
            "coverage_a": jnp.log(params["solved"]) * self.k0**tail,
            "coverage_b": -tail,
        }
